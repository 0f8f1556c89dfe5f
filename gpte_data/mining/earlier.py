"""What earlier minings kept for each query, as candidates of the next one.

A million queries with ten negatives each take some hundred megabytes: a hash for each query, a
position, a place and the number of a source for each negative. Shards are read once in a process,
and only the columns that count.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data import io
from gpte_data.corpus import Corpus
from gpte_data.earlier_vectors import hashes
from gpte_data.errors import BadInput, BadOption
from gpte_data.files import Signature, signature
from gpte_data.mining.earlier_shards import FIELDS, batches
from gpte_data.mining.options import EARLIER_SHARE
from gpte_data.records import RANDOM, WRITTEN
from gpte_data.spans import spans
from gpte_data.stage import Row

ENOUGH = 2
"""Earlier negatives that are candidates, for each negative wanted: rules may drop some."""
MOST = 65_535
GONE = "earlier candidates no longer in the corpus, left out"
UNKNOWN = "queries that no earlier mining has"
NO_SOURCE = "earlier"


@dataclass(frozen=True, slots=True)
class Kept:
    """Earlier negatives of a query, each once, by position."""

    positions: Any
    """In the corpus, (n,)."""
    places: Any
    """1 is the negative that was taken first, (n,)."""
    sources: Any
    """Who found it, a number in `EarlierMined.labels`, (n,)."""


NOTHING = Kept(*np.zeros((3, 0), dtype=np.int64))


class EarlierMined:
    """The first negatives of all queries of some mined datasets.

    Args:
        folders: Output of mine-negatives, select-negatives or filter-negatives.
        corpus: What is mined now.
        most: Negatives of a query that are kept in each dataset, in the order of choice.

    Raises:
        BadInput: A dataset holds no candidates.
    """

    def __init__(self, folders: Sequence[Path], corpus: Corpus, most: int) -> None:
        self.labels: list[str] = []
        self._corpus, self._most = corpus, min(most, MOST)
        parts = [self._read(*b) for f in folders for path in io.shards(f) for b in batches(path)]
        if not parts:
            raise BadInput(f"--earlier {folders[0]} is empty: expected at least one row")
        names, counts, lost, positions, places, sources = map(
            np.concatenate, zip(*parts, strict=True)
        )
        order = np.argsort(names, kind="stable")
        starts = (np.cumsum(counts, dtype=np.int64) - counts)[order]
        self.hashes, self.lost, counts = names[order], lost[order], counts[order]
        self.ends = np.cumsum(counts, dtype=np.int64)
        moved = spans(starts, counts)
        self.positions, self.places, self.sources = positions[moved], places[moved], sources[moved]

    def of(self, rows: Sequence[Row], notes: Counter[str]) -> list[Kept]:
        """Return what was kept for each row; count what is gone, and rows that are new."""
        wanted = hashes([row["query_id"] for row in rows])
        lows, highs = (np.searchsorted(self.hashes, wanted, side) for side in ("left", "right"))
        if new := int((lows == highs).sum()):
            notes[UNKNOWN] += new
        gone = sum(int(self.lost[a:b].sum()) for a, b in zip(lows, highs, strict=True))
        if gone:
            notes[GONE] += gone
        return [self._kept(int(a), int(b)) for a, b in zip(lows, highs, strict=True)]

    def _kept(self, low: int, high: int) -> Kept:
        """Return what some places in the order of hashes have; of two, the one taken earlier."""
        if low == high:
            return NOTHING
        part = slice(self.ends[low - 1] if low else 0, self.ends[high - 1])
        positions, places, sources = self.positions[part], self.places[part], self.sources[part]
        by_place = np.argsort(places, kind="stable")
        positions, first = np.unique(positions[by_place], return_index=True)
        return Kept(positions, places[by_place][first], sources[by_place][first])

    def _read(self, query_ids: Any, column: Any) -> tuple[Any, ...]:
        """Return what is kept of some rows.

        Returns:
            Of the rows hashes, how many negatives are in the corpus and how many are gone; of the
            former positions, places and sources.
        """
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        hits = column.flatten()
        doc_ids, choice, verdict, source = (pc.struct_field(hits, name) for name in FIELDS)
        kept = _numbers(pc.not_equal(verdict, "drop"), True)
        found = ~_numbers(pc.is_in(source, pa.array([WRITTEN, RANDOM])), False)
        choice, owner = _numbers(choice, 0), np.repeat(np.arange(len(lengths)), lengths)
        taken = np.flatnonzero(kept & found)
        taken = taken[np.lexsort((choice[taken], owner[taken]))]
        owner = owner[taken]
        places = np.arange(1, len(taken) + 1) - np.searchsorted(owner, owner)
        good = places <= self._most
        taken, owner, places = taken[good], owner[good], places[good]
        positions = self._corpus.position.of(doc_ids.take(pa.array(taken)))
        there, n = positions >= 0, len(lengths)
        return (
            hashes(query_ids.to_pylist()),
            np.bincount(owner[there], minlength=n).astype(np.uint16),
            np.bincount(owner[~there], minlength=n).astype(np.uint16),
            positions[there],
            places[there].astype(np.uint16),
            self._numbered(source.take(pa.array(taken[there]))),
        )

    def _numbered(self, sources: Any) -> Any:
        """Return the number of each source's label; new ones get the next."""
        coded = pc.fill_null(sources, NO_SOURCE).dictionary_encode()
        words = coded.dictionary.to_pylist()
        self.labels += [word for word in words if word not in self.labels]
        numbers = np.array([self.labels.index(word) for word in words], dtype=np.uint16)
        return numbers[coded.indices.to_numpy()]


def _numbers(column: Any, empty: Any) -> Any:
    return pc.fill_null(column, empty).to_numpy(zero_copy_only=False)


def open_earlier(
    folders: tuple[Path, ...], corpus: Corpus, negatives: int, share: float
) -> EarlierMined | None:
    """Return what earlier minings kept, read once in a process; None where none is given.

    Args:
        folders: Output of stages that mine or judge.
        corpus: What is mined now.
        negatives: Wanted for a query.
        share: Of them, from earlier candidates.

    Raises:
        BadInput: A folder holds something else.
        BadOption: A share is asked for, and nothing was given to take it from.
    """
    if not folders and share != EARLIER_SHARE:
        raise BadOption(
            "--earlier-share changes nothing here: give --earlier, what was mined before"
        )
    if not folders:
        return None
    files = tuple(path for folder in folders for path in io.shards(folder))
    return _open(folders, signature(files), corpus, ENOUGH * negatives)


@lru_cache(maxsize=2)
def _open(folders: tuple[Path, ...], files: Signature, corpus: Corpus, most: int) -> EarlierMined:
    return EarlierMined(folders, corpus, most)
