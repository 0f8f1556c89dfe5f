"""Mining for some queries: search, exact scores, and what is known of every candidate.

The search may round; what is stored does not depend on it: the scores of all hits are computed
again in float64, and hits with equal scores stand in the order of their doc_ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gpte_data.backends import Index
from gpte_data.backends.flat_index import exact_scores
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.corpus import Corpus
from gpte_data.mining.evidence import Spread, evidence, usual
from gpte_data.mining.fusion import Fusion, fused
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.ranked import Pool, Ranked, alike_in_shape, together_of
from gpte_data.mining.searching import searched
from gpte_data.mining.seconds import Searched, Second
from gpte_data.stage import Context, Row
from gpte_data.teachers import Teacher

TOGETHER = 64
"""Queries whose candidates' vectors are in memory together."""


@dataclass(slots=True)
class Mined:
    """A row with its candidates, best first, as arrays of n."""

    row: Row
    positions: Any
    """Of the candidates in the corpus."""
    scores: Any
    written: Any
    """Whether it was written as a negative for this query."""
    evidence: Any
    """(n, 10), see `evidence`."""
    positive_scores: Any
    """(p,)"""
    positive_evidence: Any
    """(p, 6)"""
    positive_similarity: Any
    """Highest cosine to a positive."""
    sibling: Any
    """Whether it was cut from the document of a positive."""
    found_by: Any
    """Which teacher found it first, by number, (n,)."""
    teacher_scores: Any
    """By each of several teachers, (n, teachers), or None if there is but one."""
    teacher_ranks: Any

    @property
    def ranks(self) -> Any:
        """1 is the best, (n,); what was written and is not among the best k stands behind."""
        return np.arange(1, len(self.positions) + 1, dtype=np.int32)

    @property
    def positive_ranks(self) -> list[int]:
        """The rank that each positive would have, or 0 if it is behind all candidates."""
        above = (self.scores > self.positive_scores[:, None]).sum(axis=1)
        return [int(n) + 1 if n < len(self.scores) else 0 for n in above]


