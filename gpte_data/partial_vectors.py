"""A shard's vectors while they are made: what is done survives a kill, batch by batch.

The vectors lie in a hidden `.npy` of the final size, written where they belong; a log beside it
names the rows of each batch after they were written. Whatever is killed, only the batch at hand is
lost. Rows in the log that are zero, as a power failure may leave them, are made again: no teacher
gives such a vector.
"""

import os
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from gpte_data.backends import Batch
from gpte_data.backends.vectors_on_disk import VectorFile
from gpte_data.errors import BadInput
from gpte_data.files import sync_folder

TYPE = np.dtype("<f2")


class PartialVectors:
    """The vectors of one shard under way.

    Args:
        path: Where they will lie when all are there.
        fingerprint: Of all that decides them; what was begun under another is thrown away.
        rows: How many there will be.
    """

    def __init__(self, path: Path, fingerprint: str, rows: int) -> None:
        self.path, self.rows = path, rows
        self.data = path.parent / f".{path.stem}.{fingerprint[:16]}.npy"
        self.log = path.parent / f".{path.stem}.{fingerprint[:16]}.log"
        self.truncated = 0
        self._forget_others()
        self.missing = self._missing()
        self._open: tuple[IO[bytes], IO[bytes], int] | None = None

    def _forget_others(self) -> None:
        """Delete what was begun for other vectors of this shard."""
        for path in self.path.parent.glob(f".{self.path.stem}.*"):
            if path.suffix in (".npy", ".log") and path not in (self.data, self.log):
                path.unlink(missing_ok=True)

    def _missing(self) -> Any:
        """Return which rows are still to be made."""
        done = np.zeros(self.rows, dtype=bool)
        try:
            vectors = VectorFile(self.data)
            entries = np.fromfile(self.log, dtype="<u4")
        except (BadInput, OSError):  # nothing was begun, or a power failure has cut it short
            self.data.unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)
            return np.arange(self.rows)
        entries = entries[: len(entries) // 2 * 2].reshape(-1, 2)
        os.truncate(self.log, entries.nbytes)  # a torn entry would shift those behind it
        entries = entries[entries[:, 0] < self.rows]
        for start in range(0, len(entries), 4096):
            part = entries[start : start + 4096]
            there = vectors.take(part[:, 0].astype(np.int64)).any(axis=1)
            done[part[there, 0]] = True
            self.truncated += int(part[there, 1].sum())
        return np.flatnonzero(~done)

    def add(self, batch: Batch) -> None:
        """Write a batch, whose positions count through the missing rows."""
        rows = self.missing[np.asarray(batch.positions, dtype=np.int64)]
        vectors = batch.vectors.astype(TYPE)
        data, log, start = self._opened(vectors.shape[1])
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            data.seek(start + row * vectors.shape[1] * TYPE.itemsize)
            data.write(vector.tobytes())
        data.flush()
        entries = np.zeros((len(rows), 2), dtype="<u4")
        entries[:, 0] = rows
        entries[0, 1] = batch.truncated
        log.write(entries.tobytes())
        log.flush()
        self.truncated += batch.truncated

    def _opened(self, dimension: int) -> tuple[IO[bytes], IO[bytes], int]:
        if self._open is None:
            if not self.data.exists():
                create(self.data, self.rows, dimension)
                self.log.unlink(missing_ok=True)
            file = VectorFile(self.data)
            if file.shape != (self.rows, dimension):
                raise BadInput(
                    f"the teacher gives vectors of {dimension} numbers, and gave "
                    f"{file.shape[1]} before: delete {self.data.parent} if it has changed"
                )
            self._open = self.data.open("r+b"), self.log.open("ab"), file.offset
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files; what is in them stays for the next run."""
        if self._open is not None:
            data, log, _start = self._open
            data.flush()
            os.fsync(data.fileno())
            data.close()
            log.close()
            self._open = None

    def finish(self) -> None:
        """Give the vectors their name; all rows must have been added."""
        self.__exit__()
        if not self.data.exists():
            create(self.data, self.rows, 0)
        self.data.replace(self.path)
        self.log.unlink(missing_ok=True)
        sync_folder(self.path.parent)


def create(path: Path, rows: int, dimension: int) -> None:
    """Make a .npy file of zeros, whole or not at all, that takes no room until it is written."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        header = {"descr": TYPE.str, "fortran_order": False, "shape": (rows, dimension)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * dimension * TYPE.itemsize)
    temporary.replace(path)
