"""Where a run's rows come from: a dataset, stdin, or what a stage reads by itself."""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.config import StageConfig
from gpte_data.errors import BadInput
from gpte_data.shard import Job
from gpte_data.stage import BY_ROW, Row, Stage


def with_input(stage: Stage, cfg: StageConfig, source: str, path: Path) -> StageConfig:
    """Tell a stage where its input lies, where it asks for that.

    A stage that reads its own input finds stdin in a file; one that wants a corpus, and is given
    none, takes its input for it.
    """
    if stage.hooks.read is not None and (source == "-" or not getattr(cfg, "source", "")):
        return cfg.model_copy(update={"source": str(path)})
    corpus = stage.config.model_fields.get("corpus")
    if corpus is None or corpus.is_required() or getattr(cfg, "corpus", None):
        return cfg
    if not cfg.takes_input_for_corpus:
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


def check_rows(stage: Stage, cfg: StageConfig, source: Path, rows: Iterable[Row]) -> None:
    """Find out before a model is opened whether there are rows, and the first has what is read."""
    if stage.hooks.read is not None:
        return
    first = next(iter(rows), None)
    if first is None:
        raise BadInput(f"{source} is empty: expected at least one row")
    stage.check(first, 1, stage.fields(cfg))


def reader(stage: Stage, cfg: StageConfig, jobs: list[Job]) -> Callable[[], Iterator[Row]]:
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


def survey(stage: Stage, cfg: StageConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Return what the stage finds in the whole input, where it looks at all of it."""
    if stage.hooks.survey is None or not stage.hooks.surveys(cfg):
        return {}
    fields, hook = stage.fields(cfg), stage.hooks.survey

    def checked() -> Iterator[Row]:
        for number, row in enumerate(read(), 1):
            stage.check(row, number, fields)
            yield row

    return hook(cfg, checked)


def shares(shared: Mapping[str, Any], jobs: list[Job]) -> Iterator[Mapping[str, Any]]:
    """Yield what each job, all in order, is told of a survey: of single rows, only of its own."""
    start = 0
    for job in jobs:
        if BY_ROW not in shared:
            yield shared
            continue
        rows = io.count(job.source)
        stop = start + (rows if job.limit is None else min(rows, job.limit))
        yield {**shared, BY_ROW: _part(shared[BY_ROW], start, stop)}
        start = stop


def _part(table: Any, start: int, stop: int) -> Any:
    """Return the rows of a table about some rows of the input, with memory of their own."""
    import numpy as np
    import pyarrow as pa

    numbers = table["row"].to_numpy()
    first, last = np.searchsorted(numbers, (start, stop))
    part = table.take(pa.array(range(first, last), pa.int64()))
    place = table.schema.get_field_index("row")
    return part.set_column(place, "row", pa.array(numbers[first:last] - start))


def total_rows(stage: Stage, jobs: list[Job]) -> int | None:
    """Return how many rows will be read, or None where that takes reading them."""
    if stage.hooks.read is not None:
        return None
    paths = io.shards(jobs[0].source) if stage.scope == "whole" else [job.source for job in jobs]
    if any(path.suffix != ".parquet" for path in paths):
        return None
    total = sum(map(io.count, paths))
    limit = jobs[0].limit
    return total if limit is None else min(total, limit)