@dataclass(frozen=True)
class Miner:
    """Searches one corpus with a teacher, and with others beside it."""

    corpus: Corpus
    teacher: Teacher
    vectors: Vectors
    index: Index
    lexical: Lexical
    top_k: int
    others: Sequence[Second] = ()
    fusion: Fusion = "rrf"

    @cached_property
    def _spread(self) -> Spread:
        return Spread(self.vectors)

    def mine(self, rows: Sequence[Row], ctx: Context) -> Iterator[Mined]:
        """Yield each row with its candidates; the rows are searched together."""
        if not rows:
            return
        embedded = self.teacher.queries(rows)
        if embedded.truncated:
            note = "queries longer than the teacher takes, truncated"
            ctx.ledger.notes[note] += embedded.truncated
        hits = searched(self.index, rows, embedded.vectors, self.top_k)
        others = [other.search(rows, self.top_k) for other in self.others]
        for start in range(0, len(rows), TOGETHER):
            part = slice(start, start + TOGETHER)
            yield from self._described(
                rows[part], embedded.vectors[part], hits[part], others, start
            )

    def _described(
        self, rows: Sequence[Row], queries: Any, hits: Sequence[Any],
        others: Sequence[Searched], first: int,
    ) -> Iterator[Mined]:  # fmt: skip
        """Yield rows with the best of their hits and what was written for them, with evidence."""
        pools = [
            self._pool(row, hit, [other.hits[first + n] for other in others])
            for n, (row, hit) in enumerate(zip(rows, hits, strict=True))
        ]
        lexical = self.lexical.scores(
            [row["query"] for row in rows],
            [pool.positives for pool in pools],
            [pool.positions for pool in pools],
        )
        parts = self._vectors([p.positions for p in pools] + [p.positives for p in pools])
        ranked = []
        for n, (pool, words) in enumerate(zip(pools, lexical, strict=True)):
            extra = [other.scores(first + n, pool.positions, words[0]) for other in others]
            ranked.append(
                self._order(queries[n], pool, parts[n], parts[len(pools) + n], words, extra)
            )
        found: dict[int, Mined] = {}
        for alike in alike_in_shape(ranked):
            together = [ranked[n] for n in alike]
            spoken, own = evidence(together_of(queries[alike], together), self._spread)
            for n, one, of_hits, of_positives in zip(alike, together, spoken, own, strict=True):
                found[n] = self._mined(rows[n], one, of_hits, of_positives)
        yield from (found[n] for n in range(len(rows)))

    def _pool(self, row: Row, hits: Any, others: Sequence[Any]) -> Pool:
        """Return what may become a candidate: hits of all teachers and what was written."""
        positives = self._positions(row["positives"])
        written = self._positions(sorted(set(row.get("negatives", ())) - set(row["positives"])))
        teachers = [hits, *others]
        together = np.unique(np.concatenate([*teachers, written]))
        together = together[~np.isin(together, positives)]
        found = np.stack([np.isin(together, one) for one in teachers], axis=1)
        return Pool(together, positives, written, found)

    def _vectors(self, lists: Sequence[Any]) -> list[Any]:
        """Return the vectors at several lists of positions, read together."""
        vectors = self.vectors.take(np.concatenate(lists))
        return np.split(vectors, np.cumsum([len(one) for one in lists])[:-1])

    def _order(
        self, query: Any, pool: Pool, vectors: Any, own_vectors: Any, words: Any, extra: Any
    ) -> Ranked:
        """Return the best k, and what was written, best first."""
        by_teacher = np.stack([exact_scores(vectors, query), *extra], axis=1)
        ids = self.corpus.doc_ids.ranks[pool.positions]
        best = [self._best(pool.found[:, n], by_teacher[:, n], ids) for n in range(len(extra) + 1)]
        written = np.isin(pool.positions, pool.written)
        keep = np.flatnonzero(np.logical_or.reduce([*best, written]))
        value, ranks = by_teacher[keep, 0], None
        if extra:
            value, ranks = fused(list(by_teacher[keep].T), self.fusion)
        order = np.lexsort((ids[keep], -value))
        order = order[(np.arange(len(order)) < self.top_k) | written[keep[order]]]
        chosen, own = keep[order], np.flatnonzero(best[0])
        found_by = np.argmax(np.stack([*best, written], axis=1)[chosen], axis=1)
        return Ranked(
            pool.positions[chosen], by_teacher[chosen, 0], vectors[chosen], written[chosen],
            pool.positives, exact_scores(own_vectors, query), own_vectors,
            words[0][chosen], words[1], words[2][chosen],
            usual(by_teacher[own, 0], self._spread.means(vectors[own])),
            np.where(found_by > len(extra), 0, found_by).astype(np.int8),
            by_teacher[chosen] if extra else None, ranks[order] if ranks is not None else None,
        )  # fmt: skip

    def _best(self, found: Any, scores: Any, ids: Any) -> Any:
        """Return which of a teacher's hits are its best k; a search may find more than it must."""
        places = np.flatnonzero(found)
        places = places[np.lexsort((ids[places], -scores[places]))[: self.top_k]]
        best = np.zeros(len(found), dtype=bool)
        best[places] = True
        return best

    def _mined(self, row: Row, one: Ranked, of_hits: Any, of_positives: Any) -> Mined:
        # Of copies float16 makes the length, and so the product, other than 1.
        nearness = (_unit(one.vectors) @ _unit(one.positive_vectors).T).max(axis=1)
        return Mined(
            row, one.positions, one.scores, one.written, of_hits, one.positive_scores,
            of_positives, nearness, self._siblings(one.positions, one.positives),
            one.found_by, one.teacher_scores, one.teacher_ranks,
        )  # fmt: skip

    def _siblings(self, hits: Any, positives: Any) -> Any:
        """Return which hits were cut from the document of a positive."""
        documents = self.corpus.documents
        if documents is None:
            return np.zeros(len(hits), dtype=bool)
        return np.isin(documents[hits], np.setdiff1d(documents[positives], [-1]))

    def _positions(self, doc_ids: Sequence[str]) -> Any:
        """Return where documents stand in the corpus."""
        return np.array([self.corpus.position[doc_id] for doc_id in doc_ids], dtype=np.int64)


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
