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
from gpte_data.stage import Context, Row
from gpte_data.teachers import Teacher

TOGETHER = 256
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
        most = max(len(row["positives"]) for row in rows)
        hits = self._index.hits(embedded.vectors, self.top_k + most)
        for start in range(0, len(rows), TOGETHER):
            part = slice(start, start + TOGETHER)
            yield from self._described(rows[part], embedded.vectors[part], hits[part])

    def _described(self, rows: Sequence[Row], queries: Any, hits: Sequence[Any]) -> Iterator[Mined]:
        """Yield rows with the best of their hits and what was written for them, with evidence."""
        ranked = self._ranked(rows, queries, hits)
        lexical = self.lexical.scores(
            [row["query"] for row in rows],
            [one.positives for one in ranked],
            [one.positions for one in ranked],
        )
        for one, (words, positive_words, shared) in zip(ranked, lexical, strict=True):
            one.words, one.positive_words, one.shared = words, positive_words, shared
        found: dict[int, Mined] = {}
        for alike in _alike(ranked):
            together = [ranked[n] for n in alike]
            spoken, own = evidence(_found(queries[alike], together), self._spread)
            for n, one, of_hits, of_positives in zip(alike, together, spoken, own, strict=True):
                found[n] = self._mined(rows[n], one, of_hits, of_positives)
        yield from (found[n] for n in range(len(rows)))

    def _ranked(self, rows: Sequence[Row], queries: Any, hits: Sequence[Any]) -> list["_Ranked"]:
        """Return the candidates of some rows, scored exactly and in order."""
        positives = [self._positions(row["positives"]) for row in rows]
        written = [
            self._positions(sorted(set(row.get("negatives", ())) - set(row["positives"])))
            for row in rows
        ]
        lists = [
            _without(np.union1d(hit, more) if len(more) else hit, own)
            for hit, more, own in zip(hits, written, positives, strict=True)
        ]
        vectors = self.vectors.take(np.concatenate(lists + positives))
        ends = np.cumsum([len(one) for one in lists + positives])
        parts = np.split(vectors, ends[:-1])
        return [
            self._order(query, lists[n], parts[n], written[n], positives[n], parts[len(rows) + n])
            for n, query in enumerate(queries)
        ]

    def _order(
        self, query: Any, hits: Any, vectors: Any, written: Any, positives: Any, own_vectors: Any
    ) -> "_Ranked":
        """Return the best k, and what was written, best first."""
        scores = exact_scores(vectors, query)
        order = np.lexsort((self.corpus.doc_ids.ranks[hits], -scores))
        if len(written):
            keep = np.isin(hits[order], written)
            keep[: self.top_k] = True
            order = order[keep]
        else:
            order = order[: self.top_k]
        return _Ranked(
            hits[order], scores[order], vectors[order], np.isin(hits[order], written),
            positives, exact_scores(own_vectors, query), own_vectors,
        )  # fmt: skip

    def _mined(self, row: Row, one: "_Ranked", of_hits: Any, of_positives: Any) -> Mined:
        nearness = (one.vectors @ one.positive_vectors.T).max(axis=1)
        return Mined(
            row, one.positions, one.scores, one.written, of_hits, one.positive_scores,
            of_positives, nearness, self._siblings(one.positions, one.positives),
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


@dataclass(slots=True)
class _Ranked:
    """A query's candidates, best first, before anything is said of them."""

    positions: Any
    scores: Any
    vectors: Any
    written: Any
    positives: Any
    positive_scores: Any
    positive_vectors: Any
    words: Any = None
    positive_words: Any = None
    shared: Any = None


def _without(hits: Any, positives: Any) -> Any:
    """Return the hits that are no positives."""
    if len(positives) == 1:
        return hits[hits != positives[0]]
    return hits[~np.isin(hits, positives)]


def _alike(ranked: Sequence[_Ranked]) -> list[list[int]]:
    """Return which queries have as many candidates and positives: arrays of one shape."""
    groups: dict[tuple[int, int], list[int]] = {}
    for n, one in enumerate(ranked):
        groups.setdefault((len(one.positions), len(one.positives)), []).append(n)
    return list(groups.values())


def _found(queries: Any, ranked: Sequence[_Ranked]) -> Found:
    """Return queries of one shape as arrays."""
    names = (
        "scores", "vectors", "positive_scores", "positive_vectors",
        "words", "positive_words", "shared",
    )  # fmt: skip
    return Found(queries, *(np.stack([getattr(one, name) for one in ranked]) for name in names))
