"""The candidates of mined shards as columns: only what an earlier mining is asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data import io
from gpte_data.errors import BadInput, first_line
from gpte_data.stage import Row

ROWS = 2048
FIELDS = {
    "doc_id": pa.string(),
    "choice": pa.int32(),
    "verdict": pa.string(),
    "source": pa.string(),
}
TYPE = pa.list_(pa.struct(list(FIELDS.items())))


def batches(path: Path) -> Iterator[tuple[Any, Any]]:
    """Yield query_ids and candidates, of TYPE, of a shard's rows as Arrow arrays, some at a time.

    Raises:
        BadInput: A row has no candidates, or they are something else.
    """
    reading = _from_parquet if path.suffix == ".parquet" else _from_lines
    try:
        for query_ids, column in reading(path):
            ids = pc.struct_field(column.flatten(), "doc_id")
            if query_ids.null_count or column.null_count or ids.null_count:
                raise _no_mining(path)
            yield query_ids, column
    except (pa.ArrowException, TypeError) as error:
        raise _no_mining(path, f" ({first_line(error)})") from None


def _no_mining(path: Path, why: str = "") -> BadInput:
    return BadInput(
        "--earlier takes the output of mine-negatives, select-negatives or filter-negatives: "
        f"{path} has rows without a query_id or without candidates{why}; name a folder that one "
        "of these wrote"
    )


def _from_parquet(path: Path) -> Iterator[tuple[Any, Any]]:
    file = io.parquet_file(path)
    paths = [file.schema.column(n).path for n in range(len(file.schema))]
    inside = [p for p in paths if p.startswith("candidates.") and p.rsplit(".", 1)[1] in FIELDS]
    if "query_id" not in paths or not any(p.endswith(".doc_id") for p in inside):
        raise _no_mining(path)
    for batch in file.iter_batches(batch_size=ROWS, columns=["query_id", *inside]):
        yield batch.column("query_id").cast(pa.string()), _filled(batch.column("candidates"))


def _filled(column: Any) -> Any:
    """Return candidates of which fields may be missing as such of TYPE."""
    hits = column.flatten()
    names = {hits.type.field(n).name for n in range(hits.type.num_fields)}
    fields = [
        pc.struct_field(hits, name).cast(type_) if name in names else pa.nulls(len(hits), type_)
        for name, type_ in FIELDS.items()
    ]
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = pa.array(np.cumsum([0, *lengths]).astype(np.int32))
    structs = pa.StructArray.from_arrays(fields, names=list(FIELDS))
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, structs, mask=mask).cast(TYPE)


def _from_lines(path: Path) -> Iterator[tuple[Any, Any]]:
    rows: list[Row] = []
    for row in io.read(path):
        rows.append(row)
        if len(rows) == ROWS:
            yield _columns(rows)
            rows = []
    if rows:
        yield _columns(rows)


def _columns(rows: Sequence[Row]) -> tuple[Any, Any]:
    query_ids = pa.array([row.get("query_id") for row in rows], pa.string())
    return query_ids, pa.array([row.get("candidates") for row in rows], TYPE)
