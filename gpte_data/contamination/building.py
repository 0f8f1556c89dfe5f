"""The index made from the evaluation texts, in one pass, in blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.contamination.coverage import LOW
from gpte_data.contamination.grams import Grams
from gpte_data.contamination.index import EvalText, Group, Index
from gpte_data.contamination.lengths import LEAST, Measure
from gpte_data.contamination.table import Table
from gpte_data.contamination.words import Hashed, hashed, letters_of_a_word
from gpte_data.spans import spans

BLOCK = 4096
"""Evaluation texts that are taken in together."""
COLUMNS = (
    "ids", "group", "sizes", "run", "share", "sentences", "spare", "small", "words", "whole",
    "body", "order",
)  # fmt: skip


def build(groups: Sequence[Group], texts: Iterable[EvalText], measure: Measure) -> Index:
    """Return the index of evaluation texts; of those that say the same in a group the first."""
    parts = _Parts(len(groups), measure)
    source = iter(texts)
    while block := list(islice(source, BLOCK)):
        parts.add(block)
    return parts.index(groups)


class _Parts:
    """What was taken in so far."""

    def __init__(self, groups: int, measure: Measure) -> None:
        self.measure = measure
        self.words = self.read = 0
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.runs: dict[int, list[tuple[Any, Any]]] = {}
        self.seen: Any = np.zeros(0, dtype=np.uint64)
        self.texts, self.twice, self.empty = np.zeros((3, groups), dtype=np.int64)

    def add(self, block: list[EvalText]) -> None:
        """Take in some texts."""
        said = hashed([(text.title, text.text) for text in block])
        group = np.array([text.group for text in block])
        fresh = self._fresh(said.whole, group)
        letters = np.array([letters_of_a_word(text.text) for text in block])[fresh]
        said = _bodies(said, fresh, letters)
        sizes = np.diff(said.starts)
        run = self.measure.runs(sizes, letters)
        ids = pa.array([text.eval_id for text in block], pa.large_string())
        spare = self.measure.spare(sizes, letters)
        words = (said.numbers & np.uint64(LOW)).astype(np.uint32)[np.repeat(spare > 0, sizes)]
        found = (
            ids.filter(pa.array(fresh)), group[fresh].astype(np.int32), sizes, run,
            self.measure.shares(sizes, letters),
            self.measure.sentences(sizes, letters), spare, self._runs(said, run), words,
            said.whole, said.body, self.read + np.flatnonzero(fresh),
        )  # fmt: skip
        for name, column in zip(COLUMNS, found, strict=True):
            self.columns[name].append(column)
        self.words += len(said.numbers)
        self.read += len(block)

    def _fresh(self, whole: Any, group: Any) -> Any:
        """Return which texts say something that none before them in their group does, (n,)."""
        keys = whole ^ (group.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        fresh = np.zeros(len(whole), dtype=bool)
        fresh[np.unique(keys, return_index=True)[1]] = True
        fresh &= ~np.isin(keys, self.seen) & (whole != 0)
        self.seen = np.union1d(self.seen, keys[fresh])
        for counts, which in (
            (self.texts, fresh),
            (self.twice, ~fresh & (whole != 0)),
            (self.empty, whole == 0),
        ):
            counts += np.bincount(group[which], minlength=len(counts))
        return fresh

    def _runs(self, said: Hashed, run: Any) -> Any:
        """Keep the runs of texts; return half of each hash at the word where it begins."""
        grams, small = Grams(said.numbers, said.starts), np.zeros(len(said.numbers), np.uint32)
        asked = np.repeat(run, np.diff(said.starts))
        for n in np.unique(run[run > 0]).tolist():
            hashes, places = grams.of(n)
            mine = asked[places] == n
            hashes, places = hashes[mine], places[mine]
            small[places] = hashes & np.uint64(LOW)
            self.runs.setdefault(n, []).append((hashes, places + self.words))
        return small

    def index(self, groups: Sequence[Group]) -> Index:
        """Return the index of all that was taken in."""
        joined = {
            name: np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for name, parts in self.columns.items()
            if name != "ids"
        }
        sizes, whole, body = joined["sizes"], joined.pop("whole"), joined.pop("body")
        lined = np.where(joined["spare"] > 0, sizes, 0)
        other = np.flatnonzero((body != whole) & (body != 0))
        keys = np.concatenate([whole, body[other]])
        order = np.argsort(keys, kind="stable")
        texts = np.concatenate([np.arange(len(whole)), other])
        return Index(
            measure=self.measure,
            groups=list(groups),
            ids=pa.chunked_array(self.columns["ids"], pa.large_string()).combine_chunks(),
            starts=np.cumsum(sizes) - sizes,
            word_starts=np.cumsum(lined) - lined,
            tables={n: _table(self.runs.pop(n), self.words) for n in sorted(self.runs)},
            whole=(keys[order], texts[order]),
            counts=self._counts(groups),
            **joined,
        )

    def _counts(self, groups: Sequence[Group]) -> dict[str, int]:
        """Return what was read, in words."""
        counts = {}
        for number, group in enumerate(groups):
            if not self.texts[number] + self.empty[number]:
                continue
            counts[f"evaluation texts of {group}"] = int(self.texts[number])
            for what, left in (("said twice", self.twice), ("without words", self.empty)):
                if left[number]:
                    counts[f"evaluation texts of {group} left out, {what}"] = int(left[number])
        return counts


def _table(parts: list[tuple[Any, Any]], words: int) -> Table:
    """Return the table of runs of one length; places in as few bytes as do."""
    type_ = np.uint32 if words < 1 << 32 else np.int64
    hashes, places = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Table(hashes, places.astype(type_))


def _bodies(said: Hashed, fresh: Any, letters: Any) -> Hashed:
    """Return some of the texts, without their titles where enough is left to be found by."""
    sizes, titles = np.diff(said.starts)[fresh], said.titles[fresh]
    without = np.where(sizes - titles >= LEAST * letters, titles, 0)
    place = spans(0, np.diff(said.starts))
    least = np.full(len(fresh), said.starts[-1])
    least[fresh] = without
    kept = place >= np.repeat(least, np.diff(said.starts))
    return replace(
        said,
        numbers=said.numbers[kept],
        starts=np.cumsum(np.append(0, sizes - without)),
        whole=said.whole[fresh],
        body=said.body[fresh],
        titles=titles - without,
        unspaced=said.unspaced[fresh],
    )
