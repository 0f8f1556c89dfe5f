"""The ids of a corpus, as small as they can be: millions of them stay in tens of megabytes.

A Python string takes sixty bytes and a place in a dict a hundred; here an id takes its own length,
a hash and a number. The hash leads from an id to its position; where two ids share one, the ids
themselves decide.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class DocIds(Sequence[str]):
    """Ids by position.

    Args:
        parts: Arrow arrays of strings, in the order of the corpus.
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        chunks = [part.cast(pa.large_string()) for part in parts]
        self.array = pa.concat_arrays(chunks or [pa.array([], pa.large_string())])

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return self.array[position].to_pylist()
        return self.array[int(position)].as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 65_536):
            yield from self.array[start : start + 65_536].to_pylist()

    def take(self, positions: Any) -> Any:
        """Return the ids at the positions as an Arrow array."""
        return self.array.take(pa.array(positions))

    @cached_property
    def ranks(self) -> Any:
        """The place of each id among all ids in order, (n,): by it equal scores are told apart."""
        order = pc.sort_indices(self.array).to_numpy()
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        return ranks


class Positions(Mapping[str, int]):
    """Where each id stands."""

    def __init__(self, ids: DocIds) -> None:
        self.ids = ids
        hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
        self.order = np.argsort(hashes, kind="stable").astype(np.int32)
        self.hashes = hashes[self.order]

    def twice(self) -> str | None:
        """Return an id that stands there twice, or None."""
        for place in np.flatnonzero(self.hashes[1:] == self.hashes[:-1]):
            same = self.hashes == self.hashes[place]
            found = [self.ids[position] for position in self.order[same]]
            if len(set(found)) < len(found):
                return str(next(one for n, one in enumerate(found) if one in found[:n]))
        return None

    def __getitem__(self, doc_id: str) -> int:
        wanted = hash(doc_id)
        place = bisect_left(self.hashes, wanted)
        while place < len(self.hashes) and self.hashes[place] == wanted:
            if self.ids[self.order[place]] == doc_id:
                return int(self.order[place])
            place += 1
        raise KeyError(doc_id)

    def of(self, doc_ids: Any) -> Any:
        """Return where the ids of an Arrow array stand, (n,) in int32; -1 for those unknown."""
        coded = doc_ids.cast(pa.large_string()).dictionary_encode()
        words = coded.dictionary
        wanted = np.fromiter(map(hash, words.to_pylist()), dtype=np.int64, count=len(words))
        places = np.searchsorted(self.hashes, wanted)
        found = self.order[np.minimum(places, len(self.order) - 1)]
        same = pc.equal(self.ids.take(found), words).to_numpy(zero_copy_only=False)
        found = np.where(same, found, np.int32(-1))
        for place in np.flatnonzero(~same):  # unknown, or a hash that two ids share
            found[place] = self.get(words[int(place)].as_py(), -1)
        return found[coded.indices.to_numpy()] if len(words) else found

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)
