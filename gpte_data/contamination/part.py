"""What a text is in an evaluation set."""

from typing import Any, NamedTuple

from gpte_data.errors import BadInput
from gpte_data.sources import BROKEN
from gpte_data.stage import Row

QUERY, PASSAGE = "query", "passage"
PARTS = (QUERY, PASSAGE)


class Part(NamedTuple):
    """A text of an evaluation set, before the sets are numbered."""

    part: str
    eval_id: str
    title: str
    text: str


def check_row(row: Row, source: str) -> None:
    """Raise BadInput for a row that could not be read: a set with holes can't be searched for."""
    if BROKEN in row:
        where = f", line {row['line']}" if "line" in row else ""
        raise BadInput(f"{source}{where}: {row[BROKEN]}; an evaluation set must be whole")


def checked_text(value: Any, source: str, eval_id: str, field: str) -> str:
    """Return a text, empty where there is none; raise BadInput for what is no text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(
            f"{source}, row {eval_id!r}: {field} is no text but {type(value).__name__}: "
            "expected a string"
        )
    return value
