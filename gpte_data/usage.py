"""Calls, tokens and cost by recipe, from the notes of a ledger."""

from collections.abc import Mapping
from typing import Any

from gpte_data.pricing import Price, cost

_OF = ("calls of ", "prompt tokens of ", "completion tokens of ")
SECOND = " (confirm)"
"""How the name of a recipe ends that a stage's second model is asked by."""


def is_usage(note: str) -> bool:
    """Tell whether a note is one of those that `usage` puts into a table."""
    return note.startswith(_OF)


def usage(
    notes: Mapping[str, int], price: Price | None = None, second: Price | None = None
) -> list[dict[str, Any]]:
    """Return for each recipe its calls, its tokens, and their cost in dollars if it is known."""
    calls, asked, written = _OF
    names = sorted(note.removeprefix(calls) for note in notes if note.startswith(calls))
    found = []
    for name in names:
        prompt, completion = notes.get(asked + name, 0), notes.get(written + name, 0)
        row: dict[str, Any] = {
            "recipe": name,
            "calls": notes[calls + name],
            "prompt_tokens": prompt,
            "completion_tokens": completion,
        }
        known = second if name.endswith(SECOND) else price
        if known is not None:
            row["cost"] = round(cost(prompt, completion, known), 6)
        found.append(row)
    return found
