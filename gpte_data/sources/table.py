"""Tables, one document a row: Parquet, CSV and TSV; a folder of Parquet files is read in order."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.io import BATCH, open_lines, parquet_file
from gpte_data.sources import BROKEN, Columns, files
from gpte_data.stage import Row

ENDINGS = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")


def matches(source: str) -> bool:
    """Tell whether this is a table, or a folder with Parquet files in it."""
    return bool(files_read(source))


def files_read(source: str) -> list[Path]:
    """Return the files that are read, in order."""
    return files(source, (".parquet",) if Path(source).is_dir() else ENDINGS)


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the table."""
    for file in files_read(source):
        records = _parquet(file) if file.suffix.lower() == ".parquet" else _delimited(file)
        for row in records:
            yield row if BROKEN in row else columns.renamed(row)


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa

    try:
        for batch in parquet_file(path).iter_batches(batch_size=BATCH):
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is damaged: {str(error).partition(chr(10))[0]}") from None


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
        yield from _records(_Lines(text), delimiter, path)


class _Lines:
    """The lines of a text, and whether all were read."""

    def __init__(self, text: io.TextIOBase) -> None:
        self.text = text
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        yield from self.text
        self.ended = True


def _records(lines: _Lines, delimiter: str, path: Path) -> Iterator[Row]:
    """Yield a dict for each row; one that does not fit the header is broken."""
    reader = csv.reader(lines, delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    if not header:
        raise BadInput(f"{path} is empty: expected a header line with the columns' names")
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield {BROKEN: f"the row is not CSV ({error})", "line": number}
            continue
        if lines.ended:  # the reader looked for the end of this row and met that of the file
            yield _unclosed(values, number)
        elif values:
            yield _record(values, header, number)


def _unclosed(values: list[str], number: int) -> Row:
    """Return a row for all that follows a quotation mark without its fellow."""
    raw = "\t".join(values)[:500].encode(errors="surrogateescape").decode(errors="replace")
    return {BROKEN: "a quotation mark is not closed before the end", "line": number, "raw": raw}


def _record(values: list[str], header: list[str], number: int) -> Row:
    raw = [value.encode(errors="surrogateescape").decode(errors="replace") for value in values]
    if raw != values:
        return {BROKEN: "the row is not UTF-8", "line": number, "raw": raw}
    if len(values) != len(header):
        return {BROKEN: "the row has not as many values as the header", "line": number, "raw": raw}
    return dict(zip(header, values, strict=True))
