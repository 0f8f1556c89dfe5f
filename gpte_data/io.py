"""Rows in and out of files: Parquet and JSONL shards, whole or not at all.

A dataset is a folder of shards `00000.parquet, 00001.parquet, …` (or `.jsonl`, also `.gz` and
`.zst`); a single such file is a dataset of one shard.
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from gpte_data.candidates import as_rows, from_arrow
from gpte_data.errors import BadInput, first_line
from gpte_data.fields import FIELDS
from gpte_data.files import atomic
from gpte_data.parquet import write_parquet
from gpte_data.records import ordered
from gpte_data.stage import Output, Row

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
BATCH = 1024


def shards(source: Path) -> list[Path]:
    """Return the shard files of a dataset in order; raise BadInput if there are none."""
    if source.is_file():
        if not source.name.endswith(SUFFIXES):
            raise BadInput(
                f"{source} is no dataset: expected a folder of shards, a .parquet or a .jsonl file"
            )
        return [source]
    if not source.is_dir():
        raise BadInput(
            f"{source} does not exist: expected a folder of shards, a .parquet or a .jsonl file"
        )
    found = shard_files(source)
    if not found:
        raise BadInput(
            f"{source} holds no shards (00000.parquet, …): name the output folder of one stage, "
            "or make one with gpte-data ingest"
        )
    for one, next_ in itertools.pairwise(found):
        if stem(one) == stem(next_):
            raise BadInput(
                f"{source} holds the same shard twice, {one.name} and {next_.name}: "
                "take one of them away"
            )
    return found


def shard_files(folder: Path) -> list[Path]:
    """Return the shard files of a folder in order, if there are any, if there is one."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _is_shard(path))


def _is_shard(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_")) and path.is_file()


def stem(path: Path) -> str:
    """Return a shard's name without its ending: `00000`."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.stem


def read(path: Path, columns: Iterable[str] | None = None) -> Iterator[Row]:
    """Yield the rows of one shard; of Parquet, only the named columns where given."""
    if path.suffix == ".parquet":
        yield from _read_parquet(path, columns)
        return
    with open_lines(path) as lines:
        yield from parse_lines(lines, str(path))


def read_column(path: Path, name: str, type_: Any) -> Any:
    """Return one column of a shard as one Arrow array; null where a row lacks it.

    Raises:
        BadInput: The shard can't be read, or the column holds something else.
    """
    import pyarrow as pa

    try:
        if path.suffix != ".parquet":
            return pa.array([row.get(name) for row in read(path)], type_)
        file = parquet_file(path)
        if name not in file.schema_arrow.names:
            return pa.nulls(file.metadata.num_rows, type_)
        return file.read(columns=[name]).column(0).combine_chunks().cast(type_)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}, column {name}, can't be read: {first_line(error)}") from None


def read_all(source: Path, columns: Iterable[str] | None = None) -> Iterator[Row]:
    """Yield the rows of all shards of a dataset, in order."""
    for path in shards(source):
        yield from read(path, columns)


def count(path: Path) -> int:
    """Return the number of rows of a shard."""
    if path.suffix == ".parquet":
        return int(parquet_file(path).metadata.num_rows)
    return sum(1 for _ in read(path))


def parquet_file(path: Path) -> Any:
    """Open a Parquet file; raise BadInput if it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} can't be read as Parquet: {first_line(error)}") from None


def _read_parquet(path: Path, columns: Iterable[str] | None) -> Iterator[Row]:
    import pyarrow as pa

    file = parquet_file(path)
    names = None if columns is None else [n for n in columns if n in file.schema_arrow.names]
    try:
        for batch in file.iter_batches(batch_size=BATCH, columns=names):
            yield from _rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is damaged: {first_line(error)}") from None


def _rows(batch: Any) -> Iterator[Row]:
    """Yield the rows of an Arrow batch; candidates stay columns until they are looked at."""
    names = batch.schema.names
    if "candidates" not in names or not _is_list_of_structs(batch.column("candidates")):
        yield from map(_without_none, batch.to_pylist())
        return
    others = batch.drop_columns(["candidates"]).to_pylist()
    for row, hits in zip(others, from_arrow(batch.column("candidates")), strict=True):
        yield _without_none(row | {"candidates": hits})


def _is_list_of_structs(column: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type))


def _without_none(row: Row) -> Row:
    """Drop empty fields, also those inside passages that were written."""
    found = tidy(row)
    if "written" in found:
        found["written"] = [
            {name: value for name, value in inner.items() if value is not None}
            for inner in found["written"]
        ]
    return found


def tidy(row: Mapping[str, Any]) -> Row:
    """Return the row as `records.ordered` does, its unknown fields without what is empty inside.

    Parquet has no `{}` (BEIR's `metadata` is one in every row) and fills what some objects lack
    with null; without both, a row from JSONL is the one from Parquet.
    """
    found = ordered(row)
    for name in [name for name in found if name not in FIELDS]:
        found[name] = _pruned(found[name])
        if found[name] is None:
            del found[name]
    return found


def _pruned(value: Any) -> Any:
    """Return a value without nulls and empty objects inside; None where nothing is left."""
    if isinstance(value, dict):
        inner = {name: _pruned(one) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one is not None} or None
    return [_pruned(one) for one in value] if isinstance(value, list) else value


@contextlib.contextmanager
def open_lines(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file of lines, uncompressed by its ending; what can't be read is BadInput."""
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression="detect") as raw:
            yield io.BufferedReader(raw)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{path} can't be read: {first_line(error)}") from None


def parse_lines(lines: Iterable[bytes], name: str) -> Iterator[Row]:
    """Yield a row for each line that is not blank; raise BadInput at the first broken one."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadInput(
                f"{name}, line {number} is not JSON ({error}): expected one object a line"
            ) from None
        if not isinstance(row, dict):
            raise BadInput(f"{name}, line {number} holds no JSON object: expected one a line")
        yield tidy(row)


def to_line(row: Mapping[str, Any], lossy: bool = False) -> bytes:
    """Return a row as one line of JSON; raise BadInput for a value that JSON has not.

    A rejected row is kept in any case: with `lossy`, such a value is written as its text.
    """
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    plain = {name: as_rows(value) for name, value in row.items()}
    try:
        return orjson.dumps(plain, default=str if lossy else None, option=options)
    except orjson.JSONEncodeError as error:
        raise BadInput(f"a row can't be written as JSON: {error}") from None


def write(
    path: Path,
    rows: Iterable[Row],
    output: Output | None = None,
    before: Callable[[], None] | None = None,
) -> None:
    """Write rows as one shard, by the path's ending, whole or not at all; `before` as in atomic."""
    output = output or Output()
    with atomic(path, before) as target:
        if path.suffix == ".parquet":
            write_parquet(target, map(tidy, rows), output.columns)
        else:
            target.writelines(to_line(tidy(row)) for row in rows)
