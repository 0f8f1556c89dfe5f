"""Decontamination: are planted texts found, does anything else go, how long does it take.

    python benchmarks/decontamination.py SHARED_DATA [--planted 500] [--workers 2] [--ngram 10]

Rows are the 40,687 abstracts of acl-anthology. Into these are planted queries of test, and passages
that are judged for them, of scifact, cranfield and cisi, and questions and answers of medquad, in
turn in one of five ways: verbatim; in capitals or title case; with other spaces and line breaks;
with one word in 20 changed, at random places; in the middle of a text of the same kind. A text of
fewer than 20 words is changed in no word, as one would be more than one in 20; the last table
counts separately how many texts of each length are found with exactly one word changed.

Printed are what was found by way and set, the time of the command, reading the evaluation sets
included, its memory, and the first 20 false alarms with both texts, to be judged by hand.
"""

import argparse
import gzip
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from gpte_data import io
from gpte_data.contamination.beir_set import parts
from gpte_data.contamination.words import words
from gpte_data.stages import load

SETS = ("scifact", "cranfield", "cisi", "medquad")
BANDS = (5, 10, 15, 20, 40, 100, 10**9)
Row = dict[str, Any]


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def abstracts(data: Path) -> list[str]:
    """Return the texts of acl-anthology."""
    with gzip.open(data / "acl-anthology" / "corpus.jsonl.gz") as file:
        return [orjson.loads(line)["text"] for line in file]


def texts(data: Path) -> Iterator[tuple[str, str]]:
    """Yield what may be planted: the set and part, and the text."""
    for name in SETS:
        for part in parts(data / name, "judged", ""):
            if part.text.strip():
                yield f"{name}, {part.part}", part.text


def cased(text: str, draw: random.Random) -> str:
    """Change case."""
    return draw.choice([str.upper, str.title, str.swapcase])(text)


def spaced(text: str, draw: random.Random) -> str:
    """Change spaces."""
    return "".join(draw.choice(["  ", "\n", "\t", " \n "]) if c == " " else c for c in text)


def changed(text: str, draw: random.Random, count: int | None = None) -> str:
    """Change so many words, or one in 20."""
    found = text.split()
    count = len(found) // 20 if count is None else count
    for place in draw.sample(range(len(found)), count):
        found[place] = f"changed{place}"
    return " ".join(found)


def plant(rows: list[str], data: Path, number: int, draw: random.Random) -> Iterator[Row]:
    """Yield so many rows with a text in them, the ways in turn."""

    def embedded(text: str, draw: random.Random) -> str:
        return f"{draw.choice(rows)} {text} {draw.choice(rows)}"

    ways: dict[str, Callable[[str, random.Random], str]] = {
        "verbatim": lambda text, _: text,
        "re-cased": cased,
        "re-spaced": spaced,
        "one word in 20 changed": changed,
        "embedded": embedded,
    }
    by_set: dict[str, list[str]] = {}
    for name, text in texts(data):
        by_set.setdefault(name, []).append(text)
    names = sorted(by_set)
    for n in range(number):
        way, name = list(ways)[n % len(ways)], names[n // len(ways) % len(names)]
        text = draw.choice(by_set[name])
        yield {"doc_id": f"plant-{n}", "text": ways[way](text, draw), "way": way, "set": name}


def run(folder: Path, data: Path, workers: int, ngram: int) -> tuple[float, float]:
    """Run the command; return seconds and the most megabytes of a process of it."""
    command = [sys.executable, "-m", "gpte_data", "decontaminate", str(folder / "rows")]
    command += ["-o", str(folder / "clean"), "--workers", str(workers), "--ngram", str(ngram)]
    for name in SETS:
        command += ["--against", str(data / name)]
    started = time.monotonic()
    subprocess.run(command, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.monotonic() - started, peak


def report(folder: Path, planted: list[Row]) -> None:
    """Print what was found and what should not have been."""
    rejected = [row for path in (folder / "clean" / "_rejected").glob("*") for row in io.read(path)]
    found = {row["doc_id"] for row in rejected}
    for field in ("way", "set"):
        totals = Counter(row[field] for row in planted)
        hits = Counter(row[field] for row in planted if row["doc_id"] in found)
        for name, total in totals.items():
            say(f"{name:28} {hits[name]:4} of {total}")
    for row in planted:
        if row["doc_id"] not in found:
            say(f"not found, {len(words(row['text']))} words, {row['way']}: {row['text'][:200]!r}")
    false = [row for row in rejected if not row["doc_id"].startswith("plant-")]
    say(f"other rows that went: {len(false)}; the first 20:")
    for row in false[:20]:
        where = f"{row['contaminated_by']}, {row['eval_part']} {row['eval_id']}"
        say(f"  {row['reason']}, {row['overlap']}: {where}\n    {row['text'][:600]!r}")


def one_changed(data: Path, draw: random.Random, ngram: int) -> None:
    """Print how many texts of each length are found with exactly one word changed."""
    bands: dict[int, list[str]] = {}
    for _, text in texts(data):
        bands.setdefault(next(band for band in BANDS if len(words(text)) < band), []).append(text)
    stage = load("decontaminate")
    against = tuple(str(data / name) for name in SETS)
    for band in BANDS:
        some = draw.sample(bands[band], min(200, len(bands[band])))
        rows = [{"doc_id": str(n), "text": changed(text, draw, 1)} for n, text in enumerate(some)]
        left = list(stage(rows, against=against, ngram=ngram))
        say(f"fewer than {band:,} words, one changed: {len(some) - len(left)} of {len(some)}")


def main() -> None:
    """Plant, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--planted", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ngram", type=int, default=10)
    args = parser.parse_args()
    draw, own = random.Random(5), abstracts(args.data)
    planted = list(plant(own, args.data, args.planted, draw))
    rows = [{"doc_id": f"acl-{n}", "text": text} for n, text in enumerate(own)]
    rows += [{"doc_id": row["doc_id"], "text": row["text"]} for row in planted]
    draw.shuffle(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shard in range(8):
            io.write(folder / "rows" / f"{shard:05d}.parquet", rows[shard::8])
        seconds, peak = run(folder, args.data, args.workers, args.ngram)
        say(f"{len(rows):,} rows in {seconds:.1f} s, at most {peak:,.0f} MB a process")
        report(folder, planted)
    one_changed(args.data, draw, args.ngram)


if __name__ == "__main__":
    main()
