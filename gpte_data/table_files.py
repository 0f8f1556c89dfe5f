"""Files that are written from Arrow tables: Parquet, JSON lines, tar, or lines as they are.

A stage that sees the whole input at once may yield such files instead of rows. They say beforehand
what they are called and how many rows they have; the tables are made when they are written, so a
file that is there already costs nothing.
"""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

import orjson

Row = dict[str, Any]
Kind = Literal["parquet", "jsonl", "tar", "lines"]
Compression = Literal["none", "snappy", "gzip", "zstd"]
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True)
class TableFile:
    """A file to be written.

    Attributes:
        name: Its path inside the output folder, with `/`: `train/00000.parquet`.
        tables: Makes its tables, all of one schema, in order; may be called again.
        rows: How many rows they have in all.
        kind: `lines` writes the column `line` as it stands, a line each.
        compression: Of Parquet its codec, of others that of the file.
        counted: Whether its rows are what the stage makes, or stand beside that.
    """

    name: str
    tables: Callable[[], Iterator[Any]]
    rows: int
    kind: Kind = "jsonl"
    compression: Compression = "none"
    counted: bool = True

    def as_rows(self) -> Iterator[Row]:
        """Yield its rows."""
        for table in self.tables():
            yield from table.to_pylist()


def ending(kind: Kind, compression: Compression) -> str:
    """Return how the name of such a file ends: `.parquet`, `.jsonl.gz`."""
    return ".parquet" if kind == "parquet" else f".{kind}{ENDINGS.get(compression, '')}"


def write_file(target: IO[bytes], file: TableFile) -> None:
    """Write the tables of a file to an open one."""
    if file.kind == "parquet":
        _write_parquet(target, file)
        return
    with _compressed(target, file.compression) as out:
        if file.kind == "tar":
            _write_tar(out, file.as_rows())
        else:
            for table in file.tables():
                out.write(_lines(table) if file.kind == "lines" else json_lines(table.to_pylist()))


def json_lines(rows: Iterable[Row]) -> bytes:
    """Return rows as JSON, one a line."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _lines(table: Any) -> bytes:
    """Return the column `line`, a line each."""
    return "".join(f"{line}\n" for line in table["line"].to_pylist()).encode()


def _write_parquet(target: IO[bytes], file: TableFile) -> None:
    """Write one row group a table."""
    import pyarrow.parquet as pq

    tables = file.tables()
    first = next(tables)
    codec = file.compression
    with pq.ParquetWriter(target, first.schema, compression=codec) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _write_tar(target: IO[bytes], rows: Iterable[Row]) -> None:
    """Write samples for WebDataset: a row's `__key__` names it, each other field is a file of it.

    Texts are files as they are, anything else is JSON. Times and owners are left at 0, so that the
    same rows are the same bytes.
    """
    with tarfile.open(fileobj=target, mode="w|") as tar:
        for row in rows:
            for name, value in row.items():
                if name == "__key__":
                    continue
                data = value.encode() if isinstance(value, str) else orjson.dumps(value)
                info = tarfile.TarInfo(f"{row['__key__']}.{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


class _LeftOpen:
    """A file that stays open when what writes to it is closed."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write
        self.flush = file.flush

    def close(self) -> None:
        """Leave the file as it is."""


def _compressed(target: IO[bytes], compression: Compression) -> Any:
    """Open a stream that compresses into the target; gzip without a time in it."""
    import contextlib

    import pyarrow as pa

    if compression == "gzip":
        import gzip

        return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=target, mtime=0)
    if compression == "zstd":
        return pa.CompressedOutputStream(_LeftOpen(target), "zstd")
    return contextlib.nullcontext(target)
