"""Stages that make files of their own from the whole input, each written once and marked.

Before a file gets its name it is noted as this run's, so that what a killed run leaves without a
mark can be told from what somebody else put there.
"""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.files import atomic
from gpte_data.ledger import Ledger
from gpte_data.own_files import note
from gpte_data.shard import Job, Tell, options_of, rejected_file, unmark
from gpte_data.stage import Context, Row, Stage
from gpte_data.table_files import TableFile, write_file
from gpte_data.whole import finish


def run_files(stage: Stage, job: Job, tell: Tell) -> manifest.Mark:
    """Run a stage over its whole input; job.source and job.name stand for all of it."""
    started = time.monotonic()
    ctx = Context(tell=tell, folder=job.output)
    if stage.hooks.tables is None:
        raise TypeError(f"{stage.name} opens no tables")
    tables = stage.hooks.tables(job.cfg, job.limit)
    with rejected_file(job.output, manifest.ALL, job.max_errors) as reject:
        names = set(_write(stage.pieces(tables, job.cfg, ctx, reject), job))
    if not ctx.ledger.rows_out:
        raise BadInput(f"{stage.name} found nothing to write in {job.source}: {ctx.ledger.line()}")
    _drop_others(names, job.output)
    finish(stage, job, ctx)
    mark = manifest.Mark(job.identity, ctx.ledger, {}, time.monotonic() - started, options_of(job))
    manifest.write_mark(job.output, manifest.ALL, mark)
    return mark


def _write(pieces: Iterator[Row | TableFile], job: Job) -> Iterator[str]:
    """Write each file that is not there; yield the names of their marks."""
    for piece in pieces:
        if not isinstance(piece, TableFile):
            raise TypeError(f"{job.stage} makes files, not rows")
        name = mark_name(piece.name)
        if not manifest.is_done(job.output, name, job.identity, force=False):
            _write_one(piece, name, job)
        yield name


def mark_name(name: str) -> str:
    """Return the name of a file's mark: `train/00000` of `train/00000.parquet`."""
    return str(Path(name).parent / io.stem(Path(name))) if name.endswith(io.SUFFIXES) else name


def _write_one(file: TableFile, name: str, job: Job) -> None:
    """Write a file and its mark."""
    path = job.output / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    note(job.output, file.name)
    with atomic(path, partial(unmark, job.output, name)) as target:
        write_file(target, file)
    books = Ledger(rows_out=file.rows if file.counted else 0)
    mark = manifest.Mark(job.identity, books, manifest.describe(path, job.output))
    manifest.write_mark(job.output, name, mark)


def _drop_others(names: set[str], output: Path) -> None:
    """Take away files that an earlier try had and this one has not."""
    for name, mark in manifest.marks(output).items():
        if name not in names | {manifest.ALL}:
            unmark(output, name)
            (output / str(mark.output["name"])).unlink(missing_ok=True)
