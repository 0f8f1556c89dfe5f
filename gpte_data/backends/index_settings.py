"""What an approximate index is made like and searched with, from the number of its vectors.

Lists are 4 √n, the least that faiss' guidelines name, of which √lists are looked through: with
sixteen times the vectors, a query reads eight times as many. `--search-effort` multiplies what is
looked at; it is no part of the index, which stays as it is.
"""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["flat", "ivf", "hnsw", "ivfpq", "binary"]

LEAST = 10_000
"""Vectors from which an index pays; fewer are searched exactly, whatever was asked for."""
PER_LIST = 39
"""Vectors that a list takes to be trained, at least."""
SAMPLE = 64
"""Vectors of a list that it is trained on."""
LINKS, BUILT_WITH = 32, 100
"""Of a graph: links of a vector, and neighbours looked at when it is added."""
BINARY_LISTS = 5_000_000
"""Vectors from which codes of one bit a number are put in lists as well."""
FETCHED = {"ivf": 1, "hnsw": 1, "ivfpq": 8, "binary": 16}
"""Hits whose exact scores are computed for each that is wanted: codes that say less err more."""


@dataclass(frozen=True)
class Search:
    """How a corpus is searched."""

    kind: Kind = "flat"
    effort: float = 1.0
    """What is looked at, as a multiple of what the corpus' size suggests."""


@dataclass(frozen=True)
class Settings:
    """What decides an index, beside its vectors."""

    kind: Kind
    dimension: int
    lists: int = 0
    """Clusters of vectors; 0 for none."""
    parts: int = 0
    """Bytes of a code, of an ivfpq."""
    links: int = 0
    built_with: int = 0

    @property
    def sample(self) -> int:
        """Vectors to train on."""
        return max(SAMPLE * self.lists, LEAST)


def settings(kind: Kind, count: int, dimension: int) -> Settings | None:
    """Return how `count` vectors are indexed, or None where they are searched exactly."""
    if kind == "flat" or count < LEAST:
        return None
    if kind == "hnsw":
        return Settings(kind, dimension, links=LINKS, built_with=BUILT_WITH)
    if kind == "binary" and count < BINARY_LISTS:
        return Settings(kind, dimension)
    lists = min(round(4 * math.sqrt(count)), count // PER_LIST)
    return Settings(kind, dimension, lists, _parts(dimension) if kind == "ivfpq" else 0)


def _parts(dimension: int) -> int:
    """Return into how many equal parts vectors are cut, of four numbers or a little fewer."""
    return next(n for n in range(math.ceil(dimension / 4), dimension + 1) if dimension % n == 0)


def probes(lists: int, count: int, k: int, effort: float) -> int:
    """Return how many lists are looked through: √lists, or those with 32 times what is wanted."""
    return min(lists, math.ceil(effort * max(math.sqrt(lists), 32 * k * lists / count)))


def breadth(count: int, k: int, effort: float) -> int:
    """Return how many neighbours a search in a graph keeps at hand."""
    return min(count, max(k, math.ceil(effort * max(2 * k, 64))))


def fetched(kind: Kind, count: int, k: int, effort: float) -> int:
    """Return how many hits are scored exactly to find the k best."""
    many = FETCHED[kind]
    return min(count, k if many == 1 else max(k, math.ceil(effort * many * k)))
