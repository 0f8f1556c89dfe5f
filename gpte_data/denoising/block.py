"""Rows put together: one column for all their candidates, and which row each is of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.candidates import Candidates, columns_of
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput, first_line
from gpte_data.fields import FIELDS, arrow_types
from gpte_data.stage import Row


class Block:
    """Several rows and their candidates.

    Args:
        rows: As mining or a filter wrote them.
        corpus: Where their documents are.

    Raises:
        BadInput: A row is none that a miner wrote, or names a document that is not in the corpus.
    """

    def __init__(self, rows: Sequence[Row], corpus: Corpus) -> None:
        self.rows, self.corpus = rows, corpus
        self._columns = [_columns(row) for row in rows]
        lengths = [len(row["candidates"]) for row in rows]
        self.offsets = np.cumsum([0, *lengths])
        self.row = np.repeat(np.arange(len(rows)), lengths)
        self.doc_id = self.column("doc_id")
        self.document = self._positions(self.doc_id, self.row)
        of_row = np.repeat(np.arange(len(rows)), [len(row["positives"]) for row in rows])
        positives = [doc_id for row in rows for doc_id in row["positives"]]
        self.positive_row = of_row
        self.positive = self._positions(_ids(positives, rows), of_row)

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def are_positives(self) -> Any:
        """Tell which candidates are positives of their own row, (n,)."""
        total = len(self.corpus.doc_ids)
        known = self.positive_row * total + self.positive
        return np.isin(self.row * total + self.document, known)

    def has(self, name: str) -> bool:
        """Tell whether some candidate has a field."""
        return any(name in columns for columns in self._columns)

    def column(self, name: str) -> Any:
        """Return a field of all candidates as one Arrow array; null where there is none."""
        type_ = arrow_types()[FIELDS["candidates"]].value_type.field(name).type
        parts = [
            _cast(columns[name], type_)
            if name in columns
            else pa.nulls(len(row["candidates"]), type_)
            for row, columns in zip(self.rows, self._columns, strict=True)
        ]
        return pa.concat_arrays(parts) if parts else pa.nulls(0, type_)

    def with_columns(self, changed: Mapping[str, Any]) -> list[Candidates]:
        """Return the candidates of each row with these fields, Arrow arrays of all candidates."""
        found = []
        for place, columns in enumerate(self._columns):
            start, stop = self.offsets[place], self.offsets[place + 1]
            kept = {name: values for name, values in columns.items() if name not in changed}
            new = {name: values.slice(start, stop - start) for name, values in changed.items()}
            found.append(Candidates(kept | new, int(stop - start)))
        return found

    def _positions(self, doc_ids: Any, owner: Any) -> Any:
        """Return where documents stand in the corpus, (n,)."""
        if not len(doc_ids):
            return np.zeros(0, dtype=np.int32)
        if doc_ids.null_count:
            place = int(np.flatnonzero(doc_ids.is_null().to_numpy(zero_copy_only=False))[0])
            raise BadInput(f"row {self._name(owner[place])} has a candidate without a doc_id")
        found = self.corpus.position.of(doc_ids)
        if len(unknown := np.flatnonzero(found < 0)):
            place = int(unknown[0])
            raise BadInput(
                f"row {self._name(owner[place])} names {doc_ids[place].as_py()!r}, which is not in "
                f"{self.corpus}: give the corpus that was mined"
            )
        return found

    def _name(self, place: int) -> str:
        return repr(self.rows[place]["query_id"])


def equal_to(column: Any, words: Sequence[str]) -> Any:
    """Return which values of an Arrow column are one of some words, (n,)."""
    found = pc.is_in(column, value_set=pa.array(words, pa.string()))
    return found.to_numpy(zero_copy_only=False).astype(bool)


def _columns(row: Row) -> dict[str, Any]:
    """Return a row's candidates as Arrow columns; raise BadInput for a row that no miner wrote."""
    name, hits = row.get("query_id"), row.get("candidates")
    if not isinstance(row.get("query"), str):
        raise BadInput(f"row {name!r} must have a query that is a text, found {row.get('query')!r}")
    if not _is_list(row.get("positives")) or not isinstance(hits, list | Candidates):
        raise BadInput(
            f"row {name!r} has no positives or no candidates: "
            "filter-negatives reads the output of mine-negatives"
        )
    try:
        columns = columns_of(hits, arrow_types()[FIELDS["candidates"]])
    except (BadInput, pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        told = first_line(error)
        raise BadInput(f"row {name!r} has candidates that no miner wrote: {told}") from None
    if len(hits) and "doc_id" not in columns:
        raise BadInput(f"row {name!r} has candidates without doc_id: give the output of a miner")
    return {n: v if isinstance(v, pa.Array) else _as_array(n, v) for n, v in columns.items()}


def _as_array(name: str, values: Any) -> Any:
    """Return a numpy column as Arrow."""
    type_ = arrow_types()[FIELDS["candidates"]].value_type.field(name).type
    return pa.array(values.tolist() if values.ndim > 1 else values).cast(type_)


def _cast(column: Any, type_: Any) -> Any:
    return column if column.type == type_ else column.cast(type_)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _ids(doc_ids: list[Any], rows: Sequence[Row]) -> Any:
    """Return positives as an Arrow array; raise BadInput where one is no text."""
    try:
        return pa.array(doc_ids, pa.string())
    except (pa.ArrowException, TypeError):
        odd = next(row for row in rows if not all(isinstance(d, str) for d in row["positives"]))
        raise BadInput(
            f"row {odd['query_id']!r} must have positives that are doc_ids, found "
            f"{odd['positives']!r}"
        ) from None
