"""Vectors of texts that were embedded before: when a corpus grows or changes, the others stay.

Beside the vectors of a shard lie hashes of its texts, in `NAME.texts`. A document is found by what
it says, wherever it stood: inserting one at the beginning, which moves all others, costs one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends import Batch
from gpte_data.backends.vectors_on_disk import VectorFile, by_value
from gpte_data.errors import BadInput
from gpte_data.files import atomic

ENDING = ".texts"
TOGETHER = 4096


def hashes(texts: Sequence[str]) -> Any:
    """Return 64 bits of each text's hash, (n,)."""
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8")


def keep_hashes(path: Path, found: Any) -> None:
    """Write the hashes of a shard's texts beside its vectors."""
    with atomic(path.with_suffix(ENDING)) as target:
        np.lib.format.write_array(target, found)


class EarlierVectors:
    """All vectors in a folder whose texts are known."""

    def __init__(self, folder: Path) -> None:
        self.files: list[VectorFile] = []
        parts = []
        for path in sorted(folder.glob(f"*{ENDING}")):
            try:
                known, file = np.load(path), VectorFile(path.with_suffix(".npy"))
            except (OSError, ValueError, BadInput):
                continue
            if len(known) == len(file):
                parts.append(known)
                self.files.append(file)
        counts = [len(part) for part in parts]
        every = np.concatenate(parts) if parts else np.zeros(0, dtype="<u8")
        self.order = np.argsort(every, kind="stable")
        self.hashes = every[self.order]
        self.owners = np.repeat(np.arange(len(counts)), counts)[self.order]
        starts = np.cumsum([0, *counts[:-1]]) if counts else np.zeros(0, dtype=np.int64)
        self.rows = self.order - np.repeat(starts, counts)[self.order]

    def find(self, wanted: Any) -> Iterator[Batch]:
        """Yield the vectors of texts that are known, by the places of their hashes."""
        if not len(self.hashes):
            return
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[places] == wanted)
        for start in range(0, len(found), TOGETHER):
            part = found[start : start + TOGETHER]
            at = places[part]
            for mine in by_value(self.owners[at]):
                vectors = self.files[self.owners[at[mine[0]]]].take(self.rows[at[mine]])
                there = vectors.any(axis=1)
                if there.any():
                    yield Batch(part[mine][there].tolist(), vectors[there], 0)
