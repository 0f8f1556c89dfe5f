"""A miner over what lies beside a corpus, made first where it is missing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gpte_data.backends import Index
from gpte_data.backends.index_settings import Search
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.indexes import IndexPlace, ensure_index, open_index
from gpte_data.mining.bags import BagSecond, ensure_bags
from gpte_data.mining.bm25 import BM25Index
from gpte_data.mining.earlier import EarlierMined, open_earlier
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.miner import Miner
from gpte_data.mining.seconds import DenseSecond, Second, WordsSecond
from gpte_data.mining.terms import Terms, ensure_terms
from gpte_data.teachers import BM25, Teacher
from gpte_data.teachers.promptreps import PromptRepsTeacher


def ensure(corpus: Corpus, teachers: Sequence[Teacher], search: Search) -> Mapping[str, int]:
    """Make the words, the vectors and their indexes where missing; return what was noted."""
    ensure_terms(corpus)
    notes: Counter[str] = Counter()
    for teacher in teachers:
        notes.update(teacher.ensure(corpus))
        if isinstance(teacher, PromptRepsTeacher):
            ensure_bags(corpus, teacher)
        if search.kind != "flat":
            ensure_index(place_of(corpus, teacher), search.kind)
    return notes


def place_of(corpus: Corpus, teacher: Teacher) -> IndexPlace:
    """Return a teacher's vectors of a corpus, and where their indexes lie."""
    return IndexPlace(corpus, teacher.vector_spec, teacher.files, teacher.documents(corpus))


def earlier_of(cfg: MineConfig, corpus: Corpus) -> EarlierMined | None:
    """Return what earlier minings kept, read once in a process."""
    return open_earlier(cfg.earlier, corpus, cfg.num_negatives, cfg.earlier_share)


def open_miner(cfg: MineConfig, query_ids: Sequence[str] | None = None) -> Miner:
    """Return the miner that a config asks for.

    Args:
        cfg: The config.
        query_ids: Of all pairs, in order, where a teacher's vectors are theirs by order.
    """
    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    for teacher in teachers:
        if query_ids is not None and teacher.in_order:
            teacher.tell(query_ids)
    return opened(cfg, corpus, teachers)


def opened(cfg: MineConfig, corpus: Corpus, teachers: Sequence[Teacher]) -> Miner:
    """Return a miner of a corpus; the first teacher describes the candidates."""
    ensure(corpus, teachers, cfg.search())
    lexical = Lexical(Terms(corpus))
    places = [place_of(corpus, teacher) for teacher in teachers]
    indexes = [open_index(place, cfg.search()) for place in places]
    seconds = list(_seconds(corpus, teachers, places, indexes))
    if BM25 in cfg.teacher:
        seconds.append(WordsSecond(BM25Index(lexical)))
    return Miner(
        corpus, teachers[0], places[0].vectors, indexes[0], lexical, cfg.top_k, tuple(seconds),
        cfg.fusion, earlier_of(cfg, corpus),
    )  # fmt: skip


def _seconds(
    corpus: Corpus, teachers: Sequence[Teacher], places: Sequence[IndexPlace],
    indexes: Sequence[Index],
) -> Iterator[Second]:  # fmt: skip
    """Yield what ranks beside the first teacher's vectors."""
    for n, (teacher, place, index) in enumerate(zip(teachers, places, indexes, strict=True)):
        if n > 0:
            yield DenseSecond(teacher, place.vectors, index)
        if isinstance(teacher, PromptRepsTeacher):
            yield BagSecond(teacher, corpus)
