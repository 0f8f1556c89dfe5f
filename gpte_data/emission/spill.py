"""Columns that grow on the disk and are then read at any place, as if they were in memory.

They lie in files without a name, so nothing of them is left when the process ends, however it does.
"""

import contextlib
import mmap
import tempfile
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa

FEW = 1 << 16
"""Numbers that `put` returns in memory."""


class Room:
    """Where such columns lie: files that are gone when the block ends.

    Args:
        folder: Where there is room; None for the system's own place.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._files = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._files.close()

    def file(self) -> IO[bytes]:
        """Return a new file."""
        return self._files.enter_context(tempfile.TemporaryFile(dir=self.folder))


class Numbers:
    """A column of numbers.

    Args:
        room: Where it lies.
        dtype: Of its numbers.
    """

    def __init__(self, room: Room, dtype: Any) -> None:
        self.file = room.file()
        self.dtype = np.dtype(dtype)
        self.length = 0

    def append(self, values: Any) -> None:
        """Add values at the end."""
        array = np.ascontiguousarray(values, dtype=self.dtype)
        self.file.write(array.data)
        self.length += len(array)

    def put(self, blocks: Iterable[Any]) -> Any:
        """Add arrays at the end; return those alone, (n,), in memory where they are few.

        A part of thousands then takes no open file of its own.
        """
        start = self.length
        for block in blocks:
            self.append(block)
        found = self.read()[start:]
        return np.array(found) if len(found) < FEW else found

    def read(self) -> Any:
        """Return all of it, (n,), as it lies on the disk."""
        self.file.flush()
        if not self.length:
            return np.zeros(0, dtype=self.dtype)
        return np.memmap(self.file, dtype=self.dtype, mode="r+", shape=(self.length,))


class Texts:
    """A column of texts.

    Args:
        room: Where it lies.
    """

    def __init__(self, room: Room) -> None:
        self.file = room.file()
        self.lengths = Numbers(room, np.int64)
        self.bytes = 0
        self._map: Any = None
        self._array: Any = None
        self._opening = Lock()

    def append(self, texts: Any) -> None:
        """Add the texts of an Arrow array at the end; null is ""."""
        array = texts.cast(pa.large_string()).fill_null("")
        _, offsets, data = array.buffers()
        starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        if len(array):
            self.lengths.append(np.diff(starts))
            if data is not None:
                self.file.write(data[int(starts[0]) : int(starts[-1])])
            self.bytes += int(starts[-1] - starts[0])

    def __len__(self) -> int:
        return self.lengths.length

    def sizes(self) -> Any:
        """Return how many bytes each text has, (n,) in int64."""
        return self.lengths.read()

    def take(self, places: Any) -> Any:
        """Return the texts at some places as an Arrow array of strings."""
        with self._opening:
            if self._array is None:
                self._array = self._opened()
        return self._array.take(pa.array(places)).cast(pa.string())

    def rest(self) -> None:
        """Let the system have the memory back in which the disk's pages were shown."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)

    def _opened(self) -> Any:
        """Return all texts as one Arrow array over the file."""
        self.file.flush()
        offsets = np.concatenate([[0], np.cumsum(self.lengths.read())]).astype(np.int64)
        if self.bytes:
            self._map = mmap.mmap(self.file.fileno(), self.bytes, prot=mmap.PROT_READ)
            self._map.madvise(mmap.MADV_RANDOM)
        data = pa.py_buffer(self._map if self._map is not None else b"")
        buffers = [None, pa.py_buffer(offsets), data]
        return pa.LargeStringArray.from_buffers(len(offsets) - 1, buffers[1], buffers[2])


def ragged(starts: Any, counts: Any) -> Any:
    """Return the places start, start + 1, … of each list, one after the other.

    Args:
        starts: (n,) in int64.
        counts: How many of each, (n,).
    """
    counts = np.asarray(counts, dtype=np.int64)
    ends = np.cumsum(counts)
    shifts = np.repeat(np.asarray(starts, dtype=np.int64) - (ends - counts), counts)
    return np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int64) + shifts


def offsets_of(counts: Any) -> Any:
    """Return where lists of these lengths start, and the last one's end, (n + 1,) in int32."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
