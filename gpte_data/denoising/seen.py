"""What of a block's candidates a reranker looks at, and what their columns become."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.denoising.block import Block, equal_to
from gpte_data.denoising.rules import REASONS, WORDS, within
from gpte_data.records import WRITTEN

NO_CHOICE = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Look:
    """Rows as the reranker has found them.

    Attributes:
        scores: Of candidates, NaN where not scored, (n,).
        positive_scores: Of all positives, row by row.
        broken: Which rules hold against each candidate, (n, rules).
    """

    block: Block
    seen: "Seen"
    scores: Any
    positive_scores: Any
    broken: Any


class Seen:
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
    def choice(self) -> Any:
        """The choice of each candidate; those without one come last."""
        return self.block.column("choice").fill_null(NO_CHOICE).to_numpy(zero_copy_only=False)

    @cached_property
    def _order(self) -> Any:
        """Candidates that are judged: query by query, written ones first, then by choice."""
        places = np.flatnonzero(self.judged)
        row, written = self.block.row[places], self.written[places]
        return places[np.lexsort((self.choice[places], ~written, row))]

    def by_row(self) -> list[Any]:
        """Return for each row its candidates that are scored, first choice first."""
        places = self._order[self.scored[self._order]]
        rows = np.arange(1, len(self.block.rows))
        return np.split(places, np.searchsorted(self.block.row[places], rows))

    def columns(self, scores: Any, broken: Any, kept: str) -> dict[str, Any]:
        """Return what is new of all candidates, as Arrow columns; `kept` is why some stay."""
        dropped = broken.any(axis=1)
        first = np.where(dropped, broken.argmax(axis=1), WORDS.index(kept))
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
        choice = self.choice.copy()
        late = self._order[self.choice[self._order] == NO_CHOICE]
        late = late[~dropped[late] & ~self.written[late]]
        if len(late):
            taken = np.where(choice == NO_CHOICE, 0, choice)
            last = np.zeros(len(self.block.rows), dtype=choice.dtype)
            np.maximum.at(last, self.block.row, taken)
            choice[late] = last[self.block.row[late]] + within(self.block.row[late]) + 1
        return pa.array(choice, mask=choice == NO_CHOICE)
