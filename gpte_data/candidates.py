"""The candidates of a query as columns, which a row holds like a list of dicts.

A miner finds tens of candidates for each of millions of queries; made into a dict each, they would
cost more time than finding them. Here a candidate is a dict when somebody looks at it; a Parquet
shard takes the columns as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpte_data.errors import BadInput


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of words, each by its number: looked up when they are written, all at once.

    Attributes:
        words: An Arrow array.
        codes: Numbers of words, (n,).
    """

    words: Any
    codes: Any

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, places: slice) -> "Coded":
        return Coded(self.words, self.codes[places])

    def arrow(self) -> Any:
        """Return the column as an Arrow array."""
        import pyarrow as pa

        return self.words.take(pa.array(self.codes))

    def to_pylist(self) -> list[Any]:
        """Return the column as a list."""
        return list(self.arrow().to_pylist())


class Candidates(Sequence[dict[str, Any]]):
    """Candidates in order, best first.

    Args:
        columns: Field name -> values, numpy or Arrow arrays or Coded, of one length; an array of
            two dimensions holds a list of numbers for each candidate.
        length: How many candidates; of columns, their length.
    """

    __slots__ = ("columns", "length")

    def __init__(self, columns: Mapping[str, Any], length: int | None = None) -> None:
        self.columns = columns
        self.length = len(next(iter(columns.values()))) if length is None else length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        lists = [_listed(values) for values in self.columns.values()]
        for values in zip(*lists, strict=True):
            pairs = zip(self.columns, values, strict=True)
            yield {name: value for name, value in pairs if value is not None}

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return list(self)[place]
        if not -self.length <= place < self.length:
            raise IndexError(place)
        place %= self.length
        found = {n: _listed(v[place : place + 1])[0] for n, v in self.columns.items()}
        return {name: value for name, value in found.items() if value is not None}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence):
            return list(self) == list(other)
        return NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))


def _listed(values: Any) -> list[Any]:
    """Return a column as a list of plain values."""
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values.tolist())


def from_arrow(column: Any) -> Iterator["Candidates | None"]:
    """Yield the candidates of each row of an Arrow column, a list of structs."""
    structs = column.values
    names = [structs.type.field(n).name for n in range(structs.type.num_fields)]
    fields = [structs.field(n) for n in range(structs.type.num_fields)]
    filled = [(n, f) for n, f in zip(names, fields, strict=True) if f.null_count < len(f)]
    offsets = column.offsets.to_pylist()
    for row, there in enumerate(column.is_valid().to_pylist()):
        start, stop = offsets[row], offsets[row + 1]
        part = {name: field.slice(start, stop - start) for name, field in filled}
        yield Candidates(part, stop - start) if there else None


def columns_of(value: Sequence[Mapping[str, Any]], type_: Any) -> dict[str, Any]:
    """Return candidates, dicts or columns, as Arrow arrays by name; fields that none has are out.

    Args:
        value: Of one row.
        type_: Of a row's candidates in Arrow, a list of structs.
    """
    import pyarrow as pa

    if isinstance(value, Candidates):
        return {n: v.arrow() if isinstance(v, Coded) else v for n, v in value.columns.items()}
    if not isinstance(value, list) or not all(isinstance(hit, dict) for hit in value):
        raise BadInput(f"candidates must be a list of objects, as mining writes them: {value!r}")
    array = pa.array(list(value), type_.value_type)
    fields = [
        (type_.value_type.field(n).name, array.field(n)) for n in range(array.type.num_fields)
    ]
    return {name: field for name, field in fields if field.null_count < len(field)}


def as_rows(value: Any) -> Any:
    """Return candidates as a list of dicts; anything else as it is."""
    return list(value) if isinstance(value, Candidates) else value


def as_arrow(values: Sequence[Any], type_: Any) -> Any:
    """Return the candidates of several rows as one Arrow array of lists of structs.

    Args:
        values: Candidates of each row; all have the same columns.
        type_: The Arrow type, a list of structs.
    """
    import numpy as np
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    fields = [type_.value_type.field(n) for n in range(type_.value_type.num_fields)]
    columns = [_joined([v.columns.get(f.name) for v in values], f.type, offsets) for f in fields]
    structs = pa.StructArray.from_arrays(columns, fields=fields)
    return pa.ListArray.from_arrays(pa.array(offsets), structs).cast(type_)


def _joined(parts: Sequence[Any], type_: Any, offsets: Any) -> Any:
    """Return one field of all candidates; nulls where there is no such column."""
    import numpy as np
    import pyarrow as pa

    if parts[0] is None:
        return pa.nulls(int(offsets[-1]), type_)
    if all(isinstance(part, np.ndarray) for part in parts):
        joined = np.concatenate(parts)
        if joined.ndim == 1:
            return pa.array(joined).cast(type_)
        starts = np.arange(0, joined.size + 1, joined.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(joined.reshape(-1))).cast(type_)
    if isinstance(parts[0], Coded) and all(_same_words(part, parts[0]) for part in parts):
        coded = Coded(parts[0].words, np.concatenate([part.codes for part in parts]))
        return coded.arrow().cast(type_)
    return pa.concat_arrays([_cast(part, type_) for part in parts])


def _same_words(part: Any, other: Coded) -> bool:
    return isinstance(part, Coded) and part.words is other.words


def _cast(part: Any, type_: Any) -> Any:
    import pyarrow as pa

    part = part.arrow() if isinstance(part, Coded) else part
    return (part if isinstance(part, pa.Array) else pa.array(part.tolist(), type_)).cast(type_)
