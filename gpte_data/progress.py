"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

EVERY = 10.0
"""Seconds between plain lines."""


class Progress:
    """Counts rows and tokens done; use as a context manager.

    Args:
        name: What is shown first, the stage's name.
        total: Rows in all, or None where that is not known.
    """

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total = name, total
        self.rows = self.tokens = 0
        self.started = self.shown = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self.name, total=self.total, unit=" rows", file=sys.stderr, leave=False,
                dynamic_ncols=True, delay=0.5,
            )  # fmt: skip
        return self

    def add(self, rows: int, tokens: int = 0) -> None:
        """Take what was done since the last call."""
        self.rows += rows
        self.tokens += tokens
        if self._bar is not None:
            if self.tokens:
                self._bar.set_postfix_str(f"{self._rate(self.tokens)} tokens/s", refresh=False)
            self._bar.update(rows)
        elif time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            sys.stderr.write(self.line() + "\n")

    def line(self) -> str:
        """Return the state as a plain line."""
        of = f" of {self.total:,}" if self.total else ""
        parts = [f"{self.name}: {self.rows:,}{of} rows", f"{self._rate(self.rows)} rows/s"]
        if self.tokens:
            parts.append(f"{self._rate(self.tokens)} tokens/s")
        if self.total and self.rows:
            left = (self.total - self.rows) * (time.monotonic() - self.started) / self.rows
            parts.append(f"{_duration(max(left, 0))} left")
        return ", ".join(parts)

    def _rate(self, amount: int) -> str:
        rate = amount / max(time.monotonic() - self.started, 1e-9)
        return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _duration(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
