"""A stage over a dataset: what is to be done, what is done already, and the books at the end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpte_data import io, manifest
from gpte_data.config import StageConfig
from gpte_data.engines import run_jobs
from gpte_data.errors import TooManyFailures
from gpte_data.files import alone, atomic, disk_errors, sweep
from gpte_data.inputs import (
    as_file,
    check_rows,
    reader,
    shares,
    survey,
    total_rows,
    with_input,
)
from gpte_data.ledger import Ledger
from gpte_data.plan import RunOptions, plan, remaining
from gpte_data.progress import Progress
from gpte_data.shard import Job
from gpte_data.stage import Stage
from gpte_data.whole import run_whole
from gpte_data.whole_files import run_files


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    stage: str
    output: Path
    ledger: Ledger
    done: int
    """Jobs done by this run."""
    shards: int
    """Shards in all, and files that stand beside them."""
    seconds: float = 0.0
    prepared: Mapping[str, int] = field(default_factory=dict)
    """What was counted while shared things, such as vectors, were made for all shards."""
    said: str = ""
    """What the stage's survey of the whole input has to tell."""


def run(stage: Stage, cfg: StageConfig, source: str, output: Path, options: RunOptions) -> Result:
    """Run a stage from a dataset into a folder; equal work is skipped, other work is refused.

    Args:
        stage: What to run.
        cfg: Its options.
        source: A dataset (folder or file), `-` for JSONL on stdin, or, for a stage that reads its
            own input, whatever its config says.
        output: The folder to write.
        options: How to run it.

    Raises:
        UserError: The input, the options or the output folder won't do; nothing was changed.
        TooManyFailures: More rows failed than options.max_errors.
    """
    started = time.monotonic()
    with disk_errors(output), as_file(source) as path:
        cfg = with_input(stage, cfg, source, path)
        jobs = plan(stage, cfg, path, output, options)
        todo = remaining(output, jobs, options)
        prepared: Mapping[str, int] = {}
        said = ""
        if todo:
            check_rows(stage, cfg, path, reader(stage, cfg, jobs)())
            prepared = _prepare(stage, cfg, jobs)
            shared = survey(stage, cfg, reader(stage, cfg, jobs))
            said = str(shared.get("said", ""))
            told = dict(zip((job.name for job in jobs), shares(shared, jobs), strict=True))
            _run_jobs(stage, cfg, [replace(job, shared=told[job.name]) for job in todo], options)
        manifest.finish(output)
        ledger = Ledger.total(_marks(output, jobs))
        ledger.close()
        if options.rejected is not None:
            collect_rejected([output], options.rejected)
    shards = len(set(manifest.names(output)) - {manifest.ALL})
    seconds = time.monotonic() - started
    return Result(stage.name, output, ledger, len(todo), shards, seconds, prepared, said)


def _prepare(stage: Stage, cfg: StageConfig, jobs: list[Job]) -> Mapping[str, int]:
    """Run the stage's checks and make what all shards share; return what was counted there."""
    if stage.hooks.prepare is None:
        return {}
    return stage.hooks.prepare(cfg, reader(stage, cfg, jobs)) or {}


def _run_jobs(stage: Stage, cfg: StageConfig, jobs: list[Job], options: RunOptions) -> None:
    """Do the jobs; journals stay, so that nothing is paid for twice, with --force neither."""
    output = jobs[0].output
    total = total_rows(stage, jobs)
    with alone(output), _or_nothing(output):
        manifest.begin(output)
        _sweep(output, force=options.force)
        with Progress(stage.name, total) as progress:
            if stage.hooks.tables is not None:
                run_files(stage, jobs[0], progress.add)
            elif stage.scope == "whole":
                run_whole(stage, jobs[0], getattr(cfg, "shard_rows", 8192), progress.add)
            else:
                marks = run_jobs(jobs, options.engine, options.workers, progress.add)
                _count_failures(marks, options.max_errors)


def _count_failures(marks: Iterator[manifest.Mark], max_errors: int | None) -> None:
    """Wait for all jobs; raise TooManyFailures when too many rows of all of them have failed."""
    failed = 0
    for mark in marks:
        failed += mark.ledger.failed.total()
        if max_errors is not None and failed > max_errors:
            raise TooManyFailures(
                f"{failed} rows failed, more than the {max_errors} allowed: what is done is kept; "
                "mend the cause and run the same command again"
            )


@contextmanager
def _or_nothing(output: Path) -> Iterator[None]:
    """Leave things as they were where a run ends before anything was written.

    A new folder goes away; one that was whole before, failed rows and all, stays readable.
    """
    whole = manifest.names(output) and manifest.is_finished(output)
    before = manifest.names(output)
    try:
        yield
    except BaseException:
        nothing = not manifest.names(output) and not io.shard_files(output)
        if nothing or (whole and manifest.names(output) == before):
            manifest.finish(output)
        for folder in (output / manifest.DONE, output / manifest.REJECTED, output):
            with suppress(OSError):  # rmdir takes empty folders only
                folder.rmdir()
        raise


def _sweep(output: Path, *, force: bool) -> None:
    """Remove what killed runs left: temporaries, and shards without a mark; with force, all."""
    for folder in [output, *(path for path in output.rglob("*") if path.is_dir())]:
        sweep(folder)
    marked = set() if force else set(manifest.names(output))
    if force:
        _forget(output)
    for path in io.shard_files(output):
        if io.stem(path) not in marked:
            path.unlink()


def _forget(output: Path) -> None:
    """Remove what earlier runs have written, the mark of all of it first."""
    manifest.mark_path(output, manifest.ALL).unlink(missing_ok=True)
    for name in manifest.own_files(output):
        (output / name).unlink(missing_ok=True)
    for name in manifest.names(output):
        manifest.mark_path(output, name).unlink()
    for path in (output / manifest.REJECTED).glob("*.jsonl"):
        path.unlink()


def _marks(output: Path, jobs: list[Job]) -> Iterator[Ledger]:
    for job in jobs:
        mark = manifest.read_mark(output, job.name)
        if mark is not None:
            yield mark.ledger


def collect_rejected(outputs: list[Path], target: Path) -> None:
    """Copy the rejected rows of all shards of some outputs into one JSONL file."""
    with atomic(target) as file:
        for output in outputs:
            for path in sorted((output / manifest.REJECTED).glob("*.jsonl")):
                file.write(path.read_bytes())
