"""What examples come from: recipes, generators, teachers; counted for the data card."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.picking import Candidates, Picked
from gpte_data.records import RANDOM, WRITTEN

OWN, NO_MODEL, NOT_SAID = "own queries", "no model", "not said"
OTHERWISE = {
    "recipe": OWN, "generator": NO_MODEL, "language": NOT_SAID, "license": NOT_SAID,
    "prompt_version": "", "reranker": "", "judged_by": "",
}  # fmt: skip
"""Field of a row -> what stands for its absence; "" is not counted."""


class Origins:
    """Counts of examples by where they come from."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in OTHERWISE}
        self.counts |= {"teacher": Counter(), "removed": Counter(), "negatives_from": Counter()}
        self.estimated, self.expected = 0, 0.0

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
            values = table[name].cast(pa.string()).fill_null(otherwise).take(pa.array(rows[kept]))
            for one in pc.value_counts(values).to_pylist():
                self.counts[name][one["values"]] += one["counts"]
        example = np.repeat(np.arange(len(kept)), picked.counts)
        mine = kept[example]
        place = picked.place[mine]
        estimates = candidates.false_negative[place]
        self.estimated += int(np.isfinite(estimates).sum())
        self.expected += float(np.nansum(estimates, dtype=np.float64))
        self._teachers(example[mine], candidates.source.take(pa.array(place)))

    def _teachers(self, example: Any, source: Any) -> None:
        """Count of examples each teacher that found one of their negatives."""
        coded = source.fill_null(WRITTEN).dictionary_encode()
        words = coded.dictionary.to_pylist()
        for one in pc.value_counts(coded.cast(pa.string())).to_pylist():
            self.counts["negatives_from"][one["values"]] += one["counts"]
        pairs = np.unique(example * max(len(words), 1) + coded.indices.to_numpy())
        found = Counter((pairs % max(len(words), 1)).tolist())
        teachers = {words[code]: count for code, count in found.items()}
        self.counts["teacher"].update(
            {name: count for name, count in teachers.items() if name not in (WRITTEN, RANDOM)}
        )

    def facts(self) -> Mapping[str, Any]:
        """Return the counts, the most frequent first, and what false negatives are estimated."""
        counts = {
            name: {value: count for value, count in _ordered(counts) if value and count}
            for name, counts in self.counts.items()
        }
        expected = round(self.expected, 6)
        return {**counts, "false_negatives": {"estimated": self.estimated, "expected": expected}}


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the most frequent first; of equals the first by name."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))
