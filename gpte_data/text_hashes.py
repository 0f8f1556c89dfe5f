"""Hashes that stand for texts: 128 bits of each, two numbers, as columns.

At 128 bits no two of some ten billion texts, or pairs of texts, are expected to share one.
"""

from collections.abc import Iterable
from typing import Any


def hashes(texts: Iterable[str]) -> Any:
    """Return the hash of each text, (n, 2) in uint64."""
    import hashlib

    import numpy as np

    encoded = (text.encode(errors="surrogatepass") for text in texts)
    digests = b"".join(hashlib.blake2b(one, digest_size=16).digest() for one in encoded)
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2)


def of_pairs(first: Any, second: Any, salt: Any) -> Any:
    """Return the hash of each pair of texts, in this order, from the hashes of both.

    Args:
        first: (n, 2).
        second: (n, 2).
        salt: (2,); with another one, all pairs have other hashes.
    """
    import numpy as np

    keys = np.empty_like(first)
    keys[:, 0] = mixed(first[:, 0] + mixed(second[:, 1] ^ salt[0]))
    keys[:, 1] = mixed(first[:, 1] ^ mixed(second[:, 0] + salt[1]))
    return keys


def mixed(numbers: Any) -> Any:
    """Return numbers in which every bit hangs on every bit of those given, 0 included.

    SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, fig. 16), one step of it.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
