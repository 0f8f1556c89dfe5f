"""What a run has to do: its jobs, which of them are done, and whether the output may be written.

Equal work is skipped, other work is refused, before anything is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.config import StageConfig
from gpte_data.errors import BadInput, BadOption, Changed
from gpte_data.files import visible_files
from gpte_data.own_files import own_files
from gpte_data.shard import Job
from gpte_data.stage import Stage

ENGINES = ("local", "ray")
DATA = (*io.SUFFIXES, ".tar", ".tsv", ".json", ".gz", ".zst")
"""Endings of what a trainer could take for training data."""
BESIDE = ("README.md", "croissant.jsonld")
"""What is written beside files when all of them are there, and again when they are made again."""


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
            options.limit, options.max_errors, files=stage.hooks.tables is not None,
        )
    ]  # fmt: skip


def _shard_jobs(
    stage: Stage, cfg: StageConfig, source: Path, output: Path, options: RunOptions,
    base: Mapping[str, Any],
) -> list[Job]:  # fmt: skip
    jobs, left = [], options.limit
    manifest.check_finished(source)
    if stage.hooks.surveys(cfg):
        base = {**base, "dataset": manifest.dataset_content(source)}
    for path in io.shards(source):
        if left == 0:
            break
        identity = {**base, "input": manifest.content(path)}
        name = io.stem(path) if source.is_dir() else "00000"
        jobs.append(Job(stage.name, cfg, path, output, name, identity, left, options.max_errors))
        left = None if left is None else max(0, left - io.count(path))
    return jobs


def remaining(output: Path, jobs: list[Job], options: RunOptions) -> list[Job]:
    """Return the jobs still to be done; refuse an output folder that is not this run's."""
    if output.exists() and not output.is_dir():
        raise BadOption(f"-o {output} is a file: give a folder, or - for JSONL on stdout")
    _check_apart(output, jobs[0], options.rejected)
    _check_stage(output, jobs[0])
    _check_foreign(output, jobs)
    if not options.force:
        _check_marks(output, jobs)
    return [job for job in jobs if not _is_done(job, force=options.force)]


def _check_apart(output: Path, job: Job, rejected: Path | None) -> None:
    """Refuse to write where is read; a folder of documents is read at any depth."""
    here, there = output.resolve(), job.source.resolve()
    below = "input" not in job.identity and there in here.parents
    others = job.cfg.folders_read()
    against = [Path(path).resolve() for path in getattr(job.cfg, "against", ())]
    below = below or any(path in here.parents for path in against)
    read = [there, *(path.resolve() for path in others)]
    if below or any(here in (path, path.parent) for path in read):
        raise BadOption(f"-o {output} is the folder that is read, or inside it: give another")
    if rejected is not None and rejected.resolve().parent in (here, *read):
        raise BadOption(
            f"--rejected {rejected} would lie among shards, where it would be taken for one: "
            "give a path outside of the folders that are read and written"
        )


def _check_stage(output: Path, job: Job) -> None:
    """Refuse the output of another stage, with --force too: it may be all there is of it."""
    for name in manifest.names(output):
        try:
            mark = manifest.read_mark(output, name)
        except BadInput:
            continue
        if mark is not None and mark.identity.get("stage") != job.stage:
            raise Changed(
                f"{output} was made with other settings (stage: {mark.identity.get('stage')} -> "
                f"{job.stage}): give another -o folder"
            )


def _is_done(job: Job, *, force: bool) -> bool:
    """Tell whether a job can be skipped; of a whole dataset, every shard must be there."""
    done = manifest.is_done(job.output, job.name, job.identity, force=force)
    return done and (job.name != manifest.ALL or manifest.is_complete(job.output))


def _check_foreign(output: Path, jobs: list[Job]) -> None:
    """Refuse a folder with shards that gpte-data did not write there."""
    if jobs[0].files:
        found = {path.relative_to(output).as_posix() for path in visible_files(output)}
        hidden = tuple(f"{name}/" for name in (manifest.DONE, manifest.REJECTED, manifest.JOURNAL))
        known = own_files(output) | set(BESIDE)
        others = sorted(one for one in found - known if not one.startswith(hidden))
        foreign = [one for one in others if one.endswith(DATA)]
    else:
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
