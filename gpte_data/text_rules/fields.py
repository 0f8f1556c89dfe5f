"""Which fields of a row hold texts: those that rules judge, and those that are mended."""

from collections.abc import Callable, Mapping
from typing import Any

from gpte_data.errors import BadInput
from gpte_data.stage import Row

JUDGED = ("text", "query")
"""What a passage and a pair are judged by."""
MENDED = ("title", "text", "context", "query")
"""What is mended or masked, and looked through for personal data; written passages too."""


def judged_texts(row: Mapping[str, Any]) -> list[str]:
    """Return the texts that a row is judged by.

    Raises:
        BadInput: The row has neither text nor query, or one of its fields holds something else.
    """
    texts = [row[name] for name in JUDGED if row.get(name) is not None]
    if not texts:
        raise BadInput(
            f"filter-texts reads text or query, but row {_name(row)} has neither (found: "
            f"{', '.join(sorted(row)) or 'nothing'}): rename the columns"
        )
    for name in MENDED:
        if not isinstance(row.get(name), str | None):
            raise BadInput(f"row {_name(row)} must hold a text as {name}, found {row[name]!r}")
    return texts


def _name(row: Mapping[str, Any]) -> str:
    """Return how a row is named to the user."""
    return repr(row.get("doc_id", row.get("query_id")))


def all_texts(row: Mapping[str, Any]) -> list[str]:
    """Return all texts of a row."""
    own = [row[name] for name in MENDED if row.get(name) is not None]
    return own + [passage["text"] for passage in row.get("written") or ()]


def mended(row: Row, mend: Callable[[str], str]) -> Row:
    """Return the row with each of its texts as `mend` gives it back."""
    changed: Row = {name: mend(row[name]) for name in MENDED if row.get(name) is not None}
    if row.get("written"):
        changed["written"] = [one | {"text": mend(one["text"])} for one in row["written"]]
    return row | changed
