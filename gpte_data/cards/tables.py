"""Markdown: tables, lists of counts, and texts that can't break out of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SPECIAL = str.maketrans({"<": "&lt;", "\n": " ", "\r": " "})
_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")
"""One that is not escaped: behind no backslash, or an even number of them."""


def cell(value: Any) -> str:
    """Return a value as it stands in a cell: numbers with commas, texts on one line."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _on_one_line(str(value))


def code(value: str) -> str:
    """Return a name in the type of code."""
    return f"`{_on_one_line(value.replace('`', ' '))}`" if value.strip() else ""


def _on_one_line(text: str) -> str:
    """Return a text that stays in its cell; done twice, it is the same."""
    return _PIPE.sub(r"\1\\|", text.translate(_SPECIAL)).strip()


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table, columns of numbers to the right; "" where there are no rows."""
    found = [list(row) for row in rows]
    if not found:
        return ""
    right = [all(_is_number(row[n]) for row in found) for n in range(len(header))]
    lines = [
        _line(header),
        _line(["---:" if one else "---" for one in right]),
        *(_line([cell(value) for value in row]) for row in found),
    ]
    return "\n".join(lines) + "\n"


def _is_number(value: Any) -> bool:
    """Tell whether a cell holds a number, or nothing."""
    return isinstance(value, int) or not value.strip("0123456789,.%")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def counts(found: Mapping[str, int]) -> str:
    """Return counts by name on one line: `name` 1,234."""
    return ", ".join(f"{code(name)} {count:,}" for name, count in found.items())


def nouns(count: int, one: str, many: str = "") -> str:
    """Return `1 query`, `2 queries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
