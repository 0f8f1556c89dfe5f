"""Examples to follow: a few passages with the queries that a person wrote for them.

Promptagator (2209.11755, section 3.1) shows up to eight; which ones are shown matters (SPTAR,
2307.08303), and `choose-examples` finds that out where there are more.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from gpte_data.errors import BadInput, BadOption
from gpte_data.manifest import check_finished
from gpte_data.records import full_text
from gpte_data.sources import BROKEN, Columns, read_source
from gpte_data.stage import Row

FEWEST, MOST = 2, 8
ROWS = "rows with text (or passage) and query, as .jsonl, .json, .csv, .tsv or .parquet"


def examples_identity(path: Path | None) -> str:
    """Return what of the examples enters a fingerprint: a hash of how they are shown."""
    return "" if path is None else hashlib.sha256(shown_examples(path).encode()).hexdigest()


def shown_examples(path: Path) -> str:
    """Return the examples of a file, or of the output of `choose-examples`, as a prompt shows them.

    Raises:
        BadInput: It can't be read, or a row is no example.
        BadOption: There are fewer than 2 or more than 8.
    """
    rows = list(read_examples(str(path)))
    for number, row in enumerate(rows, 1):
        problem = example_problem(row)
        if problem:
            raise BadInput(f"--examples {path}: row {number} won't do ({problem}): it takes {ROWS}")
    if len(rows) < FEWEST:
        raise BadOption(f"--examples {path} holds {len(rows)}: give {FEWEST} to {MOST}, as {ROWS}")
    if len(rows) > MOST:
        raise BadOption(
            f"--examples {path} holds {len(rows)}, and a prompt shows at most {MOST}: choose the "
            f"best with gpte-data choose-examples {path} -o FOLDER, and give that folder"
        )
    return shown(rows)


def shown(rows: Sequence[Row]) -> str:
    """Return examples as a prompt shows them: each part on one line, so that it can't be two."""
    return "\n\n".join(
        f"Passage: {_line(full_text(row))}\nQuery: {_line(row['query'])}" for row in rows
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def read_examples(source: str) -> Iterator[Row]:
    """Yield the rows of a file or folder of examples; what can't be read has BROKEN."""
    path = Path(source)
    if not path.exists():
        raise BadInput(f"{source} does not exist: examples are {ROWS}")
    if path.is_dir():
        check_finished(path)
    listed = _json_list(path) if path.suffix == ".json" else None
    if listed is None:
        yield from read_source(source, Columns())
        return
    for row in listed:
        yield Columns().renamed(row) if isinstance(row, dict) else {BROKEN: "it is no JSON object"}


def _json_list(path: Path) -> list[object] | None:
    """Return the rows of a file that is one JSON list, or None where it is JSON lines."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, list) else None


def example_problem(row: Row) -> str:
    """Return in words why a row is no example, or nothing."""
    if BROKEN in row:
        return str(row[BROKEN])
    for name in ("text", "query"):
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            return f"no {name}"
    return ""
