"""Rows into one Parquet file, flat in memory however many they are.

What columns there are, and of what types, is known only after the last row: a field may come up
late, or be empty for long. So the rows go to a file without a name first, table by table, and from
there into row groups that all have every column.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from gpte_data.candidates import Candidates, as_arrow, as_rows
from gpte_data.errors import BadInput, first_line
from gpte_data.fields import FIELDS, arrow_types
from gpte_data.stage import Row

TABLE, GROUP = 1000, 2
"""Rows in a table, and tables in a row group."""


def write_parquet(
    target: IO[bytes], rows: Iterable[Row], columns: Mapping[str, str] | None
) -> None:
    """Write rows as Parquet; `columns` are name -> type where only these may be written.

    Raises:
        BadInput: A column holds several types.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile(dir=Path(target.name).parent) as spill:
        schemas = list(_spilled(rows, columns, spill))
        schema = _in_order(_unified(schemas or [table_of([], columns).schema]))
        spill.seek(0)
        tables = (_unspilled(spill, schema) for _ in schemas)
        texts = [path for field in schema for path in _texts(field.name, field.type)]
        # A dictionary of numbers that hardly repeat makes a file a quarter larger.
        with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=texts) as writer:
            while group := list(islice(tables, GROUP)):
                writer.write_table(pa.concat_tables(group))


def _texts(path: str, type_: Any) -> Iterator[str]:
    """Yield the paths of the texts in a column, as Parquet names them."""
    import pyarrow as pa

    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        yield path
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_):
        yield from _texts(f"{path}.list.element", type_.value_type)
    elif pa.types.is_struct(type_):
        for n in range(type_.num_fields):
            yield from _texts(f"{path}.{type_.field(n).name}", type_.field(n).type)


def _spilled(
    rows: Iterable[Row], columns: Mapping[str, str] | None, spill: IO[bytes]
) -> Iterator[Any]:
    """Write rows to a file, table by table; yield the schema of each."""
    import pyarrow as pa

    source, options = iter(rows), pa.ipc.IpcWriteOptions(compression="lz4")
    while batch := list(islice(source, TABLE)):
        table = table_of(batch, columns)
        with pa.ipc.new_stream(spill, table.schema, options=options) as writer:
            writer.write_table(table)
        yield table.schema


def _unspilled(spill: IO[bytes], schema: Any) -> Any:
    """Return the next table of the file, with all columns."""
    import pyarrow as pa

    with pa.ipc.open_stream(spill) as reader:
        table = reader.read_all()
    with _one_type():
        return pa.concat_tables([schema.empty_table(), table], promote_options="permissive")


def _unified(schemas: Sequence[Any]) -> Any:
    """Return the schema that holds what all of them do."""
    import pyarrow as pa

    with _one_type():
        return pa.unify_schemas(schemas, promote_options="permissive")


@contextlib.contextmanager
def _one_type() -> Iterator[None]:
    """Say in a sentence that tables don't go together."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        raise BadInput(f"a column holds several types: {first_line(error)}") from None


def table_of(rows: list[Row], columns: Mapping[str, str] | None = None) -> Any:
    """Return rows as an Arrow table: known fields by their type, others as they come."""
    import pyarrow as pa

    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    words = columns or FIELDS
    arrays = []
    for name in names:
        values = [row.get(name) for row in rows]
        type_ = arrow_types()[words[name]] if name in words else None
        try:
            arrays.append(_array(values, type_))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            expected = words.get(name, "one type")
            raise BadInput(
                f"column {name!r} must hold {expected} throughout: {first_line(error)}"
            ) from None
    return pa.Table.from_arrays(arrays, names=names)


def _array(values: list[Any], type_: Any) -> Any:
    """Return a column's values as an Arrow array; candidates that are columns stay such."""
    import pyarrow as pa

    if type_ is not None and _alike(values):
        return as_arrow(values, type_)
    return pa.array([as_rows(value) for value in values], type=type_)


def _alike(values: list[Any]) -> bool:
    """Tell whether all values are candidates as columns, and the same columns."""
    if not values or not all(isinstance(value, Candidates) and len(value) for value in values):
        return False
    return all(value.columns.keys() == values[0].columns.keys() for value in values)


def _in_order(schema: Any) -> Any:
    """Put known columns first, in the order of FIELDS, then the others as they came."""
    import pyarrow as pa

    known = [name for name in FIELDS if name in schema.names]
    others = [name for name in schema.names if name not in FIELDS]
    return pa.schema([schema.field(name) for name in known + others])
