"""Rows in, judged rows out: which candidates are scored, and what becomes of them.

What an earlier run of this filter said is taken back first, promotions included, so that a run on
its own output changes nothing, and one with other rules or another reranker says what it would have
said of the mined rows. What mining or another stage dropped stays so, without a score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data import positives
from gpte_data.corpus import Corpus
from gpte_data.denoising.block import Block, equal_to
from gpte_data.denoising.rules import (
    AS_GOOD_AT,
    PROMOTED,
    REASONS,
    WORDS,
    Against,
    Rules,
    positive_score,
    ranks_of,
    within,
)  # fmt: skip
from gpte_data.records import WRITTEN
from gpte_data.scoring.pairs import Pairs
from gpte_data.scoring.scorer import Scorer
from gpte_data.stage import Row

OURS = ("rerank_score", "verdict", "reason", "rules")
NO_CHOICE = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Looking:
    """A reranker's second look at candidates.

    Attributes:
        against: Which of several positives' scores counts.
        depth: Candidates scored for each query, first choice first.
    """

    corpus: Corpus
    scorer: Scorer
    rules: Rules
    against: Against
    depth: int

    def at(self, rows: Sequence[Row], tell: Callable[[int], None]) -> list[Row]:
        """Return the rows judged; `tell` gets rows done, as their pairs are scored.

        Raises:
            UserError: A row is none that a miner wrote, or there is no score for one.
        """
        before = [_taken_back(row) for row in rows]
        block = Block(before, self.corpus)
        seen = _Seen(block, self.depth)
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
        columns = seen.columns(scores, broken)
        parts = np.split(positive_scores, starts[1:])
        hits = block.with_columns(columns)
        return [
            self._row(row, found.tolist(), candidates, up)
            for row, found, candidates, up in zip(
                before, parts, hits, self._promoted(block, broken), strict=True
            )
        ]

    def _scores(self, block: Block, seen: "_Seen", tell: Callable[[int], None]) -> tuple[Any, Any]:
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


class _Seen:
    """What of a block's candidates is judged, and what is scored.

    Attributes:
        judged: Those that are kept, or that this filter has dropped before, (n,).
        scored: Those of them within the depth.
        written: Those that were written as negatives of their query.
    """

    def __init__(self, block: Block, depth: int) -> None:
        self.block = block
        self._verdict, self._reason = block.column("verdict"), block.column("reason")
        dropped = equal_to(self._verdict, ["drop"])
        self.judged = ~dropped | equal_to(self._reason, REASONS)
        self.written = equal_to(block.column("source"), [WRITTEN])
        self.scored = np.zeros(len(block), dtype=bool)
        order = self._order
        self.scored[order[within(block.row[order]) < depth]] = True

    @cached_property
    def _choice(self) -> Any:
        """The choice of each candidate; those without one come last."""
        return self.block.column("choice").fill_null(NO_CHOICE).to_numpy(zero_copy_only=False)

    @cached_property
    def _order(self) -> Any:
        """Candidates that are judged: query by query, written ones first, then by choice."""
        places = np.flatnonzero(self.judged)
        row, written = self.block.row[places], self.written[places]
        return places[np.lexsort((self._choice[places], ~written, row))]

    def columns(self, scores: Any, broken: Any) -> dict[str, Any]:
        """Return what is new of all candidates, as Arrow columns."""
        dropped = broken.any(axis=1)
        first = np.where(dropped, broken.argmax(axis=1), len(WORDS) - 1)
        judged = pa.array(self.judged)
        verdicts = pa.array(["keep", "drop"]).take(pa.array(dropped.astype(np.int8)))
        found = {
            "rerank_score": pa.array(scores, mask=~self.scored),
            "verdict": pc.if_else(judged, verdicts, self._verdict),
            "reason": pc.if_else(judged, pa.array(WORDS).take(pa.array(first)), self._reason),
            "rules": self._rules(broken),
        }
        if self.block.has("choice"):
            found["choice"] = self._chosen(dropped)
        return found

    def _rules(self, broken: Any) -> Any:
        """Return all rules that hold against each candidate; null where none does."""
        counts = broken.sum(axis=1)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        words = pa.array(REASONS).take(pa.array(np.nonzero(broken)[1]))
        new = pa.ListArray.from_arrays(pa.array(offsets), words, mask=pa.array(counts == 0))
        old = self.block.column("rules")
        if old.null_count == len(old):
            return new
        places = np.arange(len(new)) + np.where(self.judged, 0, len(new))
        return pa.concat_arrays([new, old]).take(pa.array(places))

    def _chosen(self, dropped: Any) -> Any:
        """Return the choices, which stay as they are, so that what is dropped may come back.

        What comes back without one, since it was chosen among others meanwhile, stands behind them.
        """
        choice = self._choice.copy()
        late = self._order[self._choice[self._order] == NO_CHOICE]
        late = late[~dropped[late] & ~self.written[late]]
        if len(late):
            taken = np.where(choice == NO_CHOICE, 0, choice)
            last = np.zeros(len(self.block.rows), dtype=choice.dtype)
            np.maximum.at(last, self.block.row, taken)
            choice[late] = last[self.block.row[late]] + within(self.block.row[late]) + 1
        return pa.array(choice, mask=choice == NO_CHOICE)


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
