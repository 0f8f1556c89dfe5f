"""Before a run: what it would ask and cost (--dry-run), how a few rows come out (--preview).

Neither writes shards. What a preview or a probe pays for goes into the journal of the output
folder, so the run itself does not pay for it again.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpte_data import manifest
from gpte_data.files import alone
from gpte_data.forecast import Counting, Timed
from gpte_data.inputs import check_rows, reader
from gpte_data.ledger import Ledger
from gpte_data.plan import RunOptions, plan, remaining
from gpte_data.shard import Job
from gpte_data.stage import Context, Rejected, Row, Stage
from gpte_data.tokens import counter

PROBED = 20
"""Rows of a probe."""


@dataclass
class Forecast:
    """What is left to be asked, in calls and tokens."""

    rows: int = 0
    calls: int = 0
    answered: int = 0
    """Calls whose answers the journal has."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_by: str = ""
    prompts: list[list[Mapping[str, str]]] = field(default_factory=list)
    probe: Timed | None = None
    second: "Second | None" = None


@dataclass
class Second:
    """What is left to be asked of a stage's second model: it depends on what the first answers."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    """At most: as if the first model passed on all that it is shown."""
    probe: Timed | None = None


@dataclass
class Preview:
    """What came of a few rows."""

    rows: list[Row]
    rejected: list[Rejected]
    ledger: Ledger
    seconds: float


def forecast(
    stage: Stage, cfg: Any, path: Path, output: Path | None, how: RunOptions, probe: bool
) -> Forecast:
    """Render everything that is left to be asked; with `probe`, ask for the first rows.

    Args:
        stage: A stage that asks a language model.
        cfg: Its options.
        path: Where its input lies.
        output: Where it would write, or None for stdout; its journal says what is answered.
        how: Options of the run; `limit` holds.
        probe: Whether PROBED rows are asked for, to measure tokens and time.

    Returns:
        Calls and tokens that are left.
    """
    jobs = _jobs(stage, cfg, path, output, how)
    check_rows(stage, cfg, path, reader(stage, cfg, jobs)())
    if stage.hooks.prepare is not None:
        stage.hooks.prepare(cfg if probe else cfg.offline(), reader(stage, cfg, jobs))
    measured, again = _probe(stage, cfg, jobs, output) if probe else (None, None)
    count, named = counter(cfg.spec)
    model, second = Counting(count, _own_types(cfg)), cfg.second()
    other = Counting(counter(second.spec)[0]) if second is not None else None
    found = Forecast(tokens_by=named, probe=measured)
    for job in jobs:
        ctx = Context(journal=_journal(job, output), llm=model, second=other)
        for _ in stage.run(_rows(stage, cfg, [job]), cfg, ctx):
            pass
        found.rows += ctx.ledger.rows_in
        found.answered += sum(
            n for note, n in ctx.ledger.notes.items() if note.startswith("calls ")
        )
    found.calls, found.prompt_tokens = model.calls, model.prompt_tokens
    found.completion_tokens = round(model.answers)
    found.prompts = [list(request.messages) for request in model.shown]
    if other is not None:
        asked, written = other.prompt_tokens, round(other.answers)
        found.second = Second(other.calls, asked, written, again)
    return found


def preview(
    stage: Stage, cfg: Any, path: Path, output: Path | None, how: RunOptions, rows: int
) -> Preview:
    """Run the first rows and return what comes out; the answers are kept in the journal."""
    jobs = _jobs(stage, cfg, path, output, how)
    check_rows(stage, cfg, path, reader(stage, cfg, jobs)())
    if stage.hooks.prepare is not None:
        stage.hooks.prepare(cfg, reader(stage, cfg, jobs))
    started = time.monotonic()
    rejected: list[Rejected] = []
    kept, total = [], Ledger()
    with _held(output):
        for job, some in _first(stage, cfg, jobs, rows):
            ctx = Context(journal=_journal(job, output))
            kept += list(stage.run(some, cfg, ctx, rejected.append))
            total = Ledger.total([total, ctx.ledger])
    return Preview(kept, rejected, total, time.monotonic() - started)


def _jobs(stage: Stage, cfg: Any, path: Path, output: Path | None, how: RunOptions) -> list[Job]:
    """Return what a run would do; of an output folder, what is left of it."""
    target = output or Path("-")
    jobs = plan(stage, cfg, path, target, how)
    return remaining(target, jobs, how) if output is not None else jobs


def _journal(job: Job, output: Path | None) -> Path | None:
    """Return where the answers of a job are kept."""
    return None if output is None else manifest.journal_path(output, job.name)


def _rows(stage: Stage, cfg: Any, jobs: list[Job]) -> Iterator[Row]:
    return reader(stage, cfg, jobs)()


def _first(stage: Stage, cfg: Any, jobs: list[Job], rows: int) -> Iterator[tuple[Job, list[Row]]]:
    """Yield the first rows, with the jobs that they belong to."""
    for job in jobs:
        limit = rows if job.limit is None else min(rows, job.limit)
        some = list(_rows(stage, cfg, [replace(job, limit=limit)]))
        rows -= len(some)
        yield job, some
        if rows <= 0:
            return


def _own_types(cfg: Any) -> Mapping[str, float] | None:
    """Return the query types of a model that has its own, such as extractive."""
    types: Mapping[str, float] | None = (
        cfg.open(Context()).query_types if cfg.spec == "extractive" else None
    )
    return types


def _probe(
    stage: Stage, cfg: Any, jobs: list[Job], output: Path | None
) -> tuple[Timed, Timed | None]:
    """Ask for the first rows and return what it took, of the model and of a second one."""
    second = cfg.second()
    timed, other = Timed(None), Timed(None) if second is not None else None
    with _held(output):
        for job, some in _first(stage, cfg, jobs, PROBED):
            journal = _journal(job, output)
            timed.llm = cfg.open(Context(journal=journal))
            if other is not None:
                other.llm = second.open(Context(journal=journal))
            for _ in stage.run(some, cfg, Context(journal=journal, llm=timed, second=other)):
                pass
    return timed, other


def _held(output: Path | None) -> contextlib.AbstractContextManager[None]:
    """Hold an output folder that is there: a run in it would pay for the same questions."""
    return alone(output) if output is not None and output.is_dir() else contextlib.nullcontext()
