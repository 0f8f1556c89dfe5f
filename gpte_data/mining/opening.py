"""A miner over what lies beside a corpus, made first where it is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence

from gpte_data.backends.index_settings import Search
from gpte_data.corpus import Corpus
from gpte_data.indexes import IndexPlace, ensure_index, open_index
from gpte_data.mining.bm25 import BM25Index
from gpte_data.mining.fusion import Fusion
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.miner import Miner
from gpte_data.mining.seconds import DenseSecond, Second, WordsSecond
from gpte_data.mining.terms import Terms, ensure_terms
from gpte_data.teachers import Teacher


def ensure(corpus: Corpus, teachers: Sequence[Teacher], search: Search) -> Mapping[str, int]:
    """Make the words, the vectors and their indexes where missing; return what was noted."""
    ensure_terms(corpus)
    notes: Counter[str] = Counter()
    for teacher in teachers:
        notes.update(teacher.ensure(corpus))
        if search.kind != "flat":
            ensure_index(place_of(corpus, teacher), search.kind)
    return notes


def place_of(corpus: Corpus, teacher: Teacher) -> IndexPlace:
    """Return a teacher's vectors of a corpus, and where their indexes lie."""
    return IndexPlace(corpus, teacher.vector_spec, teacher.files, teacher.documents(corpus))


def opened(
    corpus: Corpus,
    teachers: Sequence[Teacher],
    bm25: bool,
    top_k: int,
    fusion: Fusion,
    search: Search,
) -> Miner:
    """Return the miner of a corpus.

    Args:
        corpus: What is searched.
        teachers: Those with vectors; the first describes the candidates.
        bm25: Whether BM25 is one more teacher.
        top_k: Candidates kept of a query.
        fusion: How several teachers rank together.
        search: How each teacher's vectors are searched.
    """
    ensure(corpus, teachers, search)
    lexical = Lexical(Terms(corpus))
    places = [place_of(corpus, teacher) for teacher in teachers]
    indexes = [open_index(place, search) for place in places]
    seconds: list[Second] = [
        DenseSecond(teacher, place.vectors, index)
        for teacher, place, index in zip(teachers[1:], places[1:], indexes[1:], strict=True)
    ]
    if bm25:
        seconds.append(WordsSecond(BM25Index(lexical)))
    first = places[0].vectors
    return Miner(corpus, teachers[0], first, indexes[0], lexical, top_k, tuple(seconds), fusion)
