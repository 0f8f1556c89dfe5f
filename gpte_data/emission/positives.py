"""The positives of a table's examples, and what rows say of each; one named twice is one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.spill import ragged
from gpte_data.errors import BadInput

_SAID = ("positive_scores", "positive_rerank_scores", "positive_ceilings", "positive_grades")


@dataclass(frozen=True)
class Positives:
    """The positives of examples: n examples, m positives of all of them.

    Attributes:
        row: The row of each example in its table, (n,).
        turn: Which of the row's examples it is, (n,).
        counts: (n,).
        ceiling: The highest score of a negative, (n,); infinite where there is none.
        doc_id, score, rerank, grade: (m,).
    """

    row: Any
    turn: Any
    counts: Any
    ceiling: Any
    doc_id: Any
    score: Any
    rerank: Any
    grade: Any

    @classmethod
    def of(cls, table: Any, *, one: bool) -> "Positives":
        """Return the positives of a table's examples: one in each, or all of a row in one."""
        column = table["positives"].combine_chunks()
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        flat = {name: _said(table, name, lengths) for name in _SAID}
        ids = column.flatten().cast(pa.string())
        first = _firsts(owner, ids)
        if not first.all():
            owner, ids = owner[first], ids.filter(pa.array(first))
            flat = {name: said[first] for name, said in flat.items()}
            lengths = np.bincount(owner, minlength=len(lengths))
        ceiling = np.nan_to_num(flat["positive_ceilings"], nan=np.inf)
        if not one:
            starts = np.cumsum(lengths) - lengths
            ceiling = np.minimum.reduceat(ceiling, starts)
        row = owner if one else np.arange(len(lengths))
        zero = np.zeros(len(lengths), dtype=np.int64)
        turn = ragged(zero, lengths) if one else zero
        counts = np.ones(len(owner), dtype=np.int64) if one else lengths
        grade = np.nan_to_num(flat["positive_grades"], nan=1.0).astype(np.int32)
        scores = (flat["positive_scores"], flat["positive_rerank_scores"])
        return cls(row, turn, counts, ceiling, ids, *scores, grade)

    def ids(self, example: int) -> list[str]:
        """Return the positives of an example."""
        start = int(self.counts[:example].sum())
        found: list[str] = self.doc_id.slice(start, int(self.counts[example])).to_pylist()
        return found


def _firsts(owner: Any, ids: Any) -> Any:
    """Tell which positives of a row are named there for the first time, (m,).

    Args:
        owner: The row of each, (m,).
        ids: Their ids, (m,) strings.
    """
    coded = ids.dictionary_encode()
    keys = owner * max(len(coded.dictionary), 1) + coded.indices.to_numpy(zero_copy_only=False)
    first = np.zeros(len(keys), dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _said(table: Any, name: str, lengths: Any) -> Any:
    """Return what rows say of each positive, (m,) in float32; NaN where they say nothing."""
    total = int(lengths.sum())
    if name not in table.column_names or table[name].null_count == table.num_rows:
        return np.full(total, np.nan, dtype=np.float32)
    column = table[name].combine_chunks()
    there = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    if len(wrong := np.flatnonzero((there != lengths) & (there > 0))):
        row = int(wrong[0])
        raise BadInput(
            f"row {table['query_id'][row].as_py()!r} has {int(lengths[row])} positives and "
            f"{int(there[row])} {name}: give the output of the stage that wrote them"
        )
    values = column.flatten().cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    found = np.full(total, np.nan, dtype=np.float32)
    found[np.repeat(there > 0, lengths)] = values
    return found
