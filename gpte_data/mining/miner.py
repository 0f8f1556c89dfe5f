"""Mining for some queries: search, exact scores, and what is known of every candidate.

The search may round; what is stored does not depend on it: the scores of all hits are computed
again in float64, and hits with equal scores stand in the order of their doc_ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gpte_data.backends.flat_index import FlatIndex, Pass, exact_scores
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.corpus import Corpus
from gpte_data.mining.evidence import Found, Spread, evidence
from gpte_data.mining.lexical import Lexical
from gpte_data.records import WRITTEN
from gpte_data.stage import Context, Row
from gpte_data.teachers import Teacher

SAME = 0.99999
"""Cosine from which two texts are taken for the same."""


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

    @property
    def ranks(self) -> Any:
        """1 is the best, (n,); what was written and is not among the best k stands behind."""
        return np.arange(1, len(self.positions) + 1, dtype=np.int32)

    @property
    def positive_ranks(self) -> list[int]:
        """The rank that each positive would have, or 0 if it is behind all candidates."""
        above = np.searchsorted(-self.scores, -self.positive_scores, side="left")
        return [int(n) + 1 if n < len(self.scores) else 0 for n in above]


@dataclass(frozen=True)
class Miner:
    """Searches one corpus with one teacher."""

    corpus: Corpus
    teacher: Teacher
    vectors: Vectors
    lexical: Lexical
    top_k: int
    first_pass: Pass = "auto"

    @cached_property
    def _index(self) -> FlatIndex:
        return FlatIndex(self.vectors, self.first_pass)

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
        if embedded.vectors.shape[1] != self.vectors.dimension:
            raise ValueError("queries and documents have vectors of different dimensions")
        most = max(len(row["positives"]) for row in rows)
        hits = self._index.hits(embedded.vectors, self.top_k + most)
        for row, query, found in zip(rows, embedded.vectors, hits, strict=True):
            yield self._described(row, query, found)

    def _described(self, row: Row, query: Any, hits: Any) -> Mined:
        """Return the best of the hits, and what was written for the query, with their evidence."""
        positives = self._positions(row["positives"])
        written = self._positions(sorted(set(row.get("negatives", ())) - set(row["positives"])))
        hits = np.setdiff1d(np.union1d(hits, written), positives)
        vectors = self.vectors.take(hits)
        scores = exact_scores(vectors, query)
        order = np.lexsort((self.corpus.doc_ids.ranks[hits], -scores))
        own = np.isin(hits[order], written)
        order = order[(np.arange(len(order)) < self.top_k) | own]
        hits, scores, vectors = hits[order], scores[order], vectors[order]
        positive_vectors = self.vectors.take(positives)
        positive_scores = exact_scores(positive_vectors, query)
        found = Found(
            query, scores, vectors, positive_scores, positive_vectors,
            *self.lexical.scores(row["query"], positives, hits),
        )  # fmt: skip
        described = evidence(found, self._spread)
        nearness = (vectors @ positive_vectors.T).max(axis=1)
        return Mined(
            row, hits, scores, np.isin(hits, written), described[0], positive_scores,
            described[1], nearness, self._siblings(hits, positives),
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

    def sources(self, mined: Mined) -> Any:
        """Return how each candidate was found, as an Arrow array."""
        import pyarrow as pa

        names = pa.array([self.teacher.label, WRITTEN])
        return names.take(pa.array(mined.written.astype(np.int8)))
