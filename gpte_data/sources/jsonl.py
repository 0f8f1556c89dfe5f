"""JSON lines, one document an object: .jsonl, .ndjson or .json, also .gz and .zst.

A folder of .jsonl files is read in order of their names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from gpte_data.io import open_lines
from gpte_data.sources import BROKEN, Columns, files
from gpte_data.stage import Row

IN_A_FOLDER = (".jsonl", ".jsonl.gz", ".jsonl.zst")
ENDINGS = tuple(
    f"{name}{zipped}" for name in (".jsonl", ".ndjson", ".json") for zipped in ("", ".gz", ".zst")
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def matches(source: str) -> bool:
    """Tell whether this is a file of JSON lines, or a folder with .jsonl files in it."""
    return bool(files_read(source))


def files_read(source: str) -> list[Path]:
    """Return the files that are read, in order."""
    return files(source, IN_A_FOLDER if Path(source).is_dir() else ENDINGS)


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the file or files."""
    for path in files_read(source):
        for row in records(path):
            yield row if BROKEN in row else columns.renamed(row)


def records(path: Path) -> Iterator[Row]:
    """Yield each line's object; a line that is none is a row with BROKEN."""
    with open_lines(path) as lines:
        for number, line in enumerate(lines, 1):
            line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            if line.strip():
                yield _record(line, number)


def _record(line: bytes, number: int) -> Row:
    try:
        row: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return broken("the line is not JSON", line, number)
    return row if isinstance(row, dict) else broken("the line is no JSON object", line, number)


def broken(reason: str, raw: bytes, number: int) -> Row:
    """Return a row that stands for what can't be read; at most 500 characters of it are kept."""
    return {BROKEN: reason, "line": number, "raw": raw.strip()[:500].decode(errors="replace")}
