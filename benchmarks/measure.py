"""What the benchmarks of the client share: the server, and a process under the meter.

A run is one process, with its children, against a fresh `bench_server.py`. Rates are the server's
(the slope of its answers over time, first and last tenth left out), so start-up and the end of a
run don't count; CPU seconds are those of the same stretch, read from /proc four times a second.
Linux only.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpte_data import manifest
from gpte_data.ledger import Ledger

Command = Sequence[str | Path]
HERE = Path(__file__).parent
COMMAND = Path(sys.executable).parent / "gpte-data"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PEERS = {
    "run_curator": "curator",
    "run_distilabel": "distilabel",
    "run_data_designer": "data-designer",
}
"""Program in peers/ -> its virtual environment, as scripts/peer_venvs.sh makes them."""


@dataclass
class Run:
    """What a run came to."""

    stats: dict[str, float]
    """The server's counts, see bench_server.py."""
    wall: float
    """Seconds from start to exit."""
    cpu: float
    """CPU seconds of the whole process, its start included."""
    steady_cpu: float
    """CPU seconds while the server sent the answers from the first tenth to the last."""
    peak_rss: float
    """MB, of the process and its children, the most seen at one time."""
    max_rss: float
    """MB, the most that one process ever had, by the kernel's own count."""
    code: int
    said: str = ""

    @property
    def rate(self) -> float:
        """Requests answered per second."""
        return self.stats.get("slope", 0.0)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per request, without start-up."""
        return 1000 * self.steady_cpu / max(self.stats.get("steady", 0), 1)

    @property
    def whole_rate(self) -> float:
        """Answers per second from the first request to the last answer."""
        return self.stats["200"] / max(self.stats.get("seconds", 0), 1e-9)

    def answered(self) -> int:
        """Return what a program of peers/ wrote last: how many answers it got; 0 if it failed."""
        lines = [line for line in self.said.splitlines() if line.startswith('{"answered"')]
        return int(json.loads(lines[-1])["answered"]) if lines else 0


@dataclass
class Meter:
    """Reads CPU and memory of a process tree until it has ended."""

    pid: int
    samples: list[tuple[float, float]] = field(default_factory=list)
    """(monotonic time, CPU seconds so far)."""
    peak_rss: float = 0.0

    def run(self, ended: threading.Event) -> None:
        """Sample until told that the process has ended."""
        while not ended.wait(0.25):
            now = time.monotonic()
            cpu, rss = tree_usage(self.pid)
            if cpu:
                self.samples.append((now, max(cpu, self.samples[-1][1] if self.samples else 0)))
                self.peak_rss = max(self.peak_rss, rss)

    def cpu_at(self, when: float) -> float:
        """Return the CPU seconds at a time, by the samples before and after it."""
        before = (self.samples[0][0], 0.0) if self.samples else (when, 0.0)
        for sample in self.samples:
            if sample[0] >= when:
                share = (when - before[0]) / max(sample[0] - before[0], 1e-9)
                return before[1] + share * (sample[1] - before[1])
            before = sample
        return before[1]


def tree_usage(pid: int) -> tuple[float, float]:
    """Return CPU seconds and RSS in MB of a process, its children and theirs; 0 if it is gone.

    Memory that forked processes share is counted for each of them.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except (OSError, IndexError):
        return 0.0, 0.0
    cpu, rss = sum(map(int, stat[11:15])) / TICKS, pages * PAGE / 1e6
    for child_cpu, child_rss in map(tree_usage, children):
        cpu, rss = cpu + child_cpu, rss + child_rss
    return cpu, rss


@contextlib.contextmanager
def server(*options: str) -> Iterator[str]:
    """Give the base URL of a fresh server."""
    command = [sys.executable, str(HERE / "bench_server.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def stats(url: str) -> dict[str, float]:
    """Return the server's counts."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=30) as reply:
        found: dict[str, float] = json.load(reply)
    return found


def measured(command: Command, url: str, *, limit: float = 600.0) -> Run:
    """Run a command against a server and return what it took; kill it after `limit` seconds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    meter, ended = Meter(process.pid), threading.Event()
    thread = threading.Thread(target=meter.run, args=(ended,))
    thread.start()
    timer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    try:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:  # interrupted: it has a session of its own
            os.killpg(process.pid, signal.SIGKILL)
        timer.cancel()
        ended.set()
        thread.join()
    wall = time.monotonic() - started
    counts = stats(url)
    steady = meter.cpu_at(counts.get("last", 0)) - meter.cpu_at(counts.get("first", 0))
    cpu = usage.ru_utime + usage.ru_stime
    own = usage.ru_maxrss / 1000
    return Run(counts, wall, cpu, steady, meter.peak_rss, own, process.returncode, said)


def synth(corpus: Path, output: Path, url: str, in_flight: int, per_passage: int = 3) -> Command:
    """Return the public command that writes queries for the passages of a corpus."""
    command: list[str | Path] = [COMMAND, "synth", corpus, "-o", output, "--recipe", "query"]
    options = ["--llm", "openai:bench", "--base-url", url, "--concurrency", str(in_flight)]
    return [*command, "--per-passage", str(per_passage), *options]


def program(python: Path | str, name: str, url: str, in_flight: int, prompts: Path) -> Command:
    """Return the command that sends prompts through a program of peers/."""
    command = [python, HERE / "peers" / f"{name}.py", "--base-url", url]
    return [*command, "--in-flight", str(in_flight), "--prompts", prompts]


def peers(folder: Path | None) -> dict[str, Path]:
    """Return the peers whose virtual environment is in a folder: program and interpreter."""
    homes = {} if folder is None else {name: folder / home for name, home in PEERS.items()}
    pythons = {name: home / "bin" / "python" for name, home in homes.items()}
    return {name: python for name, python in pythons.items() if python.exists()}


def books(output: Path) -> dict[str, Any]:
    """Return the ledger of a dataset: in, out, dropped and failed by reason."""
    marks = manifest.marks(output).values()
    return Ledger.total(mark.ledger for mark in marks).to_json()
