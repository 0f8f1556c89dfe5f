"""Randomness that belongs to a row: a number from (seed, row id, purpose), never from a stream.

The same row draws the same number in any order, in any shard and on any number of workers.
"""

import hashlib
import math
from collections.abc import Mapping


def draw(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that seed and parts alone decide."""
    return (bits(seed, *parts) >> 11) / 2**53


def bits(seed: int, *parts: object) -> int:
    """Return 64 random bits that seed and parts alone decide."""
    text = "\0".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def weighted_order(weights: Mapping[str, float], seed: int, *parts: object) -> list[str]:
    """Return the names in random order, heavy ones likelier first.

    Each draws u and is sorted by u ** (1 / weight) (Efraimidis and Spirakis 2006), here by its
    logarithm, which small weights don't round to 0: the first name is distributed by weight, the
    second by weight among the rest, and so on. Names without a weight above 0 are left out.
    """
    keys = {
        name: -math.log(1 - draw(seed, *parts, name)) / weight
        for name, weight in weights.items()
        if weight > 0
    }
    return sorted(keys, key=lambda name: (keys[name], name))
