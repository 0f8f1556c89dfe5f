"""Tables: Parquet, CSV and TSV, one document a row; a folder of such files is read in order."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.io import BATCH, open_lines, parquet_file
from gpte_data.sources import BROKEN, Columns
from gpte_data.stage import Row

ENDINGS = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")


def matches(source: str) -> bool:
    """Tell whether this is a table, or a folder with Parquet files in it."""
    path = Path(source)
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return source.endswith(ENDINGS)


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the table."""
    path = Path(source)
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        records = _parquet(file) if file.suffix == ".parquet" else _delimited(file)
        for row in records:
            yield row if BROKEN in row else columns.renamed(row)


def _parquet(path: Path) -> Iterator[Row]:
    for batch in parquet_file(path).iter_batches(batch_size=BATCH):
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def _delimited(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file with a header line."""
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    with open_lines(path) as lines:
        text = io.TextIOWrapper(
            lines,
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )
        reader = csv.reader(text, delimiter=delimiter)
        header = next(reader, None)
        if not header:
            raise BadInput(f"{path} is empty: expected a header line with the columns' names")
        yield from _records(reader, header)


def _records(reader: Iterable[list[str]], header: list[str]) -> Iterator[Row]:
    """Yield a dict for each row; one that does not fit the header is broken."""
    rows = iter(reader)
    number = 1
    while True:
        number += 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield {BROKEN: f"the row is not CSV ({error})", "line": number}
            continue
        if values:
            yield _record(values, header, number)


def _record(values: list[str], header: list[str], number: int) -> Row:
    raw = [value.encode(errors="surrogateescape").decode(errors="replace") for value in values]
    if raw != values:
        return {BROKEN: "the row is not UTF-8", "line": number, "raw": raw}
    if len(values) != len(header):
        return {BROKEN: "the row has not as many values as the header", "line": number, "raw": raw}
    return dict(zip(header, values, strict=True))
