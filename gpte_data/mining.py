"""Mining for one block of queries: search, exact scores, and a verdict on every candidate.

The search may round; what is stored does not depend on it: the scores of all hits are computed
again in float64, and hits with equal scores stand in the order of their doc_ids.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gpte_data.backends import Embedder
from gpte_data.backends.flat_index import FlatIndex
from gpte_data.corpus import Corpus
from gpte_data.embedding import Stack
from gpte_data.records import WRITTEN
from gpte_data.stage import Context, Row

SLACK = 8
"""Hits fetched beyond those kept, so that rounding in the search can't change which are kept."""
CLEAR = 1e-5
"""Difference of scores that rounding in the search can't make."""
SAME = 0.99999
"""Cosine from which two documents are taken for the same text."""


@dataclass(frozen=True)
class Miner:
    """Searches one corpus with one teacher."""

    corpus: Corpus
    arrays: Sequence[Any]
    """The corpus' vectors, an array for each shard."""
    embedder: Embedder
    query_prompt: str
    source: str
    """How candidates name the teacher."""
    top_k: int
    relative_margin: float

    @cached_property
    def vectors(self) -> Stack:
        """The corpus' vectors by position."""
        return Stack(self.arrays)

    def mine(self, rows: list[Row], ctx: Context) -> Iterator[Row]:
        """Yield each row with candidates and positive_scores."""
        if not rows:
            return
        embedded = self.embedder.embed([r["query"] for r in rows], self.query_prompt)
        if embedded.truncated:
            ctx.ledger.notes["queries longer than the teacher takes, truncated"] += (
                embedded.truncated
            )
        wanted = self.top_k + max(len(row["positives"]) for row in rows)
        k = min(wanted + SLACK, len(self.corpus.doc_ids))
        found = zip(*FlatIndex(self.arrays).search(embedded.vectors, k), strict=True)
        for row, query, (scores, hits) in zip(rows, embedded.vectors, found, strict=True):
            hits = self._enough(query, scores, hits, self.top_k + len(row["positives"]))
            yield row | self._judged(row, query, hits)

    def _enough(self, query: Any, scores: Any, hits: Any, wanted: int) -> Any:
        """Return hits among which the best `wanted` are sure to be.

        Where the last of them ties with the last one found, as with many copies of one text, the
        search goes deeper: which copies are kept is then a matter of their ids alone.
        """
        while len(hits) < len(self.corpus.doc_ids) and scores[wanted - 1] - scores[-1] < CLEAR:
            k = min(2 * len(hits), len(self.corpus.doc_ids))
            (scores,), (hits,) = FlatIndex(self.arrays).search(query[None], k)
        return hits

    def _judged(self, row: Row, query: Any, hits: Any) -> Row:
        """Return the candidates, scored exactly and judged, and the positives' scores.

        Negatives that were written for the query are candidates wherever they rank.
        """
        positives, written = row["positives"], set(row.get("negatives", ()))
        own = self._positions(positives)
        hits = np.union1d(hits, self._positions(written))
        hits = hits[~np.isin(hits, own)]
        own_vectors = self.vectors.take(own).astype(np.float64)
        hit_vectors = self.vectors.take(hits).astype(np.float64)
        positive_scores = (own_vectors @ query.astype(np.float64)).astype(np.float32)
        scores = (hit_vectors @ query.astype(np.float64)).astype(np.float32)
        nearness = (hit_vectors @ own_vectors.T).max(axis=1)
        documents = {self.corpus.document(doc_id) for doc_id in positives}
        ids = [self.corpus.doc_ids[hit] for hit in hits]
        order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
        order = order[: self.top_k] + [i for i in order[self.top_k :] if ids[i] in written]
        lowest = float(positive_scores.min())
        ceiling = lowest - abs(lowest) * self.relative_margin
        return {
            "positive_scores": positive_scores.tolist(),
            "candidates": [
                {
                    "doc_id": ids[i],
                    "rank": rank,
                    "score": float(scores[i]),
                    "source": WRITTEN if ids[i] in written else self.source,
                    **_verdict(
                        close=not scores[i] <= ceiling,
                        copy=bool(nearness[i] >= SAME),
                        sibling=self.corpus.document(ids[i]) in documents,
                        written=ids[i] in written,
                    ),
                }
                for rank, i in enumerate(order, 1)
            ],
        }

    def _positions(self, doc_ids: Iterable[str]) -> Any:
        """Return where documents stand in the corpus."""
        return np.array([self.corpus.position[doc_id] for doc_id in doc_ids], dtype=np.int64)


def _verdict(*, close: bool, copy: bool, sibling: bool, written: bool) -> dict[str, str]:
    """Return verdict and reason of a candidate; the surest reason to drop it comes first.

    The margin finds positives that nobody labelled. What was written to miss the answer is meant to
    come close to it, so the margin says nothing of it; a reranker may (filter-negatives).
    """
    if copy:
        return {"verdict": "drop", "reason": "same text as a positive"}
    if written:
        return {"verdict": "keep", "reason": "written as a negative"}
    if sibling:
        return {"verdict": "drop", "reason": "chunk of a positive's document"}
    if close:
        return {"verdict": "drop", "reason": "too close to the positive's score"}
    return {"verdict": "keep", "reason": "below the margin"}
