"""In which order the examples of each part are written, and which are left out for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gpte_data.emission.apart import Apart
from gpte_data.emission.batches import Batched, Grouped, batched, by_kind, one_group
from gpte_data.emission.clusters import Vectors, by_cluster
from gpte_data.emission.curriculum import by_step
from gpte_data.emission.gathered import LOOK, NOWHERE, Gathered
from gpte_data.emission.kinds import Kind
from gpte_data.emission.library import Library
from gpte_data.emission.mixing import slim
from gpte_data.emission.ordering import shuffled
from gpte_data.emission.spill import Numbers
from gpte_data.stage import Context, Event, Rejected

BatchOrder = Literal["shuffled", "homogeneous", "cluster", "curriculum"]
LAST = "fills no batch of its own"
SHARING = "examples that share a query or a positive with one of their batch"


@dataclass(frozen=True)
class Batches:
    """What is asked of batches.

    Attributes:
        order: What a batch is made of.
        size: Of a batch, or None where nothing hangs on it.
        drop: Whether examples that fill no batch of their own are left out.
        clusters: Of each dataset, for `cluster`.
        steps: Of a curriculum.
        seed: Of the order.
    """

    order: BatchOrder
    size: int | None
    drop: bool
    clusters: int | None
    steps: int
    seed: int


@dataclass
class Arranging:
    """Puts the examples of parts in order; `orders` has what was made.

    Attributes:
        wanted: What is asked of batches.
        gathered: Where the examples are.
        library: Where their documents are.
        vectors: Of documents, where clusters are wanted.
        kinds: Of examples, by number.
        orders: Of each part, places of its examples, (k,).
    """

    wanted: Batches
    gathered: Gathered
    library: Library
    vectors: Vectors | None
    kinds: list[Kind]
    orders: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = Numbers(self.gathered.room, "<i8")

    def part(self, number: int, ctx: Context, *, training: bool) -> Iterator[Event]:
        """Put a part in order; yield what is left out.

        Args:
            number: Of the part.
            ctx: Whose notes are added to.
            training: Whether it is trained on; only then batches matter.
        """
        order = self.numbers.put(shuffled(self.gathered.examples(), number))
        size = self.wanted.size
        if size is None or not training or not len(order):
            self.orders.append(order)
            return
        found = batched(order, self._grouped(order, size), size, self.wanted.seed, self.numbers)
        if sharing := Apart(found, size, self.gathered).run():
            ctx.ledger.notes[SHARING] += sharing
        yield from self._ended(found, ctx)

    def _ended(self, found: Batched, ctx: Context) -> Iterator[Event]:
        """Leave out what fills no batch, or say how much that is."""
        rest = found.order[found.full :]
        if self.wanted.drop:
            for start in range(0, len(rest), LOOK):
                here = rest[start : start + LOOK]
                for row in slim(self.gathered, self.library, self.kinds, here):
                    yield Rejected(row, LAST)
            self.gathered.examples()["part"][rest] = NOWHERE
            self.orders.append(found.order[: found.full])
            return
        if len(rest):
            ctx.ledger.notes[f"examples put last, since each {LAST}"] += len(rest)
        self.orders.append(found.order)

    def _grouped(self, order: Any, size: int) -> Grouped:
        """Return which examples may share a batch."""
        wanted = self.wanted
        if wanted.order == "homogeneous":
            return by_kind(self.gathered.examples()["dataset"][order], len(self.kinds))
        if wanted.order == "curriculum":
            return by_step(order, self.gathered, size, wanted.steps)
        if self.vectors is not None:
            return by_cluster(
                order, self.gathered, self.vectors, size, wanted.clusters, wanted.seed
            )
        return one_group(len(order))
