"""Who stays: in the order of the rows, each unless one that stayed before it is its duplicate.

So whatever was dropped is within the threshold of what stayed for it, never of something that went
itself, and of what stayed no two are duplicates: a second run has nothing to do. Rows that say the
same are decided together, by the first of them, their leader.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gpte_data.deduping.order import Ordered

ID, SAME, MINHASH, VECTORS = 1, 2, 4, 8
"""Rules that hold against a row, as bits; the surest is the lowest."""


class Near(Protocol):
    """Finds which of the leaders that were kept is the nearest."""

    deep: int
    """How often it has looked at the last of many only."""

    def fill(self, leaders: int) -> None:
        """Keep so many leaders, the first."""

    def nearest(self, leader: int) -> tuple[float, int] | None:
        """Return similarity and leader, if it is near enough."""

    def keep(self, leader: int) -> None:
        """Compare those that come after with this one."""


@dataclass(frozen=True)
class Decided:
    """What became of rows, in their order.

    Attributes:
        rules: Bits of all rules that hold against each; 0 for what stays, (n,).
        survivor: The place of what stays for it; -1 where only its id says so, (n,).
        similarity: To that, 1 for what says the same; NaN where only its id says so, (n,).
    """

    rules: Any
    survivor: Any
    similarity: Any


@dataclass(frozen=True)
class Leaders:
    """What became of the leaders: rules, the leader that stays for each, and how near it is."""

    rules: Any
    survivor: Any
    similarity: Any


def decide_leaders(count: int, fixed: int, near: Mapping[int, Near], asked: Any) -> Leaders:
    """Go through the leaders.

    Args:
        count: How many there are.
        fixed: How many of them, the first, stay in any case.
        near: Rule -> what finds the nearest leader by it, the surest first.
        asked: The leaders that may be near another, in order. The others stay.
    """
    made = Leaders(np.zeros(count, np.int8), np.full(count, -1), np.ones(count))
    for leader in asked[asked >= fixed].tolist():
        hits = {rule: one.nearest(leader) for rule, one in near.items()}
        broken = {rule: hit for rule, hit in hits.items() if hit is not None}
        if not broken:
            for one in near.values():
                one.keep(leader)
            continue
        made.rules[leader] = sum(broken)
        made.similarity[leader], made.survivor[leader] = next(iter(broken.values()))
    return made


def decide(order: Ordered, leaders: Leaders, same: int) -> Decided:
    """Say of all rows what their leaders' lot means for them.

    Args:
        order: The rows.
        leaders: What became of the leaders.
        same: Bits of all rules that hold against what says the same as a row that stays.
    """
    leader = order.leader_of[order.groups]
    led = leader >= 0
    leader = np.where(led, leader, 0)
    stays = leaders.survivor[leader] < 0
    is_leader = led & (order.leaders[leader] == np.arange(len(leader)))
    rules = np.where(stays, np.where(is_leader, 0, same), leaders.rules[leader])
    rules = np.where(led, rules, 0) | np.where(order.same_id, ID, 0)
    survivor = order.leaders[np.where(stays, leader, leaders.survivor[leader])]
    by_id = (rules & ID) > 0
    return Decided(
        rules,
        np.where(by_id, -1, survivor),
        np.where(by_id, np.nan, np.where(stays, 1.0, leaders.similarity[leader])),
    )
