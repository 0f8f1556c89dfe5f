"""Where a positive stands in the whole corpus for its query, by one teacher or by several.

A query whose own passage is not near the top, searched with it, asks for something else, or fits
many passages as well: round-trip consistency (Promptagator, 2209.11755, section 3.3: rank 1).
The rank is exact: 1, and 1 more for each passage that scores higher. Positives of the same row,
those that a filter took away too, and copies of their texts are no rivals.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.pair_rules.copies import Copies, copies
from gpte_data.pair_rules.counting import above, scores_at
from gpte_data.stage import Row
from gpte_data.teachers import Teacher

TRUNCATED = "queries longer than the teacher takes, truncated"


@dataclass(frozen=True)
class Consistency:
    """Measures the positives of rows by teachers.

    Args:
        corpus: All passages; the teachers' vectors lie beside it.
        teachers: In the order in which measured numbers stand.
        ranks: Whether ranks are wanted beside scores; they take a look at all vectors.
    """

    corpus: Corpus
    teachers: Sequence[Teacher]
    ranks: bool

    def measured(self, rows: Sequence[Row], notes: Counter[str]) -> Iterator[Row]:
        """Yield for each row what it is to be given; all its positives are in the corpus."""
        places = [[self.corpus.position[one] for one in row["positives"]] for row in rows]
        owners = np.repeat(np.arange(len(rows)), [len(one) for one in places])
        positions = np.array([one for mine in places for one in mine], dtype=np.int64)
        found = [self._by(one, rows, positions, owners, notes) for one in self.teachers]
        scores = np.stack([scores for scores, _ in found], axis=1)
        ranks = np.stack([ranks for _, ranks in found], axis=1) if self.ranks else None
        for mine in np.split(np.arange(len(owners)), np.flatnonzero(np.diff(owners)) + 1):
            said = {"positive_consistency_scores": scores[mine].tolist()}
            if ranks is not None:
                said["positive_consistency_ranks"] = ranks[mine].tolist()
            yield said | {"consistency_teachers": [one.label for one in self.teachers]}

    def _by(
        self, teacher: Teacher, rows: Sequence[Row], positions: Any, owners: Any,
        notes: Counter[str],
    ) -> tuple[Any, Any]:  # fmt: skip
        """Return by one teacher the score of each positive and, if wanted, its rank."""
        embedded, vectors = teacher.queries(rows), teacher.documents(self.corpus)
        if embedded.truncated:
            notes[TRUNCATED] += embedded.truncated
        queries = np.ascontiguousarray(embedded.vectors, dtype=np.float32)
        if len(queries) != len(rows):
            raise BadInput(f"{teacher.label} gave {len(queries)} vectors for {len(rows)} queries")
        scores = scores_at(vectors, positions, queries, owners)
        _check(scores, owners, rows, teacher.label)
        if not self.ranks:
            return scores, None
        ranks = 1 + above(vectors, queries, owners, scores)
        known, of_row = self._no_rivals(rows, copies(self.corpus, teacher.vector_spec))
        theirs = scores_at(vectors, known, queries, of_row)
        return scores, ranks - _above_in_row(scores, owners, theirs, of_row)

    def _no_rivals(self, rows: Sequence[Row], same: Copies) -> tuple[Any, Any]:
        """Return the passages that don't push a row's positives back, and whose they are."""
        position = self.corpus.position
        found = [
            (position[doc_id], n)
            for n, row in enumerate(rows)
            for doc_id in dict.fromkeys([*row["positives"], *row.get("dropped_positives", ())])
            if doc_id in position
        ]
        positions, of_row = np.array(found, dtype=np.int64).T
        every, which = same.of(positions)
        pairs = np.unique(np.stack([of_row[which], every]), axis=1)
        return pairs[1], pairs[0]


def _above_in_row(scores: Any, owners: Any, theirs: Any, of_row: Any) -> Any:
    """Return how many of the passages of its own row score higher than each positive, (n,)."""
    order = np.lexsort((theirs, of_row))
    starts = np.searchsorted(of_row[order], np.arange(owners[-1] + 2))
    higher = np.zeros(len(scores), dtype=np.int64)
    for n, (score, owner) in enumerate(zip(scores, owners, strict=True)):
        mine = theirs[order[starts[owner] : starts[owner + 1]]]
        higher[n] = len(mine) - np.searchsorted(mine, score, side="right")
    return higher


def _check(scores: Any, owners: Any, rows: Sequence[Row], label: str) -> None:
    """Raise BadInput for a score that is no number."""
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise BadInput(
            f"{label} gives pair {rows[owners[bad[0]]]['query_id']!r} a score that is not finite: "
            "take another teacher, or make its vectors again"
        )
