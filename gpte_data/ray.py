"""The same shards on Ray Data: `run_shard` mapped over jobs, one at a time on each of the workers.

Ray moves jobs and marks, never rows, so resume, bytes and books are those of a local run. Input and
output must be paths that every node sees.
"""

from collections.abc import Iterator, Sequence

from gpte_data.errors import MissingExtra
from gpte_data.manifest import Mark
from gpte_data.shard import Job, Tell, run_shard


def run_on_ray(jobs: Sequence[Job], workers: int, tell: Tell) -> Iterator[Mark]:
    """Yield the marks of all jobs, in order, using a cluster that is there or a local one."""
    try:
        import ray
        from ray.data import DataContext, from_items
    except ImportError:
        raise MissingExtra.of("ray", "ray") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="error")
    DataContext.get_current().enable_progress_bars = False
    numbered = [{"number": number, "job": job} for number, job in enumerate(jobs)]
    done = from_items(numbered, override_num_blocks=len(jobs)).map(_run, concurrency=workers)
    results = sorted(done.take_all(), key=lambda row: int(row["number"]))
    for row in results:
        if row["error"] is not None:
            raise row["error"]
        tell(row["mark"].ledger.rows_in, 0)
        yield row["mark"]


def _run(row: dict[str, object]) -> dict[str, object]:
    """Run one job; an error comes back as a value, so that Ray does not try it again."""
    job = row["job"]
    assert isinstance(job, Job)
    try:
        return {"number": row["number"], "mark": run_shard(job), "error": None}
    except Exception as error:
        return {"number": row["number"], "mark": None, "error": error}
