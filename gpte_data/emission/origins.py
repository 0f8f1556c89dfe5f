"""What examples come from: recipes, generators, teachers; for the data card.

It is put aside while rows are read, and counted when it is known which examples are written, and
how often: a mixture leaves some out and repeats others.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.gathered import LOOK, NOWHERE, Gathered
from gpte_data.emission.sources import dataset_of
from gpte_data.emission.spill import Numbers, Room, ragged
from gpte_data.records import RANDOM, WRITTEN

OWN, NO_MODEL, NOT_SAID = "own queries", "no model", "not said"
OTHERWISE = {
    "recipe": OWN, "generator": NO_MODEL, "language": NOT_SAID, "license": NOT_SAID,
    "prompt_version": "", "reranker": "", "judged_by": "",
}  # fmt: skip
"""Field of a row -> what stands for its absence; "" is not counted."""
SOURCE = "source"
"""What stands for the dataset that a row was read from, among its fields."""
NOBODY = 0xFFFF
"""Stands for who found a positive."""


class Origins:
    """Counts of examples by where they come from.

    Args:
        room: Where it lies until it is counted.
    """

    def __init__(self, room: Room) -> None:
        self.removed: Counter[str] = Counter()
        self._rows, self._found = Numbers(room, np.uint32), Numbers(room, np.uint16)
        self._estimates = Numbers(room, np.float32)
        self._kinds: dict[tuple[str, ...], int] = {}
        self._finders: dict[str, int] = {}

    def add_rows(self, table: Any) -> None:
        """Take the rows that `Gathered.add_rows` takes."""
        columns = [_values(table, name, other) for name, other in OTHERWISE.items()]
        codes = np.zeros(table.num_rows, dtype=np.int64)
        for column in columns:
            coded = column.dictionary_encode()
            codes = codes * max(len(coded.dictionary), 1) + coded.indices.to_numpy()
            codes = np.unique(codes, return_inverse=True)[1]
        first, inverse = np.unique(codes, return_index=True, return_inverse=True)[1:]
        places = pa.array(first)
        said = zip(*(column.take(places).to_pylist() for column in columns), strict=True)
        source = dataset_of(table)
        numbers = [self._kinds.setdefault((source, *one), len(self._kinds)) for one in said]
        self._rows.append(np.array(numbers, dtype=np.uint32)[inverse])

    def finders(self, source: Any) -> Any:
        """Return the number of who found each document, (n,) in uint16, from their SPECs."""
        coded = source.fill_null(WRITTEN).dictionary_encode()
        words = coded.dictionary.to_pylist()
        numbers = [self._finders.setdefault(word, len(self._finders)) for word in words]
        return np.array(numbers, dtype=np.uint16)[coded.indices.to_numpy()]

    def add(self, found: Any, estimates: Any) -> None:
        """Take the documents that `Gathered.add` takes.

        Args:
            found: Who found each, or NOBODY, (n,).
            estimates: The probability that each answers its query, NaN where there is none, (n,).
        """
        self._found.append(found)
        self._estimates.append(estimates)

    def facts(self, gathered: Gathered) -> Mapping[str, Any]:
        """Count the examples that go somewhere.

        Returns:
            Counts, the most frequent first, and what false negatives are estimated.
        """
        kinds = np.zeros(len(self._kinds), dtype=np.int64)
        negatives, examples = (np.zeros(len(self._finders), dtype=np.int64) for _ in range(2))
        estimated, expected = 0, 0.0
        rows, found, estimates = (
            one.read() for one in (self._rows, self._found, self._estimates)
        )  # fmt: skip
        for start in range(0, len(gathered), LOOK):
            block = gathered.examples()[start : start + LOOK]
            block = block[block["part"] != NOWHERE]
            kinds += np.bincount(rows[block["row"]], minlength=len(kinds))
            counts = block["negatives"].astype(np.int64)
            where = ragged(block["start"] + block["positives"], counts)
            who, sure = found[where], estimates[where]
            negatives += np.bincount(who, minlength=len(negatives))
            pairs = np.unique(np.repeat(np.arange(len(block)), counts) * (NOBODY + 1) + who)
            examples += np.bincount(pairs % (NOBODY + 1), minlength=len(examples))
            estimated += int(np.isfinite(sure).sum())
            expected += float(np.nansum(sure, dtype=np.float64))
        said = self._by_field(kinds)
        said["removed"] = self.removed
        said["negatives_from"] = Counter(dict(zip(self._finders, negatives.tolist(), strict=True)))
        teachers = dict(zip(self._finders, examples.tolist(), strict=True))
        said["teacher"] = Counter({n: k for n, k in teachers.items() if n not in (WRITTEN, RANDOM)})
        return {
            "by_source": dict(said.pop(SOURCE)),
            **{name: _ordered(counts) for name, counts in said.items()},
            "false_negatives": {"estimated": estimated, "expected": round(expected, 6)},
        }

    def _by_field(self, kinds: Any) -> dict[str, Counter[str]]:
        """Return the counts of each field from those of kinds of rows, (kinds,)."""
        names = (SOURCE, *OTHERWISE)
        found: dict[str, Counter[str]] = {name: Counter() for name in names}
        for values, count in zip(self._kinds, kinds.tolist(), strict=True):
            for name, value in zip(names, values, strict=True):
                found[name][value] += count
        return found


def _values(table: Any, name: str, otherwise: str) -> Any:
    """Return a column as texts, with something else where there is none."""
    if name not in table.column_names:
        return pa.repeat(pa.scalar(otherwise, pa.string()), table.num_rows)
    column = pa.chunked_array(table[name]).cast(pa.string()).fill_null(otherwise).combine_chunks()
    return pc.cast(column, pa.string())


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the most frequent first; of equals the first by name; no empty names, no zeros."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return {value: count for value, count in ordered if value and count}
