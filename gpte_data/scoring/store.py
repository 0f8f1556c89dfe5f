"""Scores on disk, by key: written as they come in, found again whatever was killed.

A folder holds sorted segments `00000.npy, 00001.npy, …` and a log for each process that is writing.
Opening it puts the logs that nobody holds any more among the segments: first the segment is
written, whole or not at all, then the log is deleted, so that a score is there once, or for a
moment twice. Several processes may write at a time; what another has written since a store was
opened may be missing in it, and is then asked for again.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from gpte_data.errors import UserError
from gpte_data.files import in_turn, sweep
from gpte_data.scoring.logs import Log, forsaken, read
from gpte_data.scoring.segments import Segment, load, merged, save, segment

MOST = 4_000_000
"""Scores in a segment, which is written anew until it has them: 96 MB."""
ROLL = 1_000_000
"""Scores in a log, and in memory beside it, before they become a segment."""
RUNS = 16
"""Parts of what is in memory, before they become one."""


class Store:
    """Scores in a folder, which is made when the first is added.

    Raises:
        BadInput: A segment is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log: Log | None = None
        self._runs: list[Segment] = []
        self._segments: list[Segment] = []
        if folder.is_dir():
            self._open()

    def _open(self) -> None:
        """Put forsaken logs among the segments, and map these into memory."""
        logs = sorted(self.folder.glob("*.log"))
        if not logs:
            self._load()
            return
        if not os.access(self.folder, os.W_OK):  # a corpus that only others write
            self._load()
            self._runs = [read(path) for path in logs]
            return
        with in_turn(self.folder):
            sweep(self.folder)
            for path in logs:
                self._take_in(path)
            self._load()

    def _take_in(self, path: Path) -> None:
        """Make a log whose process is gone a segment."""
        handle = forsaken(path)
        if handle is None:
            return
        try:
            self._append(read(path))
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def _append(self, scores: Segment) -> None:
        """Write scores into the last segment, or into one of their own where that is full."""
        if not len(scores):
            return
        paths = self._paths()
        if paths and len(last := load(paths[-1])) + len(scores) <= MOST:
            save(paths[-1], merged([last, scores]))
        else:
            number = int(paths[-1].stem) + 1 if paths else 0
            save(self.folder / f"{number:05d}.npy", scores)

    def _paths(self) -> list[Path]:
        found = (path for path in self.folder.glob("*.npy") if path.stem.isdecimal())
        return sorted(found, key=lambda path: int(path.stem))

    def _load(self) -> None:
        self._segments = [load(path) for path in self._paths()]

    def find(self, keys: Any) -> Any:
        """Return the scores of keys (n, 2), in float32; NaN for those that are not there."""
        scores = np.full(len(keys), np.nan, dtype=np.float32)
        left = np.lexsort((keys[:, 1], keys[:, 0]))
        for one in (*self._segments, *self._runs):
            if not len(left):
                break
            found, values = one.find(keys[left])
            scores[left[found]] = values
            left = left[~found]
        return scores

    def ready(self) -> None:
        """Make sure, before anything is paid for, that scores can be kept; raise UserError."""
        if self._log is not None:
            return
        try:
            with in_turn(self.folder):
                self._log = Log(self.folder)
        except OSError as error:
            raise UserError(
                f"scores can't be kept in {self.folder} ({(error.strerror or '').lower()}): "
                "give --score-cache a folder that can be written"
            ) from None

    def add(self, keys: Any, scores: Any) -> None:
        """Keep finite scores (n,) of keys (n, 2); they are on disk when this returns."""
        self.ready()
        assert self._log is not None
        self._log.add(keys, scores)
        self._runs.append(segment(keys, scores))
        if self._log.records >= ROLL:
            self._roll()
        elif len(self._runs) > RUNS:
            self._runs = [merged(self._runs)]

    def _roll(self) -> None:
        """Make what is in memory a segment, and begin another log."""
        assert self._log is not None
        full, self._log = self._log, None
        with in_turn(self.folder):
            self._append(merged(self._runs))
            full.path.unlink(missing_ok=True)
            self._load()
        full.close()
        self._runs = []

    def close(self) -> None:
        """Let the log go."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self.close()
