"""Where shards run: in this process, in a pool of processes, or on Ray; the same `run_shard`."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from gpte_data.backends.vllm_devices import VARIABLE, worker_gpus
from gpte_data.backends.vllm_engine import close as close_engine
from gpte_data.errors import UserError
from gpte_data.manifest import Mark
from gpte_data.memory import spare_memory
from gpte_data.shard import Job, Tell, run_shard


def run_jobs(jobs: Sequence[Job], engine: str, workers: int, tell: Tell) -> Iterator[Mark]:
    """Yield the marks of all jobs, in order."""
    share = min(workers, len(jobs))
    jobs = [replace(job, cfg=job.cfg.share(share)) for job in jobs]
    if engine == "ray":
        from gpte_data.ray import run_on_ray

        yield from run_on_ray(jobs, workers, tell)
    elif workers > 1 and len(jobs) > 1:
        yield from _run_pool(jobs, min(workers, len(jobs)), tell)
    else:
        yield from (run_shard(job, tell) for job in jobs)


def _run_pool(jobs: Sequence[Job], workers: int, tell: Tell) -> Iterator[Mark]:
    """Run shards in processes of their own, started afresh, each with its share of the machine."""
    gpus = worker_gpus(jobs[0].cfg, workers)
    close_engine()  # one that this process has opened for all shards is in the workers' way
    context = multiprocessing.get_context("spawn")
    reports = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(reports, tell), daemon=True)
    listener.start()
    threads = max(1, (os.cpu_count() or 1) // workers)
    stop = context.Event()
    told = (reports, os.getpid(), stop, dealt(gpus, context))
    with _environment(OMP_NUM_THREADS=str(threads)):
        pool = ProcessPoolExecutor(workers, context, _start_worker, told)
        try:
            yield from pool.map(_work, jobs)
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, most likely for want of memory: the shards that are "
                "done are kept; run the same command again with fewer --workers"
            ) from None
        except (KeyboardInterrupt, GeneratorExit):
            stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        # Only here: a worker that was killed may have died with the lock of the reports.
        reports.put(None)
        listener.join()


def dealt(shares: Sequence[str], context: Any) -> Any:
    """Return a queue from which each worker takes its share of the GPUs, or None if there are none.

    A worker is started when there is work for it, so no argument can be its own.
    """
    if not shares:
        return None
    queue = context.SimpleQueue()
    for share in shares:
        queue.put(share)
    return queue


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables that are not set yet, for the processes started in the block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _listen(reports: Any, tell: Tell) -> None:
    """Pass on what workers report until told to stop."""
    while (report := reports.get()) is not None:
        tell(*report)


_report: Callable[[int, int], None]


def _start_worker(reports: Any, parent: int, stop: Any, gpus: Any) -> None:
    """Prepare a worker: its reports go to the parent, and it ends when the parent does.

    Its GPUs are in the environment before anything is imported that looks for them.
    """
    global _report
    if gpus is not None:
        os.environ[VARIABLE] = gpus.get()
    spare_memory()
    _report = Throttle(lambda rows, tokens: reports.put((rows, tokens)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_end_with, args=(parent, stop), daemon=True).start()


def _end_with(parent: int, stop: Any) -> None:
    """End this process soon after its parent, or when told to; its shard is begun anew."""
    while os.getppid() == parent and not stop.wait(0.5):
        pass
    os._exit(1)


def _work(job: Job) -> Mark:
    mark = run_shard(job, _report)
    if isinstance(_report, Throttle):
        _report.flush()
    return mark


class Throttle:
    """Adds reports up and passes them on at most twice a second."""

    def __init__(self, tell: Tell) -> None:
        self.tell, self.rows, self.tokens, self.last = tell, 0, 0, 0.0

    def __call__(self, rows: int, tokens: int) -> None:
        """Take a report."""
        self.rows += rows
        self.tokens += tokens
        if time.monotonic() - self.last >= 0.5:
            self.flush()

    def flush(self) -> None:
        """Pass on what has come in."""
        self.tell(self.rows, self.tokens)
        self.rows = self.tokens = 0
        self.last = time.monotonic()
