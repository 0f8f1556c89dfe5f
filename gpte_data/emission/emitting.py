"""Emission from end to end: tables of rows in, files out; what is left out on the way."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.emission.again import Again
from gpte_data.emission.arranging import Arranging
from gpte_data.emission.asked import Asked, teacher_of
from gpte_data.emission.clashes import check_ids
from gpte_data.emission.clusters import Vectors
from gpte_data.emission.gathered import Gathered
from gpte_data.emission.gathering import Gathering, Wanted, checked
from gpte_data.emission.kinds import Kind, foldered
from gpte_data.emission.library import Library
from gpte_data.emission.mixing import Mixing
from gpte_data.emission.options import shard_bytes
from gpte_data.emission.shares import shares
from gpte_data.emission.sources import as_tables, corpora, sources
from gpte_data.emission.spill import Room
from gpte_data.emission.splitting import split_up
from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.emission.writing import Look, Part, Writing
from gpte_data.formats import Format, OpenFormat
from gpte_data.stage import Context, Event
from gpte_data.table_files import Compression


class Emitting:
    """One run of emission."""

    def __init__(self, format_: OpenFormat, cfg: EmitOptions, ctx: Context) -> None:
        self.format, self.cfg, self.ctx = format_, cfg, ctx
        self.datasets = [one.name for one in sources(cfg.source)] if cfg.source else [""]
        self.asked = Asked.of(cfg, format_, self.datasets)
        self.library = Library(corpora(cfg.corpus, self.datasets))
        self.vectors = Vectors(self.library, teacher) if (teacher := teacher_of(cfg)) else None

    def events(self, rows: Iterable[Any]) -> Iterator[Event]:
        """Yield what is left out, then the files."""
        room = self.ctx.closing.enter_context(Room(self.ctx.folder))
        gathered, kinds = Gathered(room), self.asked.kinds
        instructions = self.asked.instructions
        gathering = Gathering(self._wanted(), self.library, gathered, self.ctx, kinds, instructions)
        tables = map(checked, as_tables(rows))
        parts = [Part()]
        if self.cfg.split:
            parts = [Part(split=name) for name in shares(self.cfg.split)]
            yield from self._by_split(Again(tables, room), gathering)
        else:
            yield from chain.from_iterable(map(gathering.take, tables))
        self.asked.note(self.ctx)
        if not len(gathered):
            return
        known = kinds.settled(gathered.examples())
        yield from self._mixed(gathered, known)
        parts = foldered(gathered.examples(), parts, known, per_dataset=self.cfg.per_dataset)
        named = [] if self.cfg.mix_by else self.datasets
        check_ids(self.format.of, parts, named, gathered, self.library)
        arranging = Arranging(self.asked.batches, gathered, self.library, self.vectors, known)
        for number, part in enumerate(parts):
            yield from arranging.part(number, self.ctx, training=part.split == parts[0].split)
        shelf = self.library.shelved(gathered.used(len(self.library), gathered.kept()), room)
        writing = Writing(
            look_of(self.format, self.cfg), gathered, self.library, shelf,
            [kind.name for kind in known], parts, arranging.orders,
            named, self.ctx.folder or Path(),
        )  # fmt: skip
        yield from writing.files()
        self.ctx.facts.update({**writing.told(), **gathering.origins.facts(gathered)})

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
        share = np.bincount(gathering.gathered.examples()["part"], minlength=len(splits.names))
        for name, count in zip(splits.names, share.tolist(), strict=True):
            self.ctx.ledger.notes[f"examples of {name}"] += count

    def _mixed(self, gathered: Gathered, kinds: list[Kind]) -> Iterator[Event]:
        """Yield what a mixture leaves out; note how many examples of each dataset there are."""
        mixing = Mixing(self.asked.mixture, gathered, self.library, kinds)
        if not self.asked.mixture.whole:
            yield from mixing.events(self.ctx)
        self.ctx.facts["datasets"] = mixing.sizes()

    def _wanted(self) -> Wanted:
        """Return what examples are to be like."""
        cfg, of = self.cfg, self.format.of
        return Wanted(
            of, 0 if of.judged else cfg.num_negatives, cfg.shortage, cfg.seed, cfg.scores,
            cfg.candidates == "all", cfg.batch_order == "curriculum",
        )  # fmt: skip


def look_of(format_: OpenFormat, cfg: EmitOptions) -> Look:
    """Return how files are to look."""
    of = format_.of
    compression: Compression = "zstd" if of.kind == "parquet" else "none"
    if cfg.compression != "auto":
        compression = cfg.compression
    compression = of.compression or compression
    rows, batch = cfg.shard_rows, cfg.batch_size or 1
    rows = max(rows // batch, 1) * batch if rows >= batch else rows
    return Look(
        format_, rows, shard_bytes(cfg.shard_size), compression, cfg.template, _place(of, cfg)
    )


def _place(of: Format, cfg: EmitOptions) -> str:
    """Return where instructions go.

    What stands in front of a query while training must stand there ever after, so where a format
    has no field for it, that is done only when it is asked for.
    """
    if cfg.instruct != "auto":
        return cfg.instruct
    given = bool(cfg.prompt) or cfg.instructions is not None
    return of.place if of.place == "field" or given else "none"
