"""Rows in, judged rows out: which candidates are scored, and what becomes of them.

What an earlier run of this filter said is taken back first, promotions included, so that a run on
its own output changes nothing, and one with other rules or another reranker says what it would have
said of the mined rows. What mining or another stage dropped stays so, without a score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data import positives
from gpte_data.corpus import Corpus
from gpte_data.denoising.block import Block
from gpte_data.denoising.budget import Budget
from gpte_data.denoising.chosen import chosen_within
from gpte_data.denoising.rules import (
    AS_GOOD_AT,
    BELOW,
    PROMOTED,
    WITHIN,
    Against,
    Rules,
    positive_score,
    ranks_of,
)  # fmt: skip
from gpte_data.denoising.seen import Look, Seen
from gpte_data.scoring.pairs import Pairs
from gpte_data.scoring.scorer import Scorer
from gpte_data.stage import Row


@dataclass(frozen=True)
class Looking:
    """A reranker's second look at candidates.

    Attributes:
        against: Which of several positives' scores counts.
        depth: Candidates scored for each query, first choice first.
        budget: By which candidates are chosen, where that is asked for.
    """

    corpus: Corpus
    scorer: Scorer
    rules: Rules
    against: Against
    depth: int
    budget: Budget | None = None

    def at(self, rows: Sequence[Row], tell: Callable[[int], None]) -> list[Row]:
        """Return the rows judged; `tell` gets rows done, as their pairs are scored.

        Raises:
            UserError: A row is none that a miner wrote, or there is no score for one.
        """
        look = self.looked(rows, tell)
        block, seen, broken = look.block, look.seen, look.broken
        scale = self.scorer.traits.scale
        chosen = chosen_within(self.budget, look, scale) if self.budget is not None else {}
        columns = seen.columns(look.scores, broken, BELOW if self.budget is None else WITHIN)
        starts = np.searchsorted(block.positive_row, np.arange(len(rows)))
        parts = np.split(look.positive_scores, starts[1:])
        hits = block.with_columns(columns | chosen)
        return [
            self._row(row, found.tolist(), candidates, up)
            for row, found, candidates, up in zip(
                block.rows, parts, hits, self._promoted(block, broken), strict=True
            )
        ]

    def looked(self, rows: Sequence[Row], tell: Callable[[int], None]) -> Look:
        """Return what the reranker says of rows, and which rules hold."""
        before = [_taken_back(row) for row in rows]
        block = Block(before, self.corpus)
        seen = Seen(block, self.depth)
        scores, positive_scores = self._scores(block, seen, tell)
        starts = np.searchsorted(block.positive_row, np.arange(len(rows)))
        positive = positive_score(positive_scores, starts, self.against)
        ranks = np.zeros(len(block), dtype=np.int64)
        if self.rules.by_rank:
            ids = self.corpus.doc_ids.ranks[block.document]
            ranks = ranks_of(scores, block.row, ids, seen.scored)
        own = block.are_positives()
        may_rise = ~seen.written & ~own
        broken = self.rules.broken(scores, positive[block.row], ranks, seen.scored, may_rise)
        broken[:, AS_GOOD_AT] |= own & seen.scored
        broken &= seen.judged[:, None]
        return Look(block, seen, scores, positive_scores, broken)

    def _scores(self, block: Block, seen: Seen, tell: Callable[[int], None]) -> tuple[Any, Any]:
        """Return the scores of candidates, NaN for those not scored, and those of positives."""
        places = np.flatnonzero(seen.scored)
        every = np.concatenate([block.positive, block.document[places]])
        positions, document = np.unique(every, return_inverse=True)
        pairs = Pairs(
            [row["query"] for row in block.rows],
            [f"row {row['query_id']!r}" for row in block.rows],
            np.concatenate([block.positive_row, block.row[places]]),
            document,
            self.corpus.hashes_at(positions),
            lambda numbers: self.corpus.texts_at(positions[numbers]),
        )
        found = self.scorer.score(pairs, _in_rows(tell, len(block.rows), len(pairs)))
        scores = np.full(len(block), np.nan, dtype=np.float32)
        scores[places] = found[len(block.positive) :]
        return scores, found[: len(block.positive)]

    def _promoted(self, block: Block, broken: Any) -> list[list[int]]:
        """Return for each row which of its candidates become positives."""
        found: list[list[int]] = [[] for _ in block.rows]
        for place in np.flatnonzero(broken[:, 0]).tolist():
            row = int(block.row[place])
            found[row].append(place - int(block.offsets[row]))
        return found

    def _row(self, row: Row, scores: list[float], hits: Any, promoted: list[int]) -> Row:
        """Return a judged row."""
        row = row | {
            "positive_rerank_scores": scores,
            "reranker": self.scorer.traits.label,
            "rerank_scale": self.scorer.traits.scale,
            "candidates": hits,
        }
        for place in promoted:
            row = positives.added(row, hits[place])
        if promoted:
            new = [hits[place]["doc_id"] for place in promoted]
            row["promoted"] = [*row.get("promoted", ()), *new]
        return row


def _in_rows(tell: Callable[[int], None], rows: int, pairs: int) -> Callable[[int], None]:
    """Return a function that takes pairs done, and tells how many rows that comes to."""
    done = 0

    def told(scored: int) -> None:
        nonlocal done
        before, done = done, done + scored
        tell(done * rows // pairs - before * rows // pairs)

    return told


def _taken_back(row: Row) -> Row:
    """Return a row without what an earlier run of this filter made of its positives.

    Where a later stage has left no other positive, they stay: they are the row's own now.
    """
    row = {name: value for name, value in row.items() if name != "positive_rerank_scores"}
    if not row.get("promoted"):
        return row
    ours = {hit["doc_id"] for hit in row["candidates"] if hit.get("reason") == PROMOTED}
    ours &= set(row["promoted"])
    back = [n for n, doc_id in enumerate(row["positives"]) if doc_id not in ours]
    if not back:
        return row
    promoted = [doc_id for doc_id in row["promoted"] if doc_id not in ours]
    rest = {name: value for name, value in positives.only(row, back).items() if name != "promoted"}
    return rest | ({"promoted": promoted} if promoted else {})
