"""Emission from end to end: tables of rows in, files out; what is left out on the way."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from gpte_data.emission.gathered import Gathered
from gpte_data.emission.gathering import Gathering, Wanted
from gpte_data.emission.library import Library
from gpte_data.emission.options import EmitConfig, shard_bytes
from gpte_data.emission.sources import as_tables, corpora, sources
from gpte_data.emission.spill import Room
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
        with Room(self.ctx.folder) as room:
            yield from self._events(rows, room)

    def _events(self, rows: Iterable[Any], room: Room) -> Iterator[Event]:
        gathered = Gathered(room)
        gathering = Gathering(self._wanted(), self.library, gathered, self.ctx, self.datasets)
        yield from chain.from_iterable(map(gathering.take, as_tables(rows)))
        self.ctx.facts.update(gathering.origins.facts())
        if not len(gathered):
            return
        shelf = self.library.shelved(gathered.used(len(self.library)), room)
        writing = Writing(self._look(), gathered, self.library, shelf, self.datasets, [Part()])
        yield from writing.files()
        self.ctx.facts.update(writing.told())

    def _wanted(self) -> Wanted:
        """Return what examples are to be like."""
        cfg = self.cfg
        return Wanted(
            self.format.of, cfg.num_negatives, cfg.shortage, cfg.seed, cfg.scores,
            cfg.candidates == "all", cfg.prompt,
        )  # fmt: skip

    def _look(self) -> Look:
        """Return how files are to look."""
        cfg, of = self.cfg, self.format.of
        compression: Compression = "zstd" if of.kind == "parquet" else "none"
        if cfg.compression != "auto":
            compression = cfg.compression
        size = shard_bytes(cfg.shard_size)
        return Look(self.format, cfg.shard_rows, size, compression, cfg.template)
