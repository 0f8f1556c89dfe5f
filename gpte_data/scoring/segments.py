"""Scores sorted by key: looked up on disk by bisection, a few pages of memory at a time.

A segment is an array (3, n) of 64-bit numbers: both halves of the keys, then the scores' bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.errors import BadInput
from gpte_data.files import atomic


@dataclass(frozen=True)
class Segment:
    """Scores by key.

    Attributes:
        array: (3, n), sorted by its first two rows; in memory, or mapped from a file.
    """

    array: Any

    def __len__(self) -> int:
        return int(self.array.shape[1])

    def find(self, keys: Any) -> tuple[Any, Any]:
        """Return which keys are there, (n,), and the scores of those.

        Args:
            keys: (n, 2) in uint64; quickest in order.
        """
        high, low, bits = self.array
        places = np.searchsorted(high, keys[:, 0])
        found = np.zeros(len(keys), dtype=bool)
        open_ = np.arange(len(keys))
        while True:
            open_ = open_[places[open_] < len(high)]
            open_ = open_[high[places[open_]] == keys[open_, 0]]
            if not len(open_):  # nearly always after one round: few keys share their first half
                break
            same = low[places[open_]] == keys[open_, 1]
            found[open_[same]] = True
            open_ = open_[~same]
            places[open_] += 1
        return found, as_scores(bits[places[found]])


def as_bits(scores: Any) -> Any:
    """Return scores in float32 as 64-bit numbers."""
    return np.ascontiguousarray(scores, dtype="<f4").view("<u4").astype("<u8")


def as_scores(bits: Any) -> Any:
    """Return what `as_bits` was given."""
    return np.asarray(bits).astype("<u4").view("<f4")


def segment(keys: Any, scores: Any) -> Segment:
    """Return a segment of keys (n, 2) and scores (n,); of a key that comes twice, the first."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys = keys[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    return Segment(np.stack([keys[new, 0], keys[new, 1], as_bits(scores)[order][new]]))


def merged(segments: Sequence[Segment]) -> Segment:
    """Return one segment of several; the first wins where they have a key in common."""
    array = np.concatenate([one.array for one in segments], axis=1)
    return segment(np.ascontiguousarray(array[:2].T), as_scores(array[2]))


def load(path: Path) -> Segment:
    """Return a segment on disk, mapped into memory; raise BadInput if it is damaged."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim == 2 and len(array) == 3 and array.dtype == np.dtype("<u8"):
            return Segment(array)
    except (EOFError, ValueError):
        pass
    raise BadInput(f"{path} holds no scores: delete it, and they are asked for again")


def save(path: Path, one: Segment) -> None:
    """Write a segment, whole or not at all."""
    with atomic(path) as target:
        np.lib.format.write_array(target, one.array, allow_pickle=False)
