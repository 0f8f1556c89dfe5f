"""A miner over what lies beside a corpus, made first where it is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence

from gpte_data.corpus import Corpus
from gpte_data.mining.bags import BagSecond, ensure_bags
from gpte_data.mining.bm25 import BM25Index
from gpte_data.mining.earlier import EarlierMined
from gpte_data.mining.fusion import Fusion
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.miner import Miner
from gpte_data.mining.seconds import DenseSecond, Second, WordsSecond
from gpte_data.mining.terms import Terms, ensure_terms
from gpte_data.teachers import Teacher
from gpte_data.teachers.promptreps import PromptRepsTeacher


def ensure(corpus: Corpus, teachers: Sequence[Teacher]) -> Mapping[str, int]:
    """Make the index of words and the vectors where they are missing; return what was noted."""
    ensure_terms(corpus)
    notes: Counter[str] = Counter()
    for teacher in teachers:
        notes.update(teacher.ensure(corpus))
        if isinstance(teacher, PromptRepsTeacher):
            ensure_bags(corpus, teacher)
    return notes


def opened(
    corpus: Corpus, teachers: Sequence[Teacher], bm25: bool, top_k: int, fusion: Fusion,
    earlier: EarlierMined | None = None,
) -> Miner:  # fmt: skip
    """Return the miner of a corpus.

    Args:
        corpus: What is searched.
        teachers: Those with vectors; the first describes the candidates.
        bm25: Whether BM25 is one more teacher.
        top_k: Candidates kept of a query.
        fusion: How several teachers rank together.
        earlier: What earlier minings kept.
    """
    ensure(corpus, teachers)
    lexical = Lexical(Terms(corpus))
    first = teachers[0]
    seconds: list[Second] = []
    for one in teachers:
        if one is not first:
            seconds.append(DenseSecond(one, one.documents(corpus)))
        if isinstance(one, PromptRepsTeacher):
            seconds.append(BagSecond(one, corpus))
    if bm25:
        seconds.append(WordsSecond(BM25Index(lexical)))
    vectors = first.documents(corpus)
    return Miner(
        corpus, first, vectors, lexical, top_k, tuple(seconds), fusion, earlier=earlier
    )  # fmt: skip
