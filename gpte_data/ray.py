"""The same shards on Ray Data: `run_shard` mapped over jobs, one at a time on each of the workers.

Ray moves jobs and marks, never rows, so resume, bytes and books are those of a local run. Input and
output must be paths that every node sees.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gpte_data.backends.vllm_devices import gpus_of_worker
from gpte_data.errors import EndpointError, MissingExtra
from gpte_data.manifest import Mark
from gpte_data.shard import Job, Tell, run_shard


def run_on_ray(jobs: Sequence[Job], workers: int, tell: Tell) -> Iterator[Mark]:
    """Yield the marks of all jobs, in order, using a cluster that is there or a local one."""
    try:
        import ray
        from ray.data import DataContext, TaskPoolStrategy, range
    except ImportError:
        raise MissingExtra.of("ray", "ray") from None
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A worker of a cluster that was there before has another working folder.
    told = {"jobs": jobs, "here": Path.cwd()}
    try:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level="error")
        # Ray hands out GPUs by itself; a task that asks for none sees none.
        gpus = gpus_of_worker(jobs[0].cfg) if ray.cluster_resources().get("GPU") else 0
        numbers = range(len(jobs), override_num_blocks=len(jobs))
        done = numbers.map(
            _run,
            fn_kwargs=told,
            compute=TaskPoolStrategy(size=min(workers, len(jobs))),
            num_gpus=gpus or None,
        )
        results = sorted(_told(done.iter_rows(), tell), key=lambda row: int(row["id"]))
    except (ray.exceptions.RayError, ConnectionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EndpointError(f"Ray does not do it: {reason}") from None
    for row in results:
        if row["error"] is not None:
            raise row["error"]
        yield row["mark"]


def _told(rows: Iterable[dict[str, Any]], tell: Tell) -> Iterator[dict[str, Any]]:
    """Pass results on as they come, and report each."""
    for row in rows:
        if row["mark"] is not None:
            tell(row["mark"].ledger.rows_in, 0)
        yield row


def _run(row: dict[str, int], jobs: Sequence[Job], here: Path) -> dict[str, Any]:
    """Run one job; an error comes back as a value, so that Ray does not try it again."""
    number = row["id"]
    try:
        with contextlib.chdir(here):
            return {"id": number, "mark": run_shard(jobs[number]), "error": None}
    except Exception as error:
        return {"id": number, "mark": None, "error": error}
