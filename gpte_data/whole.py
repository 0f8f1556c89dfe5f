"""Stages that see the whole input at once: one stream of rows, cut into shards as it comes out.

Killed half-way, the same command makes the same stream again and leaves the shards alone that are
whole. Rows that failed are tried again, and what they become may shift all that follows: a shard
that was written after a row had failed is written anew. `_done/_all.json` is written last and says
that all are there.
"""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.files import atomic
from gpte_data.ledger import Ledger
from gpte_data.shard import Job, Tell, options_of, output_of, rejected_file, unmark
from gpte_data.stage import Context, Row, Stage


def run_whole(stage: Stage, job: Job, shard_rows: int, tell: Tell) -> manifest.Mark:
    """Run a stage over its whole input; job.source and job.name stand for all of it."""
    started = time.monotonic()
    ctx = Context(journal=manifest.journal_path(job.output, manifest.ALL), tell=tell)
    rows = stage.hooks.read(job.cfg) if stage.hooks.read else io.read_all(job.source)
    with rejected_file(job.output, manifest.ALL, job.max_errors) as reject:
        stream = stage.run(islice(rows, job.limit), job.cfg, ctx, reject)
        count = sum(_write_shards(stream, stage, job, shard_rows, ctx.ledger))
        if not count:
            raise BadInput(
                f"{stage.name} found nothing to write in {job.source}: {ctx.ledger.line()}"
            )
    _drop_after(count, job)
    finish(stage, job, ctx)
    mark = manifest.Mark(job.identity, ctx.ledger, {}, time.monotonic() - started, options_of(job))
    manifest.write_mark(job.output, manifest.ALL, mark)
    return mark


def _write_shards(
    stream: Iterator[Row], stage: Stage, job: Job, shard_rows: int, books: Ledger
) -> Iterator[int]:
    """Cut the stream into shards; yield 1 for each, written now or found whole."""
    for number, first in enumerate(stream):
        rows = chain([first], islice(stream, shard_rows - 1))
        _write_shard(f"{number:05d}", rows, stage, job, books)
        yield 1


def _write_shard(name: str, rows: Iterable[Row], stage: Stage, job: Job, books: Ledger) -> None:
    """Write a shard, unless it is whole; its mark has what had failed by then, if anything."""
    done = manifest.is_done(job.output, name, job.identity, force=False)
    if done and not books.failed:
        for _ in rows:
            pass
        return
    output = output_of(stage, job.cfg)
    path = job.output / f"{name}{output.suffix}"
    counted = Ledger()
    io.write(path, _count(rows, counted), output, partial(unmark, job.output, name))
    counted.failed += books.failed
    manifest.write_mark(
        job.output, name, manifest.Mark(job.identity, counted, manifest.describe(path))
    )


def _drop_after(count: int, job: Job) -> None:
    """Take away the shards that an earlier try had beyond those that there are now."""
    for path in io.shard_files(job.output)[count:]:
        unmark(job.output, io.stem(path))
        path.unlink()


def _count(rows: Iterable[Row], ledger: Ledger) -> Iterator[Row]:
    for row in rows:
        ledger.rows_out += 1
        yield row


def finish(stage: Stage, job: Job, ctx: Context) -> None:
    """Write the files that a stage adds beside its shards."""
    if stage.hooks.finish is None:
        return
    marks = [mark for name, mark in manifest.marks(job.output).items() if name != manifest.ALL]
    files = [{**mark.output, "rows": mark.ledger.rows_out} for mark in marks if mark.output]
    facts = {**ctx.facts, "identity": job.identity, "files": files}
    for name, text in stage.hooks.finish(job.cfg, ctx.ledger, facts).items():
        write_text(job.output / name, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as target:
        target.write(text.encode())
