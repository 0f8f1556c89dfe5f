"""A stage over a dataset: what is to be done, what is done already, and the books at the end."""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.config import StageConfig
from gpte_data.engines import run_jobs
from gpte_data.errors import BadOption, Changed, UserError
from gpte_data.files import sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.shard import Job
from gpte_data.stage import Row, Stage
from gpte_data.whole import run_whole


@dataclass(frozen=True)
class RunOptions:
    """How a stage is run: what every command takes beside its own options."""

    workers: int = 1
    engine: str = "local"
    force: bool = False
    limit: int | None = None
    rejected: Path | None = None
    max_errors: int | None = None


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    stage: str
    output: Path
    ledger: Ledger
    done: int
    """Shards made by this run."""
    shards: int
    """Shards in all."""
    seconds: float = field(default=0.0)


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
    import time

    started = time.monotonic()
    with as_file(source) as path, _disk_errors(output):
        cfg = with_input(stage, cfg, source, path)
        jobs = plan(stage, cfg, path, output, options)
        todo = _todo(output, jobs, options)
        if todo:
            _run_jobs(stage, cfg, todo, options)
        ledger = Ledger.total(_marks(output, jobs))
    ledger.close()
    if options.rejected is not None:
        collect_rejected(output, [job.name for job in jobs], options.rejected)
    shards = len(io.shards(output))
    return Result(stage.name, output, ledger, len(todo), shards, time.monotonic() - started)


def plan(
    stage: Stage, cfg: StageConfig, source: Path, output: Path, options: RunOptions
) -> list[Job]:
    """Return the jobs of a run: one for each input shard, or one for a stage that sees all."""
    base: dict[str, Any] = {
        "scheme": manifest.SCHEME,
        "stage": stage.name,
        "version": stage.version,
        "options": cfg.identity(),
    }
    if options.limit is not None:
        base["limit"] = options.limit
    make = _whole_jobs if stage.scope == "whole" else _shard_jobs
    return make(stage, cfg, source, output, options, base)


def _whole_jobs(
    stage: Stage, cfg: StageConfig, source: Path, output: Path, options: RunOptions,
    base: Mapping[str, Any],
) -> list[Job]:  # fmt: skip
    inputs = {} if stage.hooks.read else {"input": manifest.dataset_content(source)}
    return [
        Job(
            stage.name, cfg, source, output, manifest.ALL, {**base, **inputs},
            options.limit, options.max_errors,
        )
    ]  # fmt: skip


def _shard_jobs(
    stage: Stage, cfg: StageConfig, source: Path, output: Path, options: RunOptions,
    base: Mapping[str, Any],
) -> list[Job]:  # fmt: skip
    jobs, left = [], options.limit
    for path in io.shards(source):
        if left == 0:
            break
        identity = {**base, "input": manifest.content(path)}
        name = io.stem(path) if source.is_dir() else "00000"
        jobs.append(Job(stage.name, cfg, path, output, name, identity, left, options.max_errors))
        left = None if left is None else max(0, left - io.count(path))
    return jobs


def _todo(output: Path, jobs: list[Job], options: RunOptions) -> list[Job]:
    """Return the jobs still to be done; refuse an output folder that is not this run's."""
    if output.is_file():
        raise BadOption(f"-o {output} is a file: give a folder, or - for JSONL on stdout")
    if output.is_dir() and jobs[0].source.resolve() in (
        output.resolve(),
        *output.resolve().glob("*"),
    ):
        raise BadOption(f"-o {output} is the folder that is read: give another")
    _check_foreign(output)
    if not options.force:
        _check_marks(output, jobs)
    return [
        job
        for job in jobs
        if not manifest.is_done(output, job.name, job.identity, force=options.force)
    ]


def _check_foreign(output: Path) -> None:
    """Refuse a folder that holds shards which gpte-data did not write there."""
    if output.is_dir() and not (output / manifest.DONE).is_dir():
        foreign = sorted(p.name for p in output.iterdir() if p.name.endswith(io.SUFFIXES))
        if foreign:
            raise Changed(
                f"-o {output} holds files of another origin ({foreign[0]}, …): give another folder"
            )


