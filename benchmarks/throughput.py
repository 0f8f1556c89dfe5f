"""Requests per second of LLM clients against one server: the least there is, ours, and others'.

    python benchmarks/throughput.py [--peers FOLDER] [--rounds 3] [--in-flight 512 1024]

`bench_server.py` answers every request after 0.5 s with about 100 tokens. In each round every tool
runs once, in turn; the table gives medians over the rounds.

- bare: a pool of workers over aiohttp, see peers/bare.py; ratios are to it, in the same round;
- gpte-data synth: the public command, with recipe, journal, gates and shards;
- OpenAILLM.complete: the same client from Python, by itself;
- the peers whose virtual environments FOLDER has (scripts/peer_venvs.sh).

Rates and CPU are taken by the server's clock between the first and the last tenth of the answers;
`wall` and `CPU whole` are those of the whole process, its start included; RSS is the most that it
and its children had at one time. `in flight` is the most that the server saw.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_prompts import write_corpus, write_prompts
from measure import (
    Command,
    Run,
    books,
    measured,
    peers,
    program,
    server,
    synth,
)

BARE, OURS, API = "bare aiohttp", "gpte-data synth", "OpenAILLM.complete"
FAST, SLOW = 18, 8
"""Prompts for each place in flight: enough for a steady stretch, at most 30 s a run."""
SLOW_AT_MOST = 4096
HEAD = (
    "tool",
    "peak",
    "req/s",
    "of bare",
    "CPU ms",
    "of bare",
    "whole",
    "wall s",
    "RSS MB",
    "lost",
)
TARGETS = {512: (0.85, 2.0), 1024: (0.75, 3.0)}
"""In flight -> the least share of bare's rate, and of the fastest peer's."""


@dataclass
class Tool:
    """Something that sends prompts."""

    name: str
    prompts: int
    command: Callable[[str], Command]
    """From the server's URL."""


@dataclass
class Taken:
    """What a run of a tool came to, and how many prompts it left without an answer."""

    run: Run
    lost: int


def tools(folder: Path, in_flight: int, homes: dict[str, Path]) -> list[Tool]:
    """Return what there is to measure, and write what it reads."""
    fast, slow = FAST * in_flight, min(SLOW * in_flight, SLOW_AT_MOST)
    many, few = folder / f"many{in_flight}.jsonl", folder / f"few{in_flight}.jsonl"
    corpus = write_corpus(folder / f"corpus{in_flight}.jsonl", fast // 3)
    write_prompts(many, fast)
    write_prompts(few, slow)

    def ours(url: str) -> Command:
        return synth(corpus, Path(tempfile.mkdtemp(dir=folder)) / "pairs", url, in_flight)

    def sent(python: Path | str, name: str, prompts: Path, url: str) -> Command:
        return program(python, name, url, in_flight, prompts)

    found = [
        Tool(BARE, fast, partial(sent, sys.executable, "bare", many)),
        Tool(OURS, fast, ours),
        Tool(API, fast, partial(sent, sys.executable, "api", many)),
    ]
    for name, python in homes.items():
        label = name.removeprefix("run_").replace("_", " ")
        found.append(Tool(label, slow, partial(sent, python, name, few)))
    return found


def take(tool: Tool) -> Taken:
    """Run a tool once against a fresh server."""
    with server() as url:
        command = tool.command(url)
        run = measured(command, url, limit=180)
    if run.code:
        raise SystemExit(f"{tool.name} ended with {run.code}:\n{run.said[-3000:]}")
    if tool.name != OURS:
        return Taken(run, tool.prompts - run.answered())
    ledger = books(Path(command[command.index("-o") + 1]))
    return Taken(run, sum(ledger["failed"].values()) + sum(ledger["dropped"].values()))


def line(taken: list[Taken], bare: list[Taken]) -> list[float]:
    """Return a tool's row of the table: medians over the rounds."""
    pairs = list(zip(taken, bare, strict=True))
    columns: list[list[float]] = [
        [one.run.stats["peak_in_flight"] for one in taken],
        [one.run.rate for one in taken],
        [one.run.rate / base.run.rate for one, base in pairs],
        [one.run.cpu_ms for one in taken],
        [one.run.cpu_ms / base.run.cpu_ms for one, base in pairs],
        [1000 * one.run.cpu / one.run.stats["200"] for one in taken],
        [one.run.wall for one in taken],
        [one.run.peak_rss for one in taken],
        [one.lost for one in taken],
    ]
    return [statistics.median(column) for column in columns]


def judge(in_flight: int, rows: dict[str, list[float]]) -> None:
    """Say how ours stands to bare and to the fastest of the others."""
    say = sys.stdout.write
    share, times = TARGETS.get(in_flight, (0.75, 2.0))
    ours, others = rows[OURS], [row for name, row in rows.items() if name not in (BARE, OURS, API)]
    say(f"  {OURS}: {ours[2]:.2f} of bare (wanted {share}), ")
    say(f"CPU {ours[4]:.2f} of bare's (wanted 1.5 at most)")
    if others:
        say(f", {ours[1] / max(row[1] for row in others):.1f} x the fastest peer (wanted {times})")
    say("\n\n")


def table(in_flight: int, taken: dict[str, list[Taken]]) -> None:
    """Print the table of one number in flight."""
    say = sys.stdout.write
    rows = {name: line(runs, taken[BARE]) for name, runs in taken.items()}
    formats = ("{:.0f}", "{:.0f}", "{:.2f}", "{:.2f}", "{:.2f}", "{:.2f}", "{:.1f}", "{:.0f}")
    say(f"{in_flight} in flight\n{HEAD[0]:20}" + "".join(f"{name:>9}" for name in HEAD[1:]) + "\n")
    for name, row in rows.items():
        cells = [form.format(cell) for form, cell in zip((*formats, "{:.0f}"), row, strict=True)]
        say(f"{name:20}" + "".join(f"{cell:>9}" for cell in cells) + "\n")
    judge(in_flight, rows)
    sys.stdout.flush()


def main() -> None:
    """Measure and print a table for each number in flight."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, help="folder made by scripts/peer_venvs.sh")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[512, 1024])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for in_flight in options.in_flight:
            found = tools(Path(temporary), in_flight, peers(options.peers))
            taken: dict[str, list[Taken]] = {tool.name: [] for tool in found}
            for _ in range(options.rounds):
                for tool in found:
                    taken[tool.name].append(take(tool))
            table(in_flight, taken)


if __name__ == "__main__":
    main()
