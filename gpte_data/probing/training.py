"""Two low-rank residual maps, trained on rows of (query, positive, negatives) by their vectors.

InfoNCE (van den Oord et al., 1807.03748, eq. 4): the positive against the row's own negatives and
all other documents of the batch, less those that are positives of the same query. Training stops
when the rank of held-out positives no longer improves; the best maps are kept, and those are the
maps that change nothing if none was better. So data that teach nothing mostly change nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.backends.adapter import Maps
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.errors import BadOption, MissingExtra
from gpte_data.probing.splitting import held_out

ROUNDS, PATIENCE = 60, 6
STEPS = 12, 64
"""Batches of a round, after which the held-out rows are looked at: all rows, within these."""
DECAY = 0.01
POOL = 10_000
"""Documents, at most, among which held-out positives are ranked."""


@dataclass(frozen=True)
class Settings:
    """How maps are trained."""

    rank: int = 32
    temperature: float = 0.1
    learning_rate: float = 3e-4
    batch: int = 64


@dataclass(frozen=True)
class Rows:
    """Training rows as numbers.

    Attributes:
        query: Of each row, its query's place in `vectors`, (n,).
        positive: Of each row, its positive's number, (n,).
        negatives: Of each row, its negatives' numbers.
        vectors: Of the queries, (queries, dimension), in float32.
        documents: Vectors by number.
        group: Rows of one group must not be parted, (n,).
    """

    query: Any
    positive: Any
    negatives: Sequence[Any]
    vectors: Any
    documents: Vectors
    group: Any

    def positives(self) -> dict[int, set[int]]:
        """Return all positives of each query."""
        found: dict[int, set[int]] = {}
        for query, positive in zip(self.query.tolist(), self.positive.tolist(), strict=True):
            found.setdefault(query, set()).add(positive)
        return found


@dataclass(frozen=True)
class Trained:
    """Maps, and how held-out rows fared: the mean of 1 / log2(rank + 1) of their positives."""

    maps: Maps
    seed: int
    rounds: int
    """After how many the best was seen; 0 if none was better than no map."""
    trained: int
    held_out: int
    before: float
    after: float


def train(rows: Rows, settings: Settings, seed: int) -> Trained:
    """Train with one seed, which decides the rows held out, the start and the order.

    Raises:
        BadInput: There are too few rows to hold some out.
        BadOption: The maps came to numbers that are not finite.
    """
    with _one_thread():
        return _train(rows, settings, seed)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one core: the products are small, and their bits the same on any number."""
    try:
        import torch
    except ImportError:
        raise MissingExtra.of("torch", "local") from None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(rows: Rows, settings: Settings, seed: int) -> Trained:
    out = held_out(rows.group, seed)
    mine, others = np.flatnonzero(~out), np.flatnonzero(out)
    looked = _Look(rows, others, seed)
    model = _Model(rows, settings, seed)
    random = np.random.default_rng([seed, 1])
    best, best_maps, best_round, order = looked.at(None), model.maps(), 0, _endless(mine, random)
    before = best
    fewest, most = STEPS
    batches = max(fewest, min(most, -(-len(mine) // settings.batch)))
    for number in range(1, ROUNDS + 1):
        for _ in range(batches):
            size = min(settings.batch, len(mine))
            model.step(np.array([next(order) for _ in range(size)]))
        now = looked.at(model.maps())
        if now > best:
            best, best_maps, best_round = now, model.maps(), number
        elif number - best_round >= PATIENCE:
            break
    return Trained(best_maps, seed, best_round, len(mine), len(others), before, best)


def _endless(rows: Any, random: Any) -> Any:
    """Yield rows, each once in every pass."""
    while True:
        yield from random.permutation(rows).tolist()


class _Model:
    """The matrices, and their optimiser (AdamW)."""

    def __init__(self, rows: Rows, settings: Settings, seed: int) -> None:
        import torch

        self.rows, self.settings, self.known = rows, settings, rows.positives()
        dice = torch.Generator().manual_seed(seed)
        dimension = rows.documents.dimension
        rank = min(settings.rank, dimension)
        shape = (rank, dimension)
        down = [torch.randn(shape, generator=dice) / dimension**0.5 for _ in range(2)]
        up = [torch.zeros(dimension, rank) for _ in range(2)]
        self.matrices = [down[0], up[0], down[1], up[1]]
        for one in self.matrices:
            one.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            self.matrices, lr=settings.learning_rate, weight_decay=DECAY
        )

    def maps(self) -> Maps:
        """Return the matrices as they are now."""
        return Maps(*(one.detach().numpy().copy() for one in self.matrices))

    def step(self, batch: Any) -> None:
        """Learn from some rows."""
        import torch

        rows, (qd, qu, dd, du) = self.rows, self.matrices
        wanted = [rows.positive[batch], *(rows.negatives[n] for n in batch)]
        columns = np.unique(np.concatenate(wanted))
        queries = _moved(torch.from_numpy(rows.vectors[rows.query[batch]]), qd, qu)
        documents = _moved(torch.from_numpy(rows.documents.take(columns)), dd, du)
        scores = queries @ documents.T / self.settings.temperature
        target = np.searchsorted(columns, rows.positive[batch])
        scores = scores.masked_fill(torch.from_numpy(self._barred(batch, columns)), -torch.inf)
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(target))
        if not torch.isfinite(loss):
            raise BadOption(
                "training came to numbers that are not finite: give a lower --learning-rate or a "
                "higher --temperature"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _barred(self, batch: Any, columns: Any) -> Any:
        """Return which documents (batch, columns) are other positives of the same query."""
        barred = np.zeros((len(batch), len(columns)), dtype=bool)
        for n, row in enumerate(batch):
            others = self.known[int(self.rows.query[row])] - {int(self.rows.positive[row])}
            if others:
                barred[n] = np.isin(columns, list(others))
        return barred


def _moved(vectors: Any, down: Any, up: Any) -> Any:
    import torch

    return torch.nn.functional.normalize(vectors + (vectors @ down.T) @ up.T, dim=1)


class _Look:
    """Held-out rows: their positives are ranked among the documents of all rows."""

    def __init__(self, rows: Rows, held: Any, seed: int) -> None:
        every = np.unique(np.concatenate([rows.positive, *rows.negatives]))
        own = np.unique(rows.positive[held])
        if len(every) > POOL:
            drawn = np.random.default_rng([seed, 2]).choice(every, POOL, replace=False)
            every = np.union1d(drawn, own)
        self.queries = rows.vectors[rows.query[held]]
        self.documents = rows.documents.take(every)
        self.target = np.searchsorted(every, rows.positive[held])
        known = rows.positives()
        self.barred = [_places(known[int(rows.query[row])], every) for row in held]

    def at(self, maps: Maps | None) -> float:
        """Return the mean of 1 / log2(rank + 1)."""
        queries, documents = self.queries, self.documents
        if maps is not None:
            queries, documents = maps.queries(queries), maps.documents(documents)
        scores = queries @ documents.T
        own = scores[np.arange(len(scores)), self.target]
        for n, places in enumerate(self.barred):
            scores[n, places] = -np.inf
        ranks = 1 + (scores >= own[:, None]).sum(axis=1)
        return float(np.mean(1 / np.log2(1 + ranks)))


def _places(numbers: set[int], every: Any) -> Any:
    """Return where numbers stand in a sorted array (n,), those that do."""
    wanted = np.array(sorted(numbers))
    places = np.minimum(np.searchsorted(every, wanted), len(every) - 1)
    return places[every[places] == wanted]
