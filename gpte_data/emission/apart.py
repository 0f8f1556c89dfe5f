"""What must not share a batch: two examples of one query, or with one positive.

Each would be a false negative of the other. Of two in one batch the later is swapped with an
example of another batch of the same group; where none of a few batches fits, it stays and is
counted.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from gpte_data.emission.batches import Batched
from gpte_data.emission.gathered import Gathered
from gpte_data.text_hashes import mixed

TRIES = 16
"""Batches that are looked at for one example."""
ONCE = 1 << 17
"""Examples looked at together."""
KEPT = 1 << 16
"""Examples whose hashes are kept at hand."""
SALT = np.uint64(0x5851F42D4C957F2D)
"""Keeps documents' numbers apart from queries' hashes."""


class Apart:
    """Moves examples of full batches so that those of one query or positive are apart.

    Args:
        batched: The batches, whose order is changed.
        size: Of a batch.
        gathered: Where the examples are.
    """

    def __init__(self, batched: Batched, size: int, gathered: Gathered) -> None:
        self.batched, self.size, self.gathered = batched, size, gathered
        by_group = np.argsort(batched.group, kind="stable")
        self._by_group = by_group
        ordered = batched.group[by_group]
        self._starts = np.searchsorted(ordered, ordered, side="left")
        self._ends = np.searchsorted(ordered, ordered, side="right")
        self._turn = np.empty(len(by_group), dtype=np.int64)
        self._turn[by_group] = np.arange(len(by_group))
        self._held = lru_cache(maxsize=max(2 * TRIES, KEPT // size))(self._batch)

    def run(self) -> int:
        """Move what can be moved; return how many still share a batch with one like them."""
        where = self._sharing()
        if not len(where):
            return 0
        # Those of one group together, so that its batches are looked up once.
        for place in where[np.lexsort((where, self._turn[where // self.size]))].tolist():
            self._move(place)
        return len(self._sharing())

    def _sharing(self) -> Any:
        """Return the places of examples with a token that an earlier one of their batch has."""
        found = [np.zeros(0, dtype=np.int64)]
        step = max(1, ONCE // self.size) * self.size
        for start in range(0, self.batched.full, step):
            stop = min(start + step, self.batched.full)
            token, owner = self._tokens(self.batched.order[start:stop])
            batch = owner // self.size
            order = np.lexsort((owner, token, batch))
            token, batch, owner = token[order], batch[order], owner[order]
            same = (np.diff(token) == 0) & (np.diff(batch) == 0) & (np.diff(owner) != 0)
            found.append(start + np.unique(owner[1:][same]))
        return np.concatenate(found)

    def _tokens(self, places: Any) -> tuple[Any, Any]:
        """Return hashes of queries and positives, and of which example each is."""
        found = self.gathered.at(places)
        where, _ = found.side(positives=True)
        documents = mixed(found.document[where].astype(np.uint64) ^ SALT)
        owners = np.arange(len(places))
        owner = np.concatenate([owners, np.repeat(owners, found.table["positives"])])
        return np.concatenate([found.table["query"], documents]), owner

    def _batch(self, batch: int) -> tuple[list[set[int]], Counter[int]]:
        """Return the tokens of each example of a batch, and of all of them."""
        start = batch * self.size
        token, owner = self._tokens(self.batched.order[start : start + self.size])
        each: list[set[int]] = [set() for _ in range(self.size)]
        for one, place in zip(token.tolist(), owner.tolist(), strict=True):
            each[place].add(one)
        return each, Counter(one for tokens in each for one in tokens)

    def _move(self, place: int) -> None:
        """Swap an example with one of another batch of its group, where one fits."""
        batch, slot = divmod(place, self.size)
        each, whole = self._held(batch)
        if all(whole[token] == 1 for token in each[slot]):  # its like has been moved already
            return
        turn = int(self._turn[batch])
        start, end = int(self._starts[turn]), int(self._ends[turn])
        for step in range(1, min(TRIES + 1, end - start)):
            other = int(self._by_group[start + (turn - start + step) % (end - start)])
            theirs, all_theirs = self._held(other)
            if any(all_theirs[token] for token in each[slot]):
                continue
            for there in range(self.size):
                if not any(whole[token] > (token in each[slot]) for token in theirs[there]):
                    self._swap((batch, slot), (other, there))
                    return

    def _swap(self, one: tuple[int, int], two: tuple[int, int]) -> None:
        """Swap two examples, each a batch and a slot."""
        order, size = self.batched.order, self.size
        first, second = one[0] * size + one[1], two[0] * size + two[1]
        order[first], order[second] = int(order[second]), int(order[first])
        (each, whole), (theirs, all_theirs) = self._held(one[0]), self._held(two[0])
        mine, other = each[one[1]], theirs[two[1]]
        whole.subtract(mine)
        whole.update(other)
        all_theirs.subtract(other)
        all_theirs.update(mine)
        each[one[1]], theirs[two[1]] = other, mine
