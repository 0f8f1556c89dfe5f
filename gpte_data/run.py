"""A stage over a dataset: what is to be done, what is done already, and the books at the end."""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.config import StageConfig
from gpte_data.engines import run_jobs
from gpte_data.errors import BadInput, BadOption, Changed, UserError
from gpte_data.files import sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.shard import Job
from gpte_data.stage import Context, Row, Stage
from gpte_data.whole import run_whole

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class RunOptions:
    """How a stage is run: what every command takes beside its own options."""

    workers: int = 1
    engine: str = "local"
    force: bool = False
    limit: int | None = None
    rejected: Path | None = None
    max_errors: int | None = None

    def __post_init__(self) -> None:
        """Hold the options to what they take: from a config file comes what it says."""
        for name, least in (("workers", 1), ("limit", 1), ("max_errors", 0)):
            value = getattr(self, name)
            if value is None and name != "workers":
                continue
            if type(value) is not int or value < least:
                raise BadOption(
                    f"--{name.replace('_', '-')} takes a whole number of at least {least}, "
                    f"found {value!r}"
                )
        if self.engine not in ENGINES:
            raise BadOption(f"--engine takes {' or '.join(ENGINES)}, found {self.engine!r}")
        if not isinstance(self.force, bool):
            raise BadOption(f"--force takes true or false, found {self.force!r}")
        if self.rejected is not None:
            object.__setattr__(self, "rejected", Path(self.rejected))


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
    with disk_errors(output), as_file(source) as path:
        cfg = with_input(stage, cfg, source, path)
        jobs = plan(stage, cfg, path, output, options)
        todo = _todo(output, jobs, options)
        if todo:
            check_rows(stage, path, _reader(stage, cfg, jobs)())
            _run_jobs(stage, cfg, todo, options)
        manifest.finish(output)
        ledger = Ledger.total(_marks(output, jobs))
        ledger.close()
        if options.rejected is not None:
            collect_rejected(output, [job.name for job in jobs], options.rejected)
    shards = len(io.shards(output))
    return Result(stage.name, output, ledger, len(todo), shards, time.monotonic() - started)


def check_rows(stage: Stage, source: Path, rows: Iterable[Row]) -> None:
    """Find out before a model is opened whether there are rows, and the first has what is read."""
    if stage.hooks.read is not None:
        return
    first = next(iter(rows), None)
    if first is None:
        raise BadInput(f"{source} is empty: expected at least one row")
    next(stage._checked([first], Context()))


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
    manifest.check_finished(source)
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
    if output.exists() and not output.is_dir():
        raise BadOption(f"-o {output} is a file: give a folder, or - for JSONL on stdout")
    _check_apart(output, jobs[0])
    _check_foreign(output, jobs)
    if not options.force:
        _check_marks(output, jobs)
    return [job for job in jobs if not _is_done(job, force=options.force)]


def _check_apart(output: Path, job: Job) -> None:
    """Refuse to write where is read; a folder of documents is read at any depth."""
    here, there = output.resolve(), job.source.resolve()
    below = "input" not in job.identity and there in here.parents
    if here in (there, there.parent) or below:
        raise BadOption(f"-o {output} is the folder that is read, or inside it: give another")


def _is_done(job: Job, *, force: bool) -> bool:
    """Tell whether a job can be skipped; of a whole dataset, every shard must be there."""
    done = manifest.is_done(job.output, job.name, job.identity, force=force)
    return done and (job.name != manifest.ALL or manifest.is_complete(job.output))


def _check_foreign(output: Path, jobs: list[Job]) -> None:
    """Refuse a folder with shards that gpte-data did not write there."""
    ours = _own_names(output, jobs)
    foreign = [path.name for path in io.shard_files(output) if io.stem(path) not in ours]
    if foreign:
        raise Changed(
            f"-o {output} holds files of another origin ({', '.join(foreign[:3])}): "
            "move them away, or give another folder"
        )


def _own_names(output: Path, jobs: list[Job]) -> set[str]:
    """Return which shards may be there: those marked, and what a killed run leaves unmarked."""
    if not (output / manifest.DONE).is_dir():
        return set()
    marked = set(manifest.names(output))
    if jobs[0].name != manifest.ALL:
        return marked | {job.name for job in jobs}
    last = max((int(name) for name in marked if name.isdecimal()), default=-1)
    return marked | {f"{number:05d}" for number in range(last + 2)}


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
    """Do the jobs; journals stay, so that nothing is paid for twice, with --force neither."""
    output = jobs[0].output
    if stage.hooks.prepare is not None:
        stage.hooks.prepare(cfg, _reader(stage, cfg, jobs))
    total = _total(stage, jobs)
    with _or_nothing(output):
        manifest.begin(output)
        _sweep(output, force=options.force)
        with Progress(stage.name, total) as progress:
            if stage.scope == "whole":
                run_whole(stage, jobs[0], getattr(cfg, "shard_rows", 8192), progress.add)
            else:
                for _ in run_jobs(jobs, options.engine, options.workers, progress.add):
                    pass


@contextmanager
def _or_nothing(output: Path) -> Iterator[None]:
    """Leave no folder behind where a run ends before anything was written."""
    try:
        yield
    except BaseException:
        if not manifest.names(output) and not io.shard_files(output):
            manifest.finish(output)
        for folder in (output / manifest.DONE, output / manifest.REJECTED, output):
            with suppress(OSError):  # rmdir takes empty folders only
                folder.rmdir()
        raise


def _sweep(output: Path, *, force: bool) -> None:
    """Remove what killed runs left: temporaries, and shards without a mark; with force, all."""
    for folder in (output, output / manifest.DONE, output / manifest.REJECTED):
        sweep(folder)
    if force:
        manifest.mark_path(output, manifest.ALL).unlink(missing_ok=True)
    marked = manifest.names(output)
    for path in io.shard_files(output):
        if force or io.stem(path) not in marked:
            path.unlink()
    if force:
        for name in marked:
            manifest.mark_path(output, name).unlink()


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


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REFUSED = FULL | {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENAMETOOLONG, errno.EIO,
}  # fmt: skip


@contextmanager
def disk_errors(output: Path | str) -> Iterator[None]:
    """Turn what the disk refuses into one sentence, about the file that the system names if any."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        where = output if error.errno in FULL else error.filename or output
        raise UserError(
            f"{where} can't be used ({os.strerror(error.errno).lower()}): what is done is kept; "
            "mend that and run the same command again"
        ) from None


def collect_rejected(output: Path, names: list[str], target: Path) -> None:
    """Copy the rejected rows of all shards into one JSONL file."""
    from gpte_data.files import atomic

    with atomic(target) as file:
        for name in names:
            path = output / manifest.REJECTED / f"{name}.jsonl"
            if path.is_file():
                file.write(path.read_bytes())
