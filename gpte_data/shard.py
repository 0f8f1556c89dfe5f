"""One shard of one stage: the piece of work that every engine runs, in the same way."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.config import StageConfig
from gpte_data.errors import TooManyFailures
from gpte_data.files import atomic
from gpte_data.stage import Context, Output, Rejected, Stage

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What a worker is handed: small, and fit to be sent to another process or machine."""

    stage: str
    cfg: StageConfig
    source: Path
    output: Path
    name: str
    identity: Mapping[str, Any]
    limit: int | None = None
    max_errors: int | None = None
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What the stage's survey found in the whole input."""
    files: bool = False
    """Whether the stage makes files of its own: see whole_files."""


def run_shard(job: Job, tell: Tell = lambda rows, tokens: None) -> manifest.Mark:
    """Read, work, write, mark; return the mark. A shard is whole and marked, or not there."""
    from gpte_data.stages import load

    stage = load(job.stage)
    started = time.monotonic()
    journal = manifest.journal_path(job.output, job.name)
    ctx = Context(journal=journal, tell=tell, shared=job.shared)
    output = output_of(stage, job.cfg)
    path = job.output / f"{job.name}{output.suffix}"
    rows = islice(io.read(job.source), job.limit)
    with rejected_file(job.output, job.name, job.max_errors) as reject:
        io.write(
            path,
            stage.run(rows, job.cfg, ctx, reject),
            output,
            partial(unmark, job.output, job.name),
        )
    mark = manifest.Mark(
        job.identity,
        ctx.ledger,
        manifest.describe(path),
        time.monotonic() - started,
        options_of(job),
    )
    manifest.write_mark(job.output, job.name, mark)
    return mark


def unmark(folder: Path, name: str) -> None:
    """Take away the mark of an earlier try, where failed rows were tried again.

    Killed between the new shard and its new mark, the old one would call the shard edited.
    """
    manifest.mark_path(folder, name).unlink(missing_ok=True)


def output_of(stage: Stage, cfg: StageConfig) -> Output:
    """Return how a stage's rows are written."""
    return stage.hooks.output(cfg) if stage.hooks.output else Output()


def options_of(job: Job) -> dict[str, Any]:
    """Return the options that a mark keeps, fit to be given back with --config.

    Those that never change the output are left out, a server's address may hold a password; so is
    a corpus that nobody named, the input itself.
    """
    left_out = job.cfg.runtime_fields()
    if getattr(job.cfg, "corpus", None) in ((job.source,), (job.source.parent,)):
        left_out.add("corpus")
    return job.cfg.model_dump(mode="json", exclude_defaults=True, exclude=left_out)


@contextlib.contextmanager
def rejected_file(
    folder: Path, name: str, max_errors: int | None
) -> Iterator[Callable[[Rejected], None]]:
    """Give a function that keeps rejected rows in `_rejected/NAME.jsonl`, written at the end."""
    path = folder / manifest.REJECTED / f"{name}.jsonl"
    kept = 0
    too_many: TooManyFailures | None = None
    with contextlib.ExitStack() as stack:
        target: Any = None

        def reject(event: Rejected) -> None:
            nonlocal kept, target
            if target is None:
                target = stack.enter_context(atomic(path))
            kept += 1
            target.write(io.to_line(rejected_row(event), lossy=True))

        try:
            yield limited(reject, max_errors)
        except TooManyFailures as error:  # what was rejected is kept all the same
            too_many = error
    if not kept:
        path.unlink(missing_ok=True)
    if too_many is not None:
        raise too_many


def limited(
    reject: Callable[[Rejected], None], max_errors: int | None
) -> Callable[[Rejected], None]:
    """Return a function that rejects, and raises TooManyFailures beyond max_errors failed rows."""
    failed = 0

    def count(event: Rejected) -> None:
        nonlocal failed
        reject(event)
        failed += event.failed
        if max_errors is not None and failed > max_errors:
            raise TooManyFailures(
                f"more than {max_errors} rows failed, the last one for: {event.reason}; "
                "mend the cause and run the same command again"
            )

    return count


def rejected_row(event: Rejected) -> dict[str, Any]:
    """Return a rejected row as it is kept: what became of it, why, and the row itself."""
    return event.row | {
        "rejected": "failed" if event.failed else "dropped",
        "reason": event.reason,
    }
