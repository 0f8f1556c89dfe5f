"""A text as a set of hashed shingles, and MinHash signatures of such sets, for many texts at once.

A shingle is a run of words, or of characters where words are few or not told apart. The share of
shingles that two texts have in common is their Jaccard similarity (Broder 1997); the share of equal
places of their signatures estimates it. A signature is cut into bands; sets with an equal band are
compared (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4). All is hashed with
constants of our own and integers that wrap, so that a text has the same set and signature anywhere.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gpte_data.rolling import Rolling
from gpte_data.spans import spans

MISSED = 0.005
"""Share of pairs at the threshold that may have no equal band."""
PLACES = 100
"""Places of a signature, at most."""
ROWS = 16
"""Places in a band, at most."""


@dataclass(frozen=True)
class Bands:
    """How a signature is cut."""

    count: int
    rows: int

    @classmethod
    def at(cls, jaccard: float) -> "Bands":
        """Return the bands that miss few pairs at a threshold, and call few others alike."""
        found = cls(_count(jaccard, 1), 1)
        for rows in range(2, ROWS + 1):
            count = _count(jaccard, rows)
            if count * rows > PLACES:
                break
            found = cls(count, rows)
        return found

    def finds(self, jaccard: float) -> float:
        """Return the share of pairs with this similarity that have an equal band."""
        return float(1 - (1 - jaccard**self.rows) ** self.count)


def _count(jaccard: float, rows: int) -> int:
    """Return how many bands find all but a few pairs at a threshold."""
    equal = jaccard**rows
    return 1 if equal >= 1 - MISSED else math.ceil(math.log(MISSED) / math.log1p(-equal))


@dataclass(frozen=True, slots=True)
class Sets:
    """Sets of hashed shingles.

    Attributes:
        values: Of all sets, one after the other, each in order, (shingles,) in uint32.
        sizes: How many each has, at least 1, (n,).
    """

    values: Any
    sizes: Any


def hashed(texts: Sequence[str], characters: Sequence[bool], size: int) -> Sets:
    """Return the shingles of texts that `normal` has written.

    Args:
        texts: At least one.
        characters: For each, whether its shingles are of characters instead of words.
        size: Words or characters in a shingle; a shorter text is one shingle.
    """
    parts = [text.encode(errors="surrogatepass") or b"\0" for text in texts]
    data = np.frombuffer(b" ".join([*parts, b""]), dtype=np.uint8)
    lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    starts, stops, counts = _units(data, lengths, np.asarray(characters, dtype=bool))
    windows = np.maximum(counts - size + 1, 1)
    ends = np.cumsum(counts)
    owner = np.repeat(np.arange(len(parts)), windows)
    first = spans(ends - counts, windows)
    last = np.minimum(first + size, ends[owner]) - 1
    keys = _mixed(Rolling(_bytes()[data]).of(starts[first], stops[last])) >> np.uint64(32)
    keys |= owner.astype(np.uint64) << np.uint64(32)
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(parts))
    return Sets(keys.astype(np.uint32), sizes)


def _units(data: Any, lengths: Any, characters: Any) -> tuple[Any, Any, Any]:
    """Return where each word or character begins and ends, and how many each text has."""
    ends = np.cumsum(lengths + 1) - 1
    by_character = np.repeat(characters, lengths + 1)
    begins = data != 32
    begins[1:] &= data[:-1] == 32
    if by_character.any():
        begins = np.where(by_character, (data & 0xC0) != 0x80, begins)
        begins[ends] = False
    starts = np.flatnonzero(begins)
    counts = np.diff(np.searchsorted(starts, np.concatenate([[0], ends])))
    stops = np.append(starts[1:], 0) - ~by_character[starts]
    stops[np.cumsum(counts) - 1] = ends
    return starts, stops, counts


@lru_cache(maxsize=1)
def _bytes() -> Any:
    """Return a number for each byte."""
    return numbers("byte", 256)


def numbers(purpose: str, count: int) -> Any:
    """Return numbers that look random and are always the same, (count,) in uint64."""
    made = (hashlib.blake2b(f"{purpose} {n}".encode(), digest_size=8) for n in range(count))
    return np.frombuffer(b"".join(one.digest() for one in made), dtype="<u8").astype(np.uint64)


def _mixed(found: Any) -> Any:
    """Return numbers whose every bit hangs on all bits (the finaliser of MurmurHash3)."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        found ^= found >> np.uint64(33)
        found *= np.uint64(factor)
    found ^= found >> np.uint64(33)
    return found


def band_keys(sets: Sets, bands: Bands) -> Any:
    """Return for each band a number for each set: equal where that part of their signatures is.

    A place of a signature is the least of `a * value + b` over a set, of which the high half of 64
    bits counts (Dietzfelbinger 1996: such a function is strongly universal).

    Returns:
        (bands, n) in uint64.
    """
    places = bands.count * bands.rows
    factors, added = numbers("factor", places) | np.uint64(1), numbers("added", places)
    weights = numbers("weight", places) | np.uint64(1)
    values, room = sets.values.astype(np.uint64), np.empty(len(sets.values), dtype=np.uint64)
    starts = np.cumsum(sets.sizes) - sets.sizes
    keys = np.zeros((bands.count, len(sets.sizes)), dtype=np.uint64)
    for place in range(places):
        np.multiply(values, factors[place], out=room)
        np.add(room, added[place], out=room)
        least = np.minimum.reduceat(room, starts) >> np.uint64(32)
        keys[place // bands.rows] += least * weights[place]
    return _mixed(keys)


def jaccard(one: Any, other: Any) -> float:
    """Return the share of shingles that two sets have in common; each in order."""
    if len(one) > len(other):
        one, other = other, one
    places = np.minimum(np.searchsorted(other, one), len(other) - 1)
    common = int(np.count_nonzero(other[places] == one))
    return common / (len(one) + len(other) - common)
