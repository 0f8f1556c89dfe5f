"""Vectors in `.npy` files that are never held in memory as a whole, nor counted as held.

Pages of a mapped file count as a process' memory while they are mapped, and one row maps sixteen
of them; so nothing is mapped here: blocks and rows are read into buffers.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.errors import BadInput

BLOCK = 32_768
"""Rows looked at together."""
ABOUT_ONE = 2e-3
"""What float16 may take from or add to the length of a vector."""
TYPES = ("float16", "float32", "float64")


class VectorFile:
    """One `.npy` file of vectors (n, dimension), read block by block or row by row.

    Raises:
        BadInput: The file is no .npy file, or holds something else than rows of numbers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    read = np.lib.format.read_array_header_2_0
                self.shape, fortran, self.dtype = read(file)
                self.offset = file.tell()
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} can't be read as a .npy file: {error}") from None
        if len(self.shape) != 2 or fortran or self.dtype.name not in TYPES:
            raise BadInput(
                f"{path} must hold vectors, one a row, in {', '.join(TYPES)}: "
                f"found {self.dtype} of shape {self.shape}{' in Fortran order' * fortran}"
            )
        if path.stat().st_size < self.offset + self.dtype.itemsize * self.shape[0] * self.shape[1]:
            raise BadInput(f"{path} is cut short: it says that it holds {self.shape[0]:,} vectors")

    def __len__(self) -> int:
        return int(self.shape[0])

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop, in the file's own type."""
        rows, dimension = min(stop, len(self)) - start, self.shape[1]
        offset = self.offset + start * dimension * self.dtype.itemsize
        found = np.fromfile(self.path, self.dtype, rows * dimension, offset=offset)
        return found.reshape(rows, dimension)

    def take(self, rows: Any) -> Any:
        """Return single rows, in the file's own type."""
        taken = np.empty((len(rows), self.shape[1]), dtype=self.dtype)
        if not taken.size:
            return taken
        width = self.dtype.itemsize * self.shape[1]
        target = memoryview(taken.data).cast("B")
        places = (self.offset + width * np.asarray(rows, dtype=np.int64)).tolist()
        with self.path.open("rb", buffering=0) as file:
            number, read, start = file.fileno(), os.preadv, 0
            for place in places:  # a million times: nothing is looked up here
                read(number, (target[start : start + width],), place)
                start += width
        return taken


class ArrayFile:
    """An array in memory, read as a VectorFile is."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape = array, array.shape

    def __len__(self) -> int:
        return len(self.array)

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop."""
        return self.array[start:stop]

    def take(self, rows: Any) -> Any:
        """Return single rows."""
        return self.array[rows]


def by_value(numbers: Any) -> list[Any]:
    """Return for each different number (n,) the places where it stands, lowest number first."""
    if not len(numbers):
        return []
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


class Vectors:
    """The vectors of all shards as one array (n, dimension) that is never put together.

    Args:
        parts: The shards' vectors.
        unit: Whether they have length 1; else they are given so.

    Raises:
        BadInput: The shards' vectors differ in dimension.
    """

    def __init__(self, parts: Sequence[VectorFile | ArrayFile], unit: bool = True) -> None:
        self.parts = parts
        self.starts = np.cumsum([0, *map(len, parts)])
        dimensions = {int(part.shape[1]) for part in parts if len(part)}
        if len(dimensions) > 1:
            raise BadInput(f"vectors of several dimensions: {sorted(dimensions)}")
        self.dimension = max(dimensions, default=0)
        self._unit = unit
        self._order: Any = None

    @classmethod
    def of(cls, arrays: Sequence[Any]) -> "Vectors":
        """Return arrays in memory as Vectors."""
        return cls([ArrayFile(array) for array in arrays])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def checked(self, name: object) -> "Vectors":
        """Look at all vectors once; return self, which gives them in length 1 from now on.

        Raises:
            BadInput: One is zero or not finite.
        """
        raw = Vectors(self.parts)
        for start, block in raw.blocks(BLOCK):
            with np.errstate(over="ignore", invalid="ignore"):
                lengths = np.linalg.norm(block.astype(np.float32, copy=False), axis=1)
            bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
            if len(bad):
                what = "zero" if lengths[bad[0]] == 0 else "not finite"
                raise BadInput(f"{name}: the vector in row {start + bad[0]:,} is {what}")
            self._unit &= bool((np.abs(lengths - 1) < ABOUT_ONE).all())
        return self

    def reordered(self, order: Any) -> "Vectors":
        """Return the same vectors, the one at order[i] in place i."""
        other = Vectors(self.parts)
        other._unit, other._order = self._unit, order
        return other

    def blocks(self, size: int) -> Iterator[tuple[int, Any]]:
        """Yield (position of the first row, rows in float16 or float32), all in order."""
        if self._order is not None:
            for start in range(0, len(self), size):
                yield start, self.take(np.arange(start, min(start + size, len(self))))
            return
        for begin, part in zip(self.starts, self.parts, strict=False):
            for start in range(0, len(part), size):
                yield int(begin) + start, self._scaled(part.block(start, start + size))

    def _scaled(self, block: Any) -> Any:
        """Return vectors in length 1."""
        if block.dtype not in (np.float16, np.float32):
            with np.errstate(over="ignore"):
                block = block.astype(np.float32)
        if self._unit:
            return block
        block = block.astype(np.float32)
        lengths: Any = np.linalg.norm(block, axis=1, keepdims=True)
        return block / lengths

    def take(self, positions: Any) -> Any:
        """Return the vectors at the positions, (n, dimension) in float32."""
        positions = np.asarray(positions, dtype=np.int64)
        if self._order is not None:
            positions = self._order[positions]
        if len(self.parts) == 1:
            return self._scaled(self.parts[0].take(positions)).astype(np.float32, copy=False)
        taken = np.empty((len(positions), self.dimension), dtype=np.float32)
        owners = np.searchsorted(self.starts, positions, side="right") - 1
        for mine in by_value(owners):
            owner = owners[mine[0]]
            rows = self.parts[owner].take(positions[mine] - self.starts[owner])
            taken[mine] = self._scaled(rows)
        return taken

    def sample(self, count: int) -> Any:
        """Return up to `count` vectors, evenly spread over all, in float32."""
        if len(self) <= count:
            return self.take(np.arange(len(self)))
        return self.take(np.linspace(0, len(self) - 1, count).astype(np.int64))
