"""One vocabulary for the rules of all filters: what holds against a row, and what becomes of it.

A filter measures a row and names every rule that holds against it, the surest first. The first is
the row's reason in the books; all of them stay with it, as `rules`, so that `inspect --reasons` can
tell what each rule removes alone and what all remove together. Candidates, which are never deleted,
carry theirs in the same way beside their verdict. A rule is named by what it found, in words that
are the same in every row: numbers belong to fields of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gpte_data.stage import Event, Rejected, Row

RULES = "rules"
"""Field of a row, or of a candidate, that was dropped: every rule that holds against it."""


def settled(row: Row, broken: Sequence[str]) -> Event:
    """Return the row if no rule holds against it, else the row rejected, with all that do.

    Args:
        row: With all that was measured of it.
        broken: Reasons, the surest first.
    """
    if not broken:
        return {name: value for name, value in row.items() if name != RULES}
    return rejected(row, broken)


def rejected(row: Row, broken: Sequence[str]) -> Rejected:
    """Return a row rejected, with all rules that hold against it, the surest first."""
    return Rejected(row | {RULES: list(broken)}, broken[0])


def dropped(hit: Mapping[str, Any], broken: Sequence[str]) -> dict[str, Any]:
    """Return a candidate that is no negative, with all rules that hold against it."""
    unchosen = {name: value for name, value in hit.items() if name != "choice"}
    return unchosen | {"verdict": "drop", "reason": broken[0], RULES: list(broken)}