def _check_marks(output: Path, jobs: list[Job]) -> None:
    """Refuse a folder with shards that this run would not make, or made from other settings."""
    names = {job.name: job.identity for job in jobs}
    for name in manifest.marks(output):
        identity = names.get(name, names.get(manifest.ALL))
        if identity is None:
            raise Changed(
                f"{output} has a shard {name} that this input lacks: "
                "give another -o folder, or --force to make it again"
            )
        manifest.is_done(output, name, identity, force=False)


def _run_jobs(stage: Stage, cfg: StageConfig, jobs: list[Job], options: RunOptions) -> None:
    """Do the jobs; what a killed run left is swept first, what --force replaces is removed."""
    output = jobs[0].output
    if stage.hooks.prepare is not None:
        stage.hooks.prepare(cfg, _reader(stage, cfg, jobs))
    (output / manifest.DONE).mkdir(parents=True, exist_ok=True)
    for folder in (output, output / manifest.DONE, output / manifest.REJECTED):
        sweep(folder)
    if options.force:
        _clear(output)
    with Progress(stage.name, _total(stage, jobs)) as progress:
        if stage.scope == "whole":
            run_whole(stage, jobs[0], getattr(cfg, "shard_rows", 8192), progress.add)
        else:
            for _ in run_jobs(jobs, options.engine, options.workers, progress.add):
                pass


def _reader(stage: Stage, cfg: StageConfig, jobs: list[Job]) -> Callable[[], Iterator[Row]]:
    """Return a function that reads all rows of the jobs anew."""

    def read() -> Iterator[Row]:
        if stage.hooks.read is not None:
            yield from islice(stage.hooks.read(cfg), jobs[0].limit)
        elif stage.scope == "whole":
            yield from islice(io.read_all(jobs[0].source), jobs[0].limit)
        else:
            for job in jobs:
                yield from islice(io.read(job.source), job.limit)

    return read


def _total(stage: Stage, jobs: list[Job]) -> int | None:
    """Return how many rows will be read, or None where that takes reading them."""
    if stage.hooks.read is not None:
        return None
    paths = io.shards(jobs[0].source) if stage.scope == "whole" else [job.source for job in jobs]
    if any(path.suffix != ".parquet" for path in paths):
        return None
    total = sum(map(io.count, paths))
    limit = jobs[0].limit
    return total if limit is None else min(total, limit)


def _clear(output: Path) -> None:
    """Remove the marks of an output folder and the shards they name; journals stay."""
    for name, mark in manifest.marks(output).items():
        manifest.mark_path(output, name).unlink()
        if mark.output:
            (output / mark.output["name"]).unlink(missing_ok=True)


def _marks(output: Path, jobs: list[Job]) -> Iterator[Ledger]:
    for job in jobs:
        mark = manifest.read_mark(output, job.name)
        if mark is not None:
            yield mark.ledger


def with_input(stage: Stage, cfg: StageConfig, source: str, path: Path) -> StageConfig:
    """Tell a stage where its input lies, where it asks for that.

    A stage that reads its own input finds stdin in a file; one that wants a corpus, and is given
    none, takes its input for it.
    """
    if stage.hooks.read is not None and source == "-":
        return cfg.model_copy(update={"source": str(path)})
    corpus = stage.config.model_fields.get("corpus")
    if corpus is None or corpus.is_required() or getattr(cfg, "corpus", None):
        return cfg
    return cfg.model_copy(update={"corpus": (path,)})


@contextmanager
def as_file(source: str) -> Iterator[Path]:
    """Give a path for the source; stdin is kept in a temporary file for as long."""
    if source != "-":
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="gpte-data-") as folder:
        path = Path(folder) / "stdin.jsonl"
        with path.open("wb") as target:
            target.writelines(sys.stdin.buffer)
        yield path


@contextmanager
def _disk_errors(output: Path) -> Iterator[None]:
    """Turn what the disk refuses into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        raise UserError(
            f"{output} can't be written ({os.strerror(error.errno).lower()}): the shards that are "
            "done are kept; mend that and run the same command again"
        ) from None


def collect_rejected(output: Path, names: list[str], target: Path) -> None:
    """Copy the rejected rows of all shards into one JSONL file."""
    from gpte_data.files import atomic

    with atomic(target) as file:
        for name in names:
            path = output / manifest.REJECTED / f"{name}.jsonl"
            if path.is_file():
                file.write(path.read_bytes())
