"""Mining for some queries: search, exact scores, and what is known of every candidate.

The search may round; what is stored does not depend on it: the scores of all hits are computed
again in float64, and hits with equal scores stand in the order of their doc_ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gpte_data.backends import Index
from gpte_data.backends.flat_index import exact_scores
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.corpus import Corpus
from gpte_data.mining.described import Block, Mined, Passages, described
from gpte_data.mining.earlier import NOTHING, EarlierMined, Kept
from gpte_data.mining.evidence import Spread
from gpte_data.mining.fusion import Fusion, fused
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.pairs import no_negatives
from gpte_data.mining.pools import Pools, pooled, starts
from gpte_data.mining.ranked import Ranked, ranked
from gpte_data.mining.searching import searched
from gpte_data.mining.seconds import Searched, Second
from gpte_data.records import RANDOM, WRITTEN
from gpte_data.stage import Context, Row
from gpte_data.teachers import Teacher

TOGETHER = 64
"""Queries whose candidates' vectors are in memory together."""


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
    earlier: EarlierMined | None = None

    @cached_property
    def labels(self) -> Any:
        """The names of what candidates come from, by number, as an Arrow array.

        First the teachers, then what was written or drawn, then teachers of earlier minings.
        """
        import pyarrow as pa

        names = self.teachers
        old = self.earlier.labels if self.earlier is not None else []
        told_apart = [f"{one} (earlier)" if one in names else one for one in old]
        return pa.array([*names, WRITTEN, RANDOM, *told_apart])

    @cached_property
    def teachers(self) -> list[str]:
        """The names of the teachers."""
        return [self.teacher.label, *(other.label for other in self.others)]

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
        kept = [NOTHING] * len(rows)
        if self.earlier is not None:
            kept = self.earlier.of(rows, ctx.ledger.notes)
        for start in range(0, len(rows), TOGETHER):
            part = slice(start, start + TOGETHER)
            block = self._block(
                rows[part], embedded.vectors[part], hits[part], kept[part], others, start
            )
            yield from described(block, self._spread, self.corpus.documents)

    def _block(
        self, rows: Sequence[Row], queries: Any, hits: Sequence[Any], kept: Sequence[Kept],
        others: Sequence[Searched], first: int,
    ) -> Block:  # fmt: skip
        """Rank the hits of some queries, and what was written or kept for them."""
        positives = [self._positions(row["positives"]) for row in rows]
        written = [self._positions(row.get("negatives", ())) for row in rows]
        barred = [self.places(no_negatives(row)) for row in rows]
        hits_of_others = [other.hits[first : first + len(rows)] for other in others]
        pools = pooled([hits, *hits_of_others], barred, written, kept, len(self.corpus.doc_ids))
        found, own, shared = self._passages(rows, queries, pools, positives)
        scores = [found.scores]
        for other in others:
            scores.append(_of_other(other, first, pools, found.words))
        by_teacher = np.stack(scores, axis=1)
        ids = self.corpus.doc_ids.ranks[pools.positions]
        best = ranked(pools, by_teacher, ids, self.top_k, self.fusion)
        further = [[partial(other.scores, first + n) for other in others] for n in range(len(rows))]
        return Block(rows, queries, pools, best, found, shared, by_teacher, own, further)

    def extended(self, mined: Mined, positions: Any) -> Mined:
        """Return a query with random documents (m,) behind its candidates, which stay as they are.

        What is said of the random ones is what would be said of candidates.
        """
        old, new = len(mined.positions), len(positions)
        count, own = old + new, [self._positions(mined.row["positives"])]
        every = np.concatenate([mined.positions, positions])
        no = np.zeros(new, dtype=np.int8)
        pools = Pools(
            np.zeros(count, dtype=np.int64), every, np.append(mined.written, no > 0),
            np.append(mined.earlier, [no, no], axis=1), np.zeros((count, 1), dtype=bool),
            np.array([0, count]),
        )  # fmt: skip
        found, known, shared = self._passages([mined.row], mined.query[None], pools, own)
        scores = [found.scores, *(score(every, found.words) for score in mined.others)]
        ranks = fused(scores, "rrf")[1] if mined.others else None
        found_by = np.append(mined.found_by, no)
        best = Ranked(np.arange(count), pools.bounds, found_by, found_by == 0, ranks)
        best.own[old:] = False
        block = Block(
            [mined.row], mined.query[None], pools, best, found, shared, np.stack(scores, axis=1),
            known, [mined.others],
        )  # fmt: skip
        (more,) = described(block, self._spread, self.corpus.documents)
        more.random[old:] = True
        return more.keeping(mined)

    def _passages(
        self, rows: Sequence[Row], queries: Any, pools: Pools, positives: Sequence[Any]
    ) -> tuple[Passages, Passages, Any]:
        """Return the passages of the pools and the positives, and how many words they share."""
        known = np.concatenate(positives)
        vectors = self.vectors.take(np.concatenate([pools.positions, known]))
        split = np.split(vectors, [len(pools.positions)])
        bounds = pools.bounds, starts(positives)
        words = self.lexical.scores(
            [row["query"] for row in rows], positives, pools.by_query(pools.positions)
        )
        asked, own_asked, shared, long, own_long = map(np.concatenate, zip(*words, strict=True))
        scores = [_exact(*each, queries) for each in zip(split, bounds, strict=True)]
        found = Passages(bounds[0], pools.positions, split[0], scores[0], asked, long)
        own = Passages(bounds[1], known, split[1], scores[1], own_asked, own_long)
        return found, own, shared

    def _positions(self, doc_ids: Sequence[str]) -> Any:
        """Return where documents stand in the corpus."""
        return np.array([self.corpus.position[doc_id] for doc_id in doc_ids], dtype=np.int64)

    def places(self, doc_ids: Sequence[str]) -> Any:
        """Return the same of those that are there at all."""
        return self._positions([one for one in doc_ids if one in self.corpus.position])


def _exact(vectors: Any, bounds: Any, queries: Any) -> Any:
    """Return the score of each vector (m, d) with its query, (m,)."""
    parts = zip(np.split(vectors, bounds[1:-1]), queries, strict=True)
    return np.concatenate([exact_scores(part, query) for part, query in parts])


def _of_other(other: Searched, first: int, pools: Pools, words: Any) -> Any:
    """Return the scores of all entries by a further teacher, (m,)."""
    parts = zip(pools.by_query(pools.positions), pools.by_query(words), strict=True)
    return np.concatenate([other.scores(first + n, *part) for n, part in enumerate(parts)])
