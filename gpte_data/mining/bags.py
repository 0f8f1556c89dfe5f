"""Sparse bags of words of a PromptReps teacher (2404.18424): made, kept beside a corpus, searched.

Bags of passages follow from the hidden states that lie there, without the model. They are kept as
the index of words is (`terms`), with a token in a word's place and its weight in the count's. The
score of a passage is the product of its bag with the query's; it is exact, a whole number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io
from gpte_data.backends.bag_of_words import Bagger
from gpte_data.backends.vectors_on_disk import VectorFile
from gpte_data.corpus import Corpus
from gpte_data.mining.inverted import best_hits
from gpte_data.mining.pairs import no_negatives
from gpte_data.mining.seconds import Searched
from gpte_data.mining.terms import Terms, ensure_index, unpacked
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.teachers.promptreps import PromptRepsTeacher
from gpte_data.vectors import VectorSpec, vectors_path

VERSION = 1
"""Of how bags are made; raised when the same hidden state would give another."""
TOGETHER = 1024
"""Passages whose hidden states are in memory together."""


def bags_spec(teacher: PromptRepsTeacher) -> VectorSpec:
    """Return what decides the bags of a corpus: the hidden states, and how they become bags."""
    spec = teacher.vector_spec
    return replace(
        spec, teacher=f"{spec.teacher}-words", identity={**spec.identity, "bags": VERSION}
    )


def ensure_bags(corpus: Corpus, teacher: PromptRepsTeacher) -> None:
    """Make the bags where they are missing; the hidden states are there."""

    def made(shard: Path) -> Iterator[tuple[Any, Any]]:
        return _bags(shard, vectors_path(shard, teacher.vector_spec), teacher.reps().bagger)

    ensure_index(corpus, bags_spec(teacher), made)


def _bags(shard: Path, states: Path, bagger: Bagger) -> Iterator[tuple[Any, Any]]:
    """Yield bags of passages, one after another, and how many tokens each has."""
    file = VectorFile(states)
    texts = [full_text(row) for row in io.read(shard, ("title", "text"))]
    for start in range(0, len(texts), TOGETHER):
        some = texts[start : start + TOGETHER]
        yield _joined(list(bagger.bags(some, file.block(start, start + len(some)))))


def _joined(bags: Sequence[Any]) -> tuple[Any, Any]:
    return np.concatenate(bags), np.array([len(one) for one in bags], dtype=np.int64)


class BagSecond:
    """A PromptReps teacher's bags, beside its vectors."""

    def __init__(self, teacher: PromptRepsTeacher, corpus: Corpus) -> None:
        self.teacher, self.terms = teacher, Terms(corpus, bags_spec(teacher))

    @property
    def label(self) -> str:
        """The teacher's own, and what of it this is."""
        return f"{self.teacher.label} words"

    def search(self, rows: Sequence[Row], top_k: int) -> Searched:
        """Return those of each query whose bags are nearest, top_k of them beside its positives."""
        k = top_k + max(len(no_negatives(row)) for row in rows)
        states = self.teacher.states(rows).vectors
        bagger = self.teacher.reps().bagger
        asked = [_weighted(one) for one in bagger.bags([row["query"] for row in rows], states)]

        def scores(n: int, positions: Any, words: Any) -> Any:
            return self._scores(asked[n], positions)

        return Searched(best_hits(self.terms, _weighted, asked, k), scores)

    def _scores(self, query: tuple[Any, Any], positions: Any) -> Any:
        """Return the scores of some passages (n,) in float32."""
        tokens, weights = query
        if not len(tokens):
            return np.zeros(len(positions), dtype=np.float32)
        packed, sizes = self.terms.of(positions)
        own, heavy = _weighted(packed)
        places = np.minimum(np.searchsorted(tokens, own), len(tokens) - 1)
        products = np.where(tokens[places] == own, weights[places] * heavy, 0)
        owners = np.repeat(np.arange(len(sizes)), sizes)
        return np.bincount(owners, products, minlength=len(sizes)).astype(np.float32)


def _weighted(packed: Any, sizes: Any = None) -> tuple[Any, Any]:
    """Return tokens and weights; sums of products of these are exact in float64."""
    tokens, weights = unpacked(packed)
    return tokens, weights.astype(np.float64)
