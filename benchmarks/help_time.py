"""How long `--help` takes: whole processes, warm, median of ten; the promise is under 0.3 s.

    python benchmarks/help_time.py

A bare `python -c pass` is timed in the same run, for what the machine itself costs.
"""

import statistics
import subprocess
import sys
import time

from gpte_data.commands import COMMANDS
from gpte_data.stages import STAGES

RUNS = 10


def seconds(command: list[str]) -> float:
    """Return the median wall time of a command over RUNS runs, after one that is not counted."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Print one line a command."""
    out = sys.stdout.write
    out(f"{'python -c pass':42} {seconds([sys.executable, '-c', 'pass']):.3f} s\n")
    for name in ("", *STAGES, *COMMANDS):
        words = [name] if name else []
        took = seconds([sys.executable, "-m", "gpte_data", *words, "--help"])
        title = f"gpte-data {name} --help".replace("  ", " ")
        out(f"{title:42} {took:.3f} s{'' if took < 0.3 else '   over 0.3 s'}\n")


if __name__ == "__main__":
    main()
