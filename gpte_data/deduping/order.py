"""Which of several rows comes first, whatever order they were read in; and which say the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from gpte_data.deduping.reading import Rows

Survivor = Literal["longest", "shortest", "id"]


@dataclass(frozen=True)
class Ordered:
    """The rows in their order; a place is a row's number in it.

    Attributes:
        rows: The row at each place, (n,).
        same_id: Whether a row of its dataset with the same id is before it, (n,) by place.
        groups: A number for what it says, the same for all that say the same, (n,) by place.
        leaders: The place of each group's first row that has an id of its own, lowest first; -1
            stands for none in `leader_of`.
        leader_of: The number in `leaders` of each group, (groups,).
    """

    rows: Any
    same_id: Any
    groups: Any
    leaders: Any
    leader_of: Any


def ordered(
    rows: Rows, others: int, datasets: Any, survivor: Survivor, content: Callable[[Any], Any]
) -> Ordered:
    """Put rows in their order: by dataset, as survivors are chosen, by id, by what they say.

    Args:
        rows: Of all datasets.
        others: How many of them, the first, belong to other datasets.
        datasets: The number of each row's dataset, (n,).
        survivor: Whether the longest text comes first, or the shortest, or the lowest id.
        content: Returns a number for all that some rows hold, given these in order, to tell apart
            those that have the same id and text.
    """
    ids, lengths = _ranks(rows.ids), rows.lengths
    by_length = {"longest": -lengths, "shortest": lengths, "id": np.zeros_like(lengths)}[survivor]
    high, low = rows.hashes[:, 0], rows.hashes[:, 1]
    order = np.lexsort((low, high, ids, by_length, datasets))
    order = _told_apart(order, order >= others, [ids, high, low, by_length, datasets], content)
    own = np.zeros(len(order), dtype=bool)
    own[:others] = True  # their ids are theirs to keep
    own[others + np.unique(ids[order[others:]], return_index=True)[1]] = True
    groups = _groups(high[order], low[order])
    leaders, leader_of = _leaders(groups, own)
    return Ordered(order, ~own, groups, leaders, leader_of)


def _ranks(ids: Any) -> Any:
    """Return the rank of each id among all, equal ids having the same, (n,) in int64."""
    order = pc.sort_indices(ids)
    ordered_ids = ids.take(order)
    changes = pc.not_equal(ordered_ids[1:], ordered_ids[:-1]).to_numpy(zero_copy_only=False)
    ranks = np.zeros(len(ids), dtype=np.int64)
    ranks[order.to_numpy()] = np.concatenate([[0], np.cumsum(changes)])
    return ranks


def _told_apart(order: Any, ours: Any, keys: list[Any], content: Callable[[Any], Any]) -> Any:
    """Put rows that are equal in all keys in the order of what else they hold."""
    equal = ours[1:] & ours[:-1]
    for key in keys:
        equal &= key[order[1:]] == key[order[:-1]]
    tied = np.concatenate([[False], equal]) | np.concatenate([equal, [False]])
    if not tied.any():
        return order
    places = np.flatnonzero(tied)
    run = np.cumsum(~np.concatenate([[False], equal]))[places]
    wanted = np.sort(order[places])
    numbers = content(wanted)[np.searchsorted(wanted, order[places])]
    found = order.copy()
    found[places] = order[places][np.lexsort((numbers, run))]
    return found


def _groups(high: Any, low: Any) -> Any:
    """Return for each row a number of what it says."""
    order = np.lexsort((low, high))
    high, low = high[order], low[order]
    changes = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    groups = np.empty(len(order), dtype=np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(changes)])
    return groups


def _leaders(groups: Any, own: Any) -> tuple[Any, Any]:
    """Return the places of the leaders, and of each group which of them is its own."""
    places = np.flatnonzero(own)
    found, first = np.unique(groups[places], return_index=True)
    leaders = np.sort(places[first])
    leader_of = np.full(int(groups.max()) + 1, -1, dtype=np.int64)
    leader_of[found] = np.searchsorted(leaders, places[first])
    return leaders, leader_of
