"""Sets of shingles and their band keys in temporary files without a name, read piece by piece.

They lie where TMPDIR says, and go with the process.
"""

import os
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any

import numpy as np


class Spill:
    """Numbers in a temporary file."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(prefix="gpte-data-dedup-")  # noqa: SIM115
        self.size = 0

    def append(self, numbers: Any) -> int:
        """Write numbers; return the byte at which they begin."""
        start = self.size
        self.size += self.file.write(np.ascontiguousarray(numbers).tobytes())
        return start

    def read(self, start: int, count: int, kind: type) -> Any:
        """Return so many numbers from a byte on."""
        wanted = count * np.dtype(kind).itemsize
        self.file.flush()
        found = b""
        while len(found) < wanted:  # a read gives 2 GB at most
            found += os.pread(self.file.fileno(), wanted - len(found), start + len(found))
        return np.frombuffer(found, dtype=kind)


@dataclass
class StoredSets:
    """Sets of shingles in a file, and their band keys in another.

    Attributes:
        bands: How many keys a set has.
        rows: The row that each set is of, (sets,) in int64; a row may have two.
        sizes: Shingles of each set, (sets,) in int32.
        starts: The byte at which each begins, (sets,) in int64.
    """

    bands: int
    rows: Any
    sizes: Any
    starts: Any
    values: Spill
    keys: Spill
    parts: list[tuple[int, int]] = field(default_factory=list)
    """Of each block of keys the first byte, and how many sets it has."""

    def __post_init__(self) -> None:
        self.get = lru_cache(maxsize=4096)(self._get)

    def _get(self, place: int) -> Any:
        """Return a set, in order, (size,) in uint32."""
        return self.values.read(int(self.starts[place]), int(self.sizes[place]), np.uint32)

    def band(self, number: int) -> Any:
        """Return the keys of a band, (sets,) in uint64."""
        read = self.keys.read
        parts = [read(start + 8 * number * n, n, np.uint64) for start, n in self.parts]
        return np.concatenate(parts)
