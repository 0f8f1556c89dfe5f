"""What random faults cost: `gpte-data synth` with and without them, and a prompt that never works.

    python benchmarks/faults.py [--peers FOLDER] [--rounds 3] [--in-flight 512]

The server (bench_server.py, 0.5 s an answer) gives 10 % of all requests 429 without Retry-After,
whatever the load, and resets 2 % of the connections; a second try of the same request may succeed.
In each round a clean run and a faulty one alternate. `steady` is the ratio of the rates between
the first and the last tenth of the answers, `whole` from the first request to the last answer, so
that a long tail counts; medians. `unanswered` are prompts without an answer in the end, the most
of any faulty run. Then one prompt of all always gets 400: exactly its row may fail.

Exits 1 where a row of ours was lost.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench_prompts import write_corpus, write_prompts
from measure import (
    Run,
    books,
    measured,
    peers,
    program,
    server,
    synth,
)

FAULTS = ("--p429", "0.1", "--preset", "0.02")
BAD = "Passage 1234."
"""Stands in one passage only."""
OURS = "gpte-data synth"
WAVES = {OURS: 18}
"""Prompts for each place in flight; 8 for the others, which are slow."""


@dataclass
class Bench:
    """What all runs share."""

    folder: Path
    in_flight: int
    homes: dict[str, Path]
    unanswered: dict[str, int] = field(default_factory=dict)

    def prompts(self, name: str) -> int:
        """Return how many prompts a tool gets."""
        return WAVES.get(name, 8) * self.in_flight

    def run(self, name: str, *server_options: str) -> tuple[Run, int]:
        """Run a tool against a server with options; return the run and what has no answer."""
        count = self.prompts(name)
        output = Path(tempfile.mkdtemp(dir=self.folder)) / "pairs"
        corpus = write_corpus(self.folder / "corpus.jsonl", count)
        prompts = write_prompts(self.folder / "prompts.jsonl", count, per_passage=1)
        with server(*server_options) as url:
            if name == OURS:
                command = synth(corpus, output, url, self.in_flight, per_passage=1)
            else:
                command = program(self.homes[name], name, url, self.in_flight, prompts)
            run = measured(command, url, limit=240)
        if name != OURS:
            return run, count - run.answered()
        if run.code not in (0, 1):  # 1: done, and some rows failed
            raise SystemExit(f"{OURS} ended with {run.code}:\n{run.said[-3000:]}")
        return run, sum(books(output)["failed"].values())


def compare(bench: Bench, name: str, rounds: int) -> None:
    """Print how a tool fares under faults."""
    pairs = []
    for _ in range(rounds):
        clean, _ = bench.run(name)
        faulty, unanswered = bench.run(name, *FAULTS)
        bench.unanswered[name] = max(unanswered, bench.unanswered.get(name, 0))
        pairs.append((clean, faulty))
    cells = [
        statistics.median(clean.rate for clean, _ in pairs),
        statistics.median(faulty.rate for _, faulty in pairs),
    ]
    steady = statistics.median(faulty.rate / clean.rate for clean, faulty in pairs)
    whole = statistics.median(faulty.whole_rate / clean.whole_rate for clean, faulty in pairs)
    sent = statistics.median(faulty.stats["requests"] / bench.prompts(name) for _, faulty in pairs)
    sys.stdout.write(f"{name:20}{cells[0]:>9.0f}{cells[1]:>9.0f}{steady:>9.2f}{whole:>9.2f}")
    sys.stdout.write(f"{sent:>9.2f}{bench.unanswered[name]:>12}\n")
    sys.stdout.flush()


def one_bad_prompt(bench: Bench, name: str) -> int:
    """Print what a prompt costs that always gets 400; return the rows lost."""
    run, lost = bench.run(name, "--bad-substring", BAD)
    tried = int(run.stats["400"])
    sys.stdout.write(f"{name:20} one prompt always 400: {lost} of {bench.prompts(name):,} rows ")
    sys.stdout.write(f"without an answer, tried {tried} times, exit {run.code}\n")
    return lost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, help="folder made by scripts/peer_venvs.sh")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=512)
    options = parser.parse_args()
    heads = ("clean/s", "faulty/s", "steady", "whole", "sent", "unanswered")
    with tempfile.TemporaryDirectory() as temporary:
        homes = peers(options.peers)
        bench = Bench(Path(temporary), options.in_flight, homes)
        sys.stdout.write(f"{'tool':20}" + "".join(f"{head:>9}" for head in heads[:-1]))
        sys.stdout.write(f"{heads[-1]:>12}\n")
        compare(bench, OURS, options.rounds)
        for name in homes:
            compare(bench, name, 1)
        lost = one_bad_prompt(bench, OURS)
        for name in homes:
            one_bad_prompt(bench, name)
    if bench.unanswered[OURS] or lost != 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
