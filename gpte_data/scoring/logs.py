"""Scores as they come in: each process appends to a log of its own, and holds a lock on it.

A record has 24 bytes: key, score, and a check of both, so that what a power failure leaves behind
is never taken for a score. A record is written whole, or not counted: the lock, and with it the
claim to the log, ends with its process, however that ends.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.files import HOST
from gpte_data.scoring.segments import Segment, as_bits, segment
from gpte_data.text_hashes import mixed

RECORD = np.dtype([("high", "<u8"), ("low", "<u8"), ("score", "<f4"), ("check", "<u4")])
FORSAKEN = 24 * 3600
"""Seconds after which an untouched log is nobody's, where a file system has no locks."""


class Log:
    """The log of this process, made in a folder that nobody else changes meanwhile.

    Raises:
        OSError: The folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        number = 0
        while True:
            self.path = folder / f"{HOST}-{os.getpid()}-{number}.log"
            try:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                break
            except FileExistsError:
                number += 1
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.records = 0

    def add(self, keys: Any, scores: Any) -> None:
        """Write scores (n,) of keys (n, 2): all of them, or none."""
        records = np.empty(len(keys), dtype=RECORD)
        records["high"], records["low"] = keys.T
        records["score"] = scores
        records["check"] = _check(records)
        left = memoryview(records.tobytes())
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            os.ftruncate(self._file, self.records * RECORD.itemsize)
            os.lseek(self._file, 0, os.SEEK_END)
            error.filename = str(self.path)
            raise
        self.records += len(records)

    def close(self) -> None:
        """Let the log go: whoever opens the store next puts it among the others."""
        os.close(self._file)
        if not self.records:
            self.path.unlink(missing_ok=True)


def forsaken(path: Path) -> int | None:
    """Return an open handle that holds a log whose process is gone, or None if it is not."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:  # a file system without locks
        if time.time() - os.fstat(handle).st_mtime < FORSAKEN:
            os.close(handle)
            return None
    return handle


def read(path: Path) -> Segment:
    """Return the scores of a log; what is torn or damaged is left out."""
    content = path.read_bytes()
    records = np.frombuffer(content[: len(content) // RECORD.itemsize * RECORD.itemsize], RECORD)
    records = records[records["check"] == _check(records)]
    keys = np.stack([records["high"], records["low"]], axis=1)
    return segment(keys, records["score"])


def _check(records: Any) -> Any:
    """Return the check of each record."""
    numbers = mixed(records["high"] ^ mixed(records["low"] ^ mixed(as_bits(records["score"]))))
    return numbers.astype("<u4")
