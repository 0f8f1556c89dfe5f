"""Several datasets in one mixture: which examples are taken, which are repeated.

Of each dataset the first in the shuffle are taken, so that the same are taken whatever shards they
came in. Examples are looked at in the order of their keys, a block at a time.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpte_data.emission.gathered import LOOK, NOWHERE, Gathered
from gpte_data.emission.kinds import Kind
from gpte_data.emission.library import Library
from gpte_data.emission.mixture import Mixture, counts
from gpte_data.emission.ordering import shuffled
from gpte_data.errors import BadOption
from gpte_data.stage import Context, Event, Expanded, Rejected

CAPPED = "more examples of its dataset than --cap"
SURPLUS = "more examples of its dataset than its share of the mixture"
REPEATED = "examples repeated, for --total"


class Mixing:
    """Takes examples of the first part in a mixture; those of others are left as they are.

    Args:
        wanted: What is asked of it.
        gathered: Where the examples are.
        library: Where their documents are.
        kinds: Of examples, by number.
    """

    def __init__(
        self, wanted: Mixture, gathered: Gathered, library: Library, kinds: list[Kind]
    ) -> None:
        self.wanted, self.gathered, self.library, self.kinds = wanted, gathered, library, kinds
        self.names = sorted({kind.name for kind in kinds})
        self._name = np.array([self.names.index(kind.name) for kind in kinds], dtype=np.int64)

    def events(self, ctx: Context) -> Iterator[Event]:
        """Yield what is left out, and how many are repeated.

        Raises:
            BadOption: A dataset is named of which there is no example.
        """
        sizes = self.sizes()
        here = {name: size for name, size in sizes.items() if size}
        asked = [name for name, weight in self.wanted.weights.items() if weight > 0]
        if bare := [name for name in asked if name not in here]:
            raise BadOption(
                f"--mix names {bare[0]!r}, of which no example is left: "
                "see its rejected rows, or leave it out"
            )
        taken = counts(here, self.wanted)
        if taken != here:
            yield from self._taken(sizes, sizes | taken, ctx)

    def sizes(self) -> dict[str, int]:
        """Return how many examples of the first part each dataset has."""
        found = np.zeros(len(self.names), dtype=np.int64)
        examples = self.gathered.examples()
        for start in range(0, len(examples), LOOK):
            block = examples[start : start + LOOK]
            mine = self._name[block["dataset"][block["part"] == 0]]
            found += np.bincount(mine, minlength=len(self.names))
        return dict(zip(self.names, found.tolist(), strict=True))

    def _taken(self, sizes: dict[str, int], taken: dict[str, int], ctx: Context) -> Iterator[Event]:
        """Take so many examples of each dataset."""
        examples = self.gathered.examples()
        size = np.array([max(sizes[name], 1) for name in self.names])
        count = np.array([taken[name] for name in self.names])
        seen, more = np.zeros(len(self.names), dtype=np.int64), 0
        for places in shuffled(examples, 0):
            name = self._name[examples["dataset"][places]]
            rank = seen[name] + ranks(name)
            seen += np.bincount(name, minlength=len(self.names))
            times = count[name] // size[name] + (rank < count[name] % size[name])
            out = times == 0
            examples["part"][places[out]] = NOWHERE
            yield from self._rejected(places[out], rank[out])
            for turn in range(1, int(times.max(initial=0))):
                self.gathered.repeat(places[times > turn], turn)
            more += int(np.maximum(times - 1, 0).sum())
        if more:
            ctx.ledger.notes[REPEATED] += more
            yield Expanded(more)

    def _rejected(self, places: Any, rank: Any) -> Iterator[Event]:
        """Yield examples that are not taken, as rows of ids."""
        for start in range(0, len(places), LOOK):
            here = slice(start, start + LOOK)
            capped = rank[here] >= (self.wanted.cap or np.inf)
            rows = slim(self.gathered, self.library, self.kinds, places[here])
            for row, over in zip(rows, capped.tolist(), strict=True):
                yield Rejected(row, CAPPED if over else SURPLUS)


def slim(
    gathered: Gathered, library: Library, kinds: list[Kind], places: Any
) -> Iterator[dict[str, Any]]:
    """Yield of examples what tells them apart: query_id, positives and dataset."""
    found = gathered.at(places)
    queries = gathered.rows["query_id"].take(found.table["row"]).to_pylist()
    where, offsets = found.side(positives=True)
    ids = library.doc_ids(found.document[where])
    for n, (query_id, kind) in enumerate(zip(queries, found.table["dataset"], strict=True)):
        positives = ids[offsets[n] : offsets[n + 1]]
        yield {"query_id": query_id, "positives": positives, "dataset": kinds[kind].name}


def ranks(codes: Any) -> Any:
    """Return how many of the same code stand before each, (n,) in int64."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    found = np.empty(len(codes), dtype=np.int64)
    sizes = np.diff(np.append(first, len(codes)))
    found[order] = np.arange(len(codes)) - np.repeat(first, sizes)
    return found
