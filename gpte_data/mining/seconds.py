"""Further teachers beside the first: what they find, and how they score what the others found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gpte_data.backends import Index
from gpte_data.backends.flat_index import exact_scores
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.mining.bm25 import BM25Index
from gpte_data.mining.pairs import no_negatives
from gpte_data.mining.searching import searched
from gpte_data.stage import Row
from gpte_data.teachers import Teacher


@dataclass(frozen=True, slots=True)
class Searched:
    """What a teacher found for some queries."""

    hits: Sequence[Any]
    """Positions of the best of each query."""
    scores: Callable[[int, Any, Any], Any]
    """Scores of a query, by its number, with passages (n,), given their BM25 (n,)."""


class Second(Protocol):
    """A teacher beside the first."""

    @property
    def label(self) -> str:
        """How rows name it."""

    def search(self, rows: Sequence[Row], top_k: int) -> Searched:
        """Return the best of each query, top_k of them beside its positives."""


class DenseSecond:
    """A teacher with vectors."""

    def __init__(self, teacher: Teacher, vectors: Vectors, index: Index) -> None:
        self.teacher, self.vectors, self.index = teacher, vectors, index

    @property
    def label(self) -> str:
        """The teacher's own."""
        return self.teacher.label

    def search(self, rows: Sequence[Row], top_k: int) -> Searched:
        """Return the nearest of each query."""
        queries = self.teacher.queries(rows).vectors

        def scores(n: int, positions: Any, words: Any) -> Any:
            return exact_scores(self.vectors.take(positions), queries[n])

        return Searched(searched(self.index, rows, queries, top_k), scores)


class WordsSecond:
    """BM25."""

    label = "bm25"

    def __init__(self, index: BM25Index) -> None:
        self.index = index

    def search(self, rows: Sequence[Row], top_k: int) -> Searched:
        """Return those with the highest BM25 of each query."""
        most = max(len(no_negatives(row)) for row in rows)
        hits = self.index.hits([row["query"] for row in rows], top_k + most)
        return Searched(hits, lambda n, positions, words: words)
