"""Examples in whole batches: batch b is rows b · size to (b + 1) · size, over shard borders.

Examples are in groups, and a full batch is of one group. What is left of a group makes batches with
what is left of others of its family, group after group; what then fills no batch stands last. All
batches are shuffled by hash(seed, group, which one), or within their rank where groups have ranks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.emission.mixing import ranks
from gpte_data.emission.spill import Numbers
from gpte_data.text_hashes import hashes, mixed

LOOK = 1 << 18


@dataclass(frozen=True)
class Grouped:
    """Examples of a part in groups.

    Attributes:
        group: Of each example in its shuffled order, (n,) in int32.
        family: Of each group, (groups,): whose groups may share a batch where they fill none.
        rank: Of each group, (groups,): all batches of a lower rank stand before those of a higher.
    """

    group: Any
    family: Any
    rank: Any


@dataclass(frozen=True)
class Batched:
    """Examples in batches.

    Attributes:
        order: Places of examples, (n,), on the disk; first those in batches, then what is left.
        group: Of each batch, (batches,): equal where batches may swap examples.
        full: How many examples stand in batches.
    """

    order: Any
    group: Any
    full: int


def one_group(n: int) -> Grouped:
    """Return n examples in one group."""
    zero = np.zeros(1, dtype=np.int64)
    return Grouped(np.zeros(n, dtype=np.int32), zero, zero)


def by_kind(kind: Any, kinds: int) -> Grouped:
    """Return examples grouped by the kind of each, (n,)."""
    return Grouped(kind.astype(np.int32), np.arange(kinds), np.zeros(kinds, dtype=np.int64))


def batched(order: Any, grouped: Grouped, size: int, seed: int, numbers: Numbers) -> Batched:
    """Put examples into batches.

    Args:
        order: Places of examples in their shuffled order, (n,).
        grouped: Their groups.
        size: Of a batch.
        seed: Of the order of batches.
        numbers: Where the new order lies.
    """
    plan = _plan(grouped, size, seed)
    out = numbers.put(order[start : start + LOOK] for start in range(0, len(order), LOOK))
    full = size * len(plan.place)
    for start, group, turn in _turns(grouped):
        inside = turn < plan.first[group] * size
        batch = plan.place[plan.begins[group[inside]] + turn[inside] // size]
        out[batch * size + turn[inside] % size] = order[start : start + len(group)][inside]
    family = grouped.family[grouped.group[plan.left]]
    turn = ranks(family)
    inside = turn < plan.second[family] * size
    begins = plan.first.sum() + np.cumsum(plan.second) - plan.second
    batch = plan.place[begins[family[inside]] + turn[inside] // size]
    out[batch * size + turn[inside] % size] = order[plan.left[inside]]
    out[full:] = order[plan.left[~inside]]
    return Batched(out, plan.group, full)


@dataclass(frozen=True)
class _Plan:
    """Which batches there are: first those of one group, then those of what is left of families.

    Attributes:
        first: How many of each group, (groups,).
        begins: The first of each group, (groups,).
        second: How many of each family, (families,).
        left: Examples that fill no batch of their group, by family and group.
        place: Where each batch stands, (batches,).
        group: Of the batch at each place, (batches,).
    """

    first: Any
    begins: Any
    second: Any
    left: Any
    place: Any
    group: Any


def _plan(grouped: Grouped, size: int, seed: int) -> _Plan:
    """Return the batches and where they stand."""
    counts = np.bincount(grouped.group, minlength=len(grouped.family))
    first = counts // size
    left = _left(grouped, first * size)
    families = int(grouped.family.max(initial=-1)) + 1
    second = np.bincount(grouped.family[grouped.group[left]], minlength=families) // size
    owner = np.concatenate([np.repeat(np.arange(len(n)), n) for n in (first, second)])
    owner[first.sum() :] += len(first)
    rank = np.zeros(families, dtype=np.int64)
    rank[grouped.family] = grouped.rank
    place = _shuffled(owner, np.append(grouped.rank, rank)[owner], seed)
    group = np.empty(len(owner), dtype=np.int64)
    group[place] = owner
    return _Plan(first, np.cumsum(first) - first, second, left, place, group)


def _turns(grouped: Grouped) -> Iterator[tuple[int, Any, Any]]:
    """Yield the first of some examples, their groups, and which of their group each is."""
    seen = np.zeros(len(grouped.family), dtype=np.int64)
    for start in range(0, len(grouped.group), LOOK):
        group = grouped.group[start : start + LOOK]
        yield start, group, seen[group] + ranks(group)
        seen += np.bincount(group, minlength=len(seen))


def _left(grouped: Grouped, full: Any) -> Any:
    """Return which examples fill no batch of their group, by family and group, (k,).

    Args:
        grouped: All of them.
        full: How many of each group do, (groups,).
    """
    parts = [np.zeros(0, dtype=np.int64)]
    parts += [start + np.flatnonzero(turn >= full[group]) for start, group, turn in _turns(grouped)]
    left = np.concatenate(parts)
    group = grouped.group[left]
    return left[np.lexsort((group, grouped.family[group]))]


def _shuffled(owner: Any, rank: Any, seed: int) -> Any:
    """Return the place of each batch among all, (batches,), from whose it is and its rank."""
    salt = hashes([f"{seed}\0batches"])[0, 0]
    keys = mixed(mixed(owner.astype(np.uint64) ^ salt) + ranks(owner).astype(np.uint64))
    place = np.empty(len(owner), dtype=np.int64)
    place[np.lexsort((keys, rank))] = np.arange(len(owner))
    return place
