"""Of each row of a table, which documents stand in its examples, all rows at once.

An example takes the first of its query's negatives that no rule has dropped: those written for it,
then by choice, then as they stand (`records.kept` says the same of one row). A positive of the same
row is none, whoever named it. Where positives have ceilings (`--margin-against each`), it takes
those that score no higher than the ceiling of each positive in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.spill import ragged
from gpte_data.errors import BadInput
from gpte_data.records import WRITTEN

ANSWER = "is a positive of its query"
"""Why a candidate is left out that no rule dropped."""


@dataclass(frozen=True)
class Candidates:
    """Documents that may be negatives of rows, in the order in which they are to be taken.

    Attributes:
        row: Of which row of the table, (m,).
        doc_id: (m,) strings.
        score: By the teacher, (m,); NaN where there is none.
        rerank_score: By the reranker, (m,).
        written: Whether each was written for the query, (m,).
        source: Who found each, (m,) strings.
        false_negative: The estimated probability that each answers the query, (m,); NaN where
            there is none, the reranker's where there is one.
        removed: Why candidates were dropped -> how many, all rows together.
    """

    row: Any
    doc_id: Any
    score: Any
    rerank_score: Any
    written: Any
    source: Any
    false_negative: Any
    removed: Mapping[str, int]

    def only(self, mask: Any) -> "Candidates":
        """Return those of a mask, (m,)."""
        places = pa.array(np.flatnonzero(mask))
        return Candidates(
            self.row[mask], self.doc_id.take(places), self.score[mask], self.rerank_score[mask],
            self.written[mask], self.source.take(places), self.false_negative[mask], self.removed,
        )  # fmt: skip


def candidates_of(table: Any, *, dropped: bool = False) -> Candidates:
    """Return the candidates of a table's rows, those of a row together, first choice first.

    Where dropped ones count, they come by rank: of a choice they have no place.

    Args:
        table: Rows as mining and filters write them, or pairs with written negatives.
        dropped: Whether those count too that a rule has dropped.
    """
    mined = _mined(table)
    out = pc.fill_null(pc.equal(mined["verdict"], "drop"), False)
    answers = _answers(table, mined)
    others = int((answers & ~out.to_numpy(False)).sum())
    said = {ANSWER: others} if others else {}
    keep = ~answers if dropped else ~(answers | out.to_numpy(False))
    written = pc.equal(mined["source"], WRITTEN).fill_null(False).to_numpy(False)
    choice = mined["choice"].fill_null(0).to_numpy(False) * (not dropped)
    order = np.lexsort((choice, ~written, mined["row"]))
    order = order[keep[order]]
    places = pa.array(order)
    return Candidates(
        mined["row"][order],
        mined["doc_id"].take(places),
        _floats(mined["score"].take(places)),
        _floats(mined["rerank_score"].take(places)),
        written[order],
        mined["source"].take(places),
        _floats(
            pc.coalesce(mined["reranked_false_negative"], mined["false_negative"]).take(places)
        ),
        {**_counted(mined["reason"].filter(out)), **said},
    )


def _answers(table: Any, mined: Mapping[str, Any]) -> Any:
    """Tell which candidates are positives of their own row, (m,): never a negative."""
    column = table["positives"].combine_chunks()
    positives = column.flatten().cast(pa.string()).dictionary_encode()
    owner = pc.list_parent_indices(column).to_numpy(False).astype(np.int64)
    number = pc.index_in(mined["doc_id"], value_set=positives.dictionary)
    found = number.is_valid().to_numpy(False).copy()
    size = len(positives.dictionary)
    own = owner * size + positives.indices.to_numpy(False)
    found[found] = np.isin(mined["row"][found] * size + number.drop_null().to_numpy(False), own)
    return found


_FIELDS = {
    "doc_id": pa.string(), "source": pa.string(), "verdict": pa.string(), "choice": pa.int32(),
    "score": pa.float32(), "rerank_score": pa.float32(), "reason": pa.string(),
    "false_negative": pa.float32(), "reranked_false_negative": pa.float32(),
}  # fmt: skip


def _mined(table: Any) -> dict[str, Any]:
    """Return what candidates there are by column, and the row of each as `row`."""
    found = [_listed(table), _of_unmined(table)]
    row = np.concatenate([one["row"] for one in found])
    return {"row": row} | {name: pa.concat_arrays([one[name] for one in found]) for name in _FIELDS}


def _listed(table: Any) -> dict[str, Any]:
    """Return the candidates of the rows that were mined."""
    if "candidates" not in table.column_names:
        return _none()
    column = table["candidates"].combine_chunks()
    row = pc.list_parent_indices(column).to_numpy(False).astype(np.int64)
    structs = column.flatten()
    names = {structs.type.field(n).name for n in range(structs.type.num_fields)}
    fields = {
        name: structs.field(name).cast(type_) if name in names else pa.nulls(len(structs), type_)
        for name, type_ in _FIELDS.items()
    }
    return {"row": row} | fields


def _of_unmined(table: Any) -> dict[str, Any]:
    """Return the written negatives of the rows that were never mined, each once."""
    if "negatives" not in table.column_names:
        return _none()
    mined = np.zeros(table.num_rows, dtype=bool)
    if "candidates" in table.column_names:
        mined = table["candidates"].is_valid().to_numpy()
    rows, ids = [], []
    for row, negatives in enumerate(table["negatives"].to_pylist()):
        if negatives and not mined[row]:
            unique = list(dict.fromkeys(negatives))
            rows += [row] * len(unique)
            ids += unique
    found = {name: pa.nulls(len(ids), type_) for name, type_ in _FIELDS.items()}
    found |= {"doc_id": pa.array(ids, pa.string())}
    found |= {"source": pa.array([WRITTEN] * len(ids), pa.string())}
    return found | {"row": np.array(rows, dtype=np.int64)}


def _none() -> dict[str, Any]:
    empty = {name: pa.array([], type_) for name, type_ in _FIELDS.items()}
    return {"row": np.zeros(0, dtype=np.int64)} | empty


def _counted(values: Any) -> Mapping[str, int]:
    """Return how often each value stands in an Arrow array, null left out."""
    found = pc.value_counts(values.drop_null()).to_pylist()
    return {one["values"]: one["counts"] for one in found}


def _floats(array: Any) -> Any:
    return pc.fill_null(array, np.nan).to_numpy(zero_copy_only=False).astype(np.float32)


def check_mined(table: Any) -> None:
    """Raise BadInput for negatives that were written after mining: they have no scores yet."""
    if not {"candidates", "negatives"} <= set(table.column_names):
        return
    late = table.filter(
        pc.and_(
            table["candidates"].is_valid(), pc.greater(pc.list_value_length(table["negatives"]), 0)
        )
    )
    for row in late.select(["query_id", "positives", "negatives", "candidates"]).to_pylist():
        known = {hit["doc_id"] for hit in row["candidates"]} | set(row["positives"])
        if unknown := [doc_id for doc_id in row["negatives"] if doc_id not in known]:
            raise BadInput(
                f"row {row['query_id']!r} has the negative {unknown[0]!r}, written after it was "
                "mined: run mine-negatives on it again"
            )


@dataclass(frozen=True)
class Picked:
    """The negatives of examples.

    Attributes:
        place: Where each stands among the candidates, those of an example together, (k,).
        counts: How many each example has, (n,).
        distinct: How many different ones, (n,): fewer where some are repeated.
    """

    place: Any
    counts: Any
    distinct: Any


Shortage = str
"""Of an example with too few negatives: `drop` it, `repeat` those that it has, or `keep` them."""


def pick(
    candidates: Candidates, rows: Any, wanted: int, shortage: Shortage,
    allowed: Callable[[Any, Any], Any],
) -> Picked:  # fmt: skip
    """Return the negatives of each example: the first that may be.

    Args:
        candidates: Of the table.
        rows: The row of each example, (n,).
        wanted: How many negatives.
        shortage: What is done where there are fewer; a dropped example has a count of 0 and less
            than `wanted` distinct ones.
        allowed: Given numbers of examples and of candidates, (k,) each, tells which may go
            together.
    """
    starts = np.searchsorted(candidates.row, rows, side="left")
    counts = np.searchsorted(candidates.row, rows, side="right") - starts
    example = np.repeat(np.arange(len(rows)), counts)
    place = ragged(starts, counts)
    may = allowed(example, place)
    example, place = example[may], place[may]
    available = np.bincount(example, minlength=len(rows))
    first = np.cumsum(available) - available
    distinct = np.minimum(available, wanted)
    taken = distinct.copy()
    if shortage == "repeat":
        taken[available > 0] = wanted
    elif shortage == "drop":
        taken[available < wanted] = 0
    turn = ragged(np.zeros(len(rows)), taken) % np.repeat(np.maximum(distinct, 1), taken)
    return Picked(place[np.repeat(first, taken) + turn], taken, distinct)
