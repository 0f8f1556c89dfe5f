"""Emission from end to end: tables of rows in, files out; what is left out on the way."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from gpte_data.emission.again import Again
from gpte_data.emission.gathered import Gathered
from gpte_data.emission.gathering import Gathering, Wanted
from gpte_data.emission.library import Library
from gpte_data.emission.options import EmitConfig, shard_bytes
from gpte_data.emission.shares import shares
from gpte_data.emission.sources import as_tables, corpora, sources
from gpte_data.emission.spill import Room
from gpte_data.emission.splitting import split_up
from gpte_data.emission.writing import Look, Part, Writing
from gpte_data.formats import OpenFormat
from gpte_data.stage import Context, Event
from gpte_data.table_files import Compression


class Emitting:
    """One run of emission."""

    def __init__(self, format_: OpenFormat, cfg: EmitConfig, ctx: Context) -> None:
        self.format, self.cfg, self.ctx = format_, cfg, ctx
        self.datasets = [one.name for one in sources(cfg.source)] if cfg.source else [""]
        self.library = Library(corpora(cfg.corpus, self.datasets))

    def events(self, rows: Iterable[Any]) -> Iterator[Event]:
        """Yield what is left out, then the files."""
        room = self.ctx.closing.enter_context(Room(self.ctx.folder))
        gathered = Gathered(room)
        gathering = Gathering(self._wanted(), self.library, gathered, self.ctx, self.datasets)
        parts = [Part()]
        if self.cfg.split:
            parts = [Part(split=name) for name in shares(self.cfg.split)]
            yield from self._by_split(Again(as_tables(rows), room), gathering)
        else:
            yield from chain.from_iterable(map(gathering.take, as_tables(rows)))
        self.ctx.facts.update(gathering.origins.facts())
        if not len(gathered):
            return
        shelf = self.library.shelved(gathered.used(len(self.library)), room)
        look = look_of(self.format, self.cfg)
        room_of = self.ctx.folder or Path()
        writing = Writing(look, gathered, self.library, shelf, self.datasets, parts, room_of)
        yield from writing.files()
        self.ctx.facts.update(writing.told())

    def _by_split(self, tables: Again, gathering: Gathering) -> Iterator[Event]:
        """Gather split by split, test first and train last: see splitting."""
        splits = split_up(tables, shares(self.cfg.split), self.library, self.cfg.seed)
        for number in reversed(range(len(splits.names))):
            gathering.part = number
            gathering.allowed = splits.allowed(number, self.library)
            for table in tables:
                mine = pa.array(splits.of_rows(table) == number)
                yield from gathering.take(table.filter(mine))
            splits.claim(gathering.gathered.used(len(self.library)), number)

    def _wanted(self) -> Wanted:
        """Return what examples are to be like."""
        cfg = self.cfg
        return Wanted(
            self.format.of, cfg.num_negatives, cfg.shortage, cfg.seed, cfg.scores,
            cfg.candidates == "all", cfg.prompt,
        )  # fmt: skip


def look_of(format_: OpenFormat, cfg: EmitConfig) -> Look:
    """Return how files are to look."""
    compression: Compression = "zstd" if format_.of.kind == "parquet" else "none"
    if cfg.compression != "auto":
        compression = cfg.compression
    compression = format_.of.compression or compression
    size = shard_bytes(cfg.shard_size)
    return Look(format_, cfg.shard_rows, size, compression, cfg.template)
