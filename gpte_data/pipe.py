"""A stage as a member of a pipe: rows in from a dataset or stdin, JSONL out on stdout.

Nothing is marked and nothing resumed here; the rows are those of a run into a folder.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from gpte_data import io
from gpte_data.config import StageConfig
from gpte_data.files import atomic
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.records import ordered
from gpte_data.run import RunOptions, as_file, with_input
from gpte_data.shard import rejected_row
from gpte_data.stage import Context, Rejected, Row, Stage


def pipe(stage: Stage, cfg: StageConfig, source: str, options: RunOptions) -> Ledger:
    """Run a stage from a dataset, or `-` for stdin, to stdout; return the books."""
    streams = source == "-" and stage.scope == "shard" and not _wants_corpus(stage, cfg)
    with contextlib.ExitStack() as stack:
        path = None if streams else stack.enter_context(as_file(source))
        if path is not None:
            cfg = with_input(stage, cfg, source, path)
        reject = stack.enter_context(_rejects(options.rejected))
        if stage.hooks.prepare is not None:
            stage.hooks.prepare(cfg, lambda: _rows(stage, cfg, path) if path is not None else ())
        ctx = Context(tell=stack.enter_context(Progress(stage.name, options.limit)).add)
        rows = islice(_rows(stage, cfg, path), options.limit)
        for row in stage.run(rows, cfg, ctx, reject):
            sys.stdout.buffer.write(io.to_line(ordered(row)))
            sys.stdout.buffer.flush()
    return ctx.ledger


def _wants_corpus(stage: Stage, cfg: StageConfig) -> bool:
    """Tell whether the input must be read twice, because it is its own corpus."""
    return "corpus" in stage.config.model_fields and not getattr(cfg, "corpus", None)


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
            target.write(io.to_line(rejected_row(event)))

        yield keep
