"""Examples in their order as files: the shards of each part, and what a format puts beside them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from gpte_data.emission.cutting import cuts
from gpte_data.emission.gathered import Gathered
from gpte_data.emission.joining import joined
from gpte_data.emission.library import Library, Shelf
from gpte_data.emission.told import told
from gpte_data.formats import Emitted, OpenFormat
from gpte_data.formats.block import Block
from gpte_data.table_files import Compression, TableFile, ending

BLOCK = 2048
"""Examples that are joined with their texts together: one row group of Parquet."""
MOST = 1 << 28
"""Bytes of text in a block, unless one example alone has more."""
SIDES = ("positives", "negatives")


@dataclass(frozen=True)
class Part:
    """Examples that go to one folder.

    Attributes:
        split: Its split, or "" where there are none.
        folder: Of its dataset, where each has its own, or "".
        dataset: Its name, or "" where the folder holds several.
    """

    split: str = ""
    folder: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Look:
    """How files are to look."""

    format: OpenFormat
    shard_rows: int
    shard_bytes: int | None
    compression: Compression
    template: str
    place: str = "query"
    """Where an instruction goes: `query`, `field` or `none`."""


@dataclass
class Writing:
    """Makes the files of examples that have been gathered."""

    look: Look
    gathered: Gathered
    library: Library
    shelf: Shelf
    datasets: list[str]
    """Names by the number that an example has."""
    parts: list[Part]
    orders: list[Any]
    """Of each part, the places of its examples in the order in which they are written."""
    sources: list[str]
    """Datasets that have corpora by their names."""
    output: Path
    emitted: list[Emitted] = field(default_factory=list)
    beside: list[TableFile] = field(default_factory=list)

    def files(self) -> Iterator[TableFile]:
        """Yield all files, those that stand beside last."""
        for part, order in zip(self.parts, self.orders, strict=True):
            shards = list(self._shards(part, order))
            yield from shards
            self.emitted.append(self._emitted(part, order, shards))
        for file in self.look.format.beside(self.emitted):
            self.beside.append(file)
            yield file

    def told(self) -> dict[str, Any]:
        """Return what is told of it all once it is written."""
        return told(
            self.gathered, self.library, self.shelf, self.emitted, self.datasets, self.beside
        )

    def _shards(self, part: Part, order: Any) -> Iterator[TableFile]:
        """Yield the shards of a part."""
        of, look = self.look.format.of, self.look
        if of.kind is None:
            return
        starts = [0, len(order)]
        if not of.single:
            starts = cuts(order, look.shard_rows, look.shard_bytes, self.gathered, self.shelf)
        for number, (start, stop) in enumerate(pairwise(starts)):
            yield TableFile(
                self._name(part, number), partial(self._tables, order, start, stop), stop - start,
                of.kind, look.compression,
            )  # fmt: skip

    def _name(self, part: Part, number: int) -> str:
        """Return the path of a shard inside the output."""
        of = self.look.format.of
        split = "" if "{split}" in of.stem else part.split
        stem = of.stem.format(number=number, split=part.split or "train")
        suffix = of.suffix or ending(of.kind or "jsonl", self.look.compression)
        return "/".join(one for one in (split, part.folder, of.folder, stem + suffix) if one)

    def _tables(self, order: Any, start: int, stop: int) -> Iterator[Any]:
        """Yield the tables of a shard."""
        for block in self._blocks(order, start, stop, texts=self.look.format.of.texts):
            yield pa.table(dict(self.look.format.columns(block)))
            self.shelf.rest()

    def _blocks(self, order: Any, start: int, stop: int, *, texts: bool) -> Iterator[Block]:
        """Yield examples as columns."""
        for first, last in pairwise(self._blocks_of(order, start, stop)):
            places = order[first:last]
            block = joined(self.gathered, self.shelf, places, first, self.datasets, texts=texts)
            if self.look.place == "query":
                block = block.instructed(self.look.template)
            yield block if self.look.place == "field" else block.silent()

    def _blocks_of(self, order: Any, start: int, stop: int) -> list[int]:
        """Return where blocks start, and the last one's end: fewer rows where texts are long."""
        size = None if self._widest * BLOCK <= MOST else MOST
        found = cuts(order[start:stop], BLOCK, size, self.gathered, self.shelf)
        return [start + place for place in found]

    @cached_property
    def _widest(self) -> int:
        """No example has more bytes of text than this; few have nearly as many."""
        counts = (self.gathered.examples()[name].max(initial=0) for name in SIDES)
        longest = (self.shelf.sizes(), self.gathered.rows["query"].sizes())
        documents, query = (int(sizes.max(initial=0)) for sizes in longest)
        return sum(map(int, counts)) * documents + query

    def _emitted(self, part: Part, order: Any, shards: list[TableFile]) -> Emitted:
        """Return what a format may know of a part."""
        split = "" if "{split}" in self.look.format.of.stem else part.split
        folder = "/".join(one for one in (split, part.folder) if one)
        whole = part.dataset if part.dataset in self.sources else None
        return Emitted(
            folder, part.split or "train", part.dataset, shards,
            partial(self._blocks, order, 0, len(order), texts=False),
            partial(self.library.tables, whole),
            partial(self._used, order), self.output,
        )  # fmt: skip

    def _used(self, order: Any) -> Iterator[Any]:
        """Yield the documents that stand in a part's examples."""
        return self.shelf.tables(self.gathered.used(len(self.library), order))
