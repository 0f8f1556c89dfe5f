"""Stages that make files of their own from the whole input, each written once and marked.

Before a file gets its name it is noted as this run's, so that what a killed run leaves without a
mark can be told from what somebody else put there.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.files import atomic
from gpte_data.ledger import Ledger
from gpte_data.own_files import BESIDE, note
from gpte_data.shard import Job, Tell, options_of, rejected_file, unmark
from gpte_data.stage import Context, Row, Stage
from gpte_data.table_files import TableFile, write_file
from gpte_data.whole import finish


def run_files(stage: Stage, job: Job, workers: int, tell: Tell) -> manifest.Mark:
    """Run a stage over its whole input; job.source and job.name stand for all of it.

    Two files are written at a time, or as many as there are workers: while one is compressed, the
    texts of another are looked up.
    """
    started = time.monotonic()
    if stage.hooks.tables is None:
        raise TypeError(f"{stage.name} opens no tables")
    tables = stage.hooks.tables(job.cfg, job.limit)
    ctx = Context(folder=job.output)
    with ctx.closing, rejected_file(job.output, manifest.ALL, job.max_errors) as reject:
        pieces = stage.pieces(tables, job.cfg, ctx, reject)
        names = _write(pieces, job, max(2, workers), tell)
    if not ctx.ledger.rows_out:
        raise BadInput(f"{stage.name} found nothing to write in {job.source}: {ctx.ledger.line()}")
    _drop_others(names, job.output)
    finish(stage, job, ctx)
    mark = manifest.Mark(job.identity, ctx.ledger, {}, time.monotonic() - started, options_of(job))
    manifest.write_mark(job.output, manifest.ALL, mark)
    return mark


def _write(pieces: Iterator[Row | TableFile], job: Job, threads: int, tell: Tell) -> set[str]:
    """Write each file that is not there; return the names of the marks of all."""
    names: set[str] = set()
    running: deque[Future[int]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for piece in pieces:
                if not isinstance(piece, TableFile):
                    raise TypeError(f"{job.stage} makes files, not rows")
                name = mark_name(piece.name)
                names.add(name)
                if manifest.is_done(job.output, name, job.identity, force=False):
                    tell(piece.rows * piece.counted, 0)
                    continue
                if len(running) >= threads:
                    tell(running.popleft().result(), 0)
                running.append(pool.submit(_write_one, piece, name, job))
            for future in running:
                tell(future.result(), 0)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return names


def mark_name(name: str) -> str:
    """Return the name of a file's mark: `train/00000` of `train/00000.parquet`."""
    return str(Path(name).parent / io.stem(Path(name))) if name.endswith(io.SUFFIXES) else name


def _write_one(file: TableFile, name: str, job: Job) -> int:
    """Write a file and its mark; return how many rows it has of what the stage makes."""
    path = job.output / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    note(job.output, file.name)
    with atomic(path, partial(unmark, job.output, name)) as target:
        write_file(target, file)
    books = Ledger(rows_out=file.rows if file.counted else 0)
    said = manifest.describe(path, job.output) | ({} if file.counted else {BESIDE: True})
    mark = manifest.Mark(job.identity, books, said)
    manifest.write_mark(job.output, name, mark)
    return books.rows_out


def _drop_others(names: set[str], output: Path) -> None:
    """Take away files that an earlier try had and this one has not."""
    for name, mark in manifest.marks(output).items():
        if name not in names | {manifest.ALL}:
            unmark(output, name)
            (output / str(mark.output["name"])).unlink(missing_ok=True)
