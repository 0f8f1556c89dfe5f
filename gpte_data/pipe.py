"""A stage as a member of a pipe: rows in from a dataset or stdin, JSONL out on stdout.

Nothing is marked and nothing resumed here; the rows are those of a run into a folder.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from gpte_data import io
from gpte_data.config import StageConfig
from gpte_data.errors import BadInput
from gpte_data.files import atomic, disk_errors
from gpte_data.inputs import as_file, check_rows, survey, with_input
from gpte_data.ledger import Ledger
from gpte_data.manifest import check_finished
from gpte_data.plan import RunOptions
from gpte_data.progress import Progress
from gpte_data.shard import limited, rejected_row
from gpte_data.stage import Context, Rejected, Row, Stage


def pipe(stage: Stage, cfg: StageConfig, source: str, options: RunOptions) -> Ledger:
    """Run a stage from a dataset, or `-` for stdin, to stdout; return the books."""
    streams = source == "-" and stage.scope == "shard" and not _wants_corpus(stage, cfg)
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk_errors("stdout"))
        path = None if streams else stack.enter_context(as_file(source))
        if path is not None:
            cfg = with_input(stage, cfg, source, path)
            check_finished(path)
            check_rows(stage, cfg, path, _rows(stage, cfg, path))
        reject = limited(stack.enter_context(_rejects(options.rejected)), options.max_errors)

        def read() -> Iterable[Row]:
            return islice(_rows(stage, cfg, path), options.limit) if path else ()

        if stage.hooks.prepare is not None:
            stage.hooks.prepare(cfg, read)
        shared = survey(stage, cfg, read) if path else {}
        tell = stack.enter_context(Progress(stage.name, options.limit)).add
        ctx = Context(tell=tell, shared=shared)
        rows = islice(_rows(stage, cfg, path), options.limit)
        stack.enter_context(_closed_pipe())
        for row in stage.run(rows, cfg, ctx, reject):
            sys.stdout.buffer.write(io.to_line(io.tidy(row)))
            sys.stdout.buffer.flush()
    if not ctx.ledger.rows_in:
        raise BadInput(f"{'stdin' if path is None else path} is empty: expected at least one row")
    return ctx.ledger


@contextlib.contextmanager
def _closed_pipe() -> Iterator[None]:
    """End with 0 when the reader has left: it has what it wants. Typer would make it 1."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _wants_corpus(stage: Stage, cfg: StageConfig) -> bool:
    """Tell whether the input must be read twice, because it is its own corpus."""
    takes = cfg.takes_input_for_corpus and "corpus" in stage.config.model_fields
    return takes and not getattr(cfg, "corpus", None)


def _rows(stage: Stage, cfg: StageConfig, path: Path | None) -> Iterable[Row]:
    if path is None:
        return io.parse_lines(sys.stdin.buffer, "stdin")
    return stage.hooks.read(cfg) if stage.hooks.read is not None else io.read_all(path)


@contextlib.contextmanager
def _rejects(path: Path | None) -> Iterator[Callable[[Rejected], None]]:
    """Give a function that keeps rejected rows in a file, where one is named."""
    if path is None:
        yield lambda event: None
        return
    with atomic(path) as target:

        def keep(event: Rejected) -> None:
            target.write(io.to_line(rejected_row(event), lossy=True))

        yield keep
