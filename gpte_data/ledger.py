"""The books of a command: what came in is what went out, was dropped or has failed, by reason.

A row may become several (a document its chunks, a passage its queries). A stage says so before it
knows how they end (`Expanded`), so the balance is a check and not an arithmetic identity:

    rows_in + expanded = rows_out + dropped + failed
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from gpte_data.errors import BooksDontClose


@dataclass(slots=True)
class Ledger:
    """Counts of one shard, or of several added up."""

    rows_in: int = 0
    expanded: int = 0
    rows_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def close(self) -> None:
        """Raise BooksDontClose unless every row is accounted for."""
        came = self.rows_in + self.expanded
        went = self.rows_out + self.dropped.total() + self.failed.total()
        if came != went:
            raise BooksDontClose(f"{came} rows came in but {went} are accounted for: {self.line()}")

    def line(self) -> str:
        """Return the balance as one line of text."""
        came = f"{self.rows_in:,}" + (f" + {self.expanded:,} expanded" if self.expanded else "")
        dropped = f"{self.dropped.total():,} dropped{_why(self.dropped)}"
        failed = f"{self.failed.total():,} failed{_why(self.failed)}"
        return f"{came} in = {self.rows_out:,} out + {dropped} + {failed}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a mark."""
        return {
            "in": self.rows_in,
            "expanded": self.expanded,
            "out": self.rows_out,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": dict(sorted(self.failed.items())),
            "notes": dict(sorted(self.notes.items())),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from a mark."""
        return cls(
            data["in"],
            data["expanded"],
            data["out"],
            Counter(data["dropped"]),
            Counter(data["failed"]),
            Counter(data["notes"]),
        )

    @classmethod
    def total(cls, ledgers: Iterable["Ledger"]) -> Self:
        """Add up several."""
        total = cls()
        for one in ledgers:
            total.rows_in += one.rows_in
            total.expanded += one.expanded
            total.rows_out += one.rows_out
            total.dropped += one.dropped
            total.failed += one.failed
            total.notes.update(one.notes)  # += would leave out what was counted 0 times
        return total


def _why(reasons: Counter[str]) -> str:
    """Return the reasons in brackets, most frequent first."""
    if not reasons:
        return ""
    return " (" + ", ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common()) + ")"
