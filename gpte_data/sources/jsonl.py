"""JSON lines: one document an object (.jsonl, .json with one object a line, also .gz and .zst)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from gpte_data.io import open_lines
from gpte_data.sources import BROKEN, Columns
from gpte_data.stage import Row

ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".json.gz", ".ndjson")


def matches(source: str) -> bool:
    """Tell whether this is a file of JSON lines."""
    return source.endswith(ENDINGS) and Path(source).is_file()


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the file."""
    for row in records(Path(source)):
        yield row if BROKEN in row else columns.renamed(row)


def records(path: Path) -> Iterator[Row]:
    """Yield each line's object; a line that is none is a row with BROKEN."""
    with open_lines(path) as lines:
        for number, line in enumerate(lines, 1):
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
    return {BROKEN: reason, "line": number, "raw": raw[:500].decode(errors="replace")}
