"""What examples come from: recipes, generators, teachers; counted for the data card."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.picking import Candidates, Picked
from gpte_data.records import RANDOM, WRITTEN

OTHERWISE = {"recipe": "own queries", "generator": "no model", "language": "not said"}
"""Field of a row -> what stands for its absence."""


class Origins:
    """Counts of examples by where they come from."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in OTHERWISE}
        self.counts["teacher"] = Counter()

    def count(
        self, table: Any, rows: Any, kept: Any, candidates: Candidates, picked: Picked
    ) -> None:
        """Count the kept examples of a table.

        Args:
            table: Its rows.
            rows: The row of each example, (n,).
            kept: Which examples are kept, (n,).
            candidates: Of the table.
            picked: The negatives of the examples.
        """
        for name, otherwise in OTHERWISE.items():
            if name not in table.column_names:
                self.counts[name][otherwise] += int(kept.sum())
                continue
            values = table[name].fill_null(otherwise).take(pa.array(rows[kept]))
            for one in pc.value_counts(values).to_pylist():
                self.counts[name][one["values"]] += one["counts"]
        example = np.repeat(np.arange(len(kept)), picked.counts)
        mine = kept[example]
        self._teachers(example[mine], candidates.source.take(pa.array(picked.place[mine])))

    def _teachers(self, example: Any, source: Any) -> None:
        """Count of examples each teacher that found one of their negatives."""
        coded = source.fill_null(WRITTEN).dictionary_encode()
        words = coded.dictionary.to_pylist()
        pairs = np.unique(example * max(len(words), 1) + coded.indices.to_numpy())
        found = Counter((pairs % max(len(words), 1)).tolist())
        teachers = {words[code]: count for code, count in found.items()}
        self.counts["teacher"].update(
            {name: count for name, count in teachers.items() if name not in (WRITTEN, RANDOM)}
        )

    def facts(self) -> Mapping[str, Mapping[str, int]]:
        """Return the counts, the most frequent first."""
        return {name: dict(counts.most_common()) for name, counts in self.counts.items()}
