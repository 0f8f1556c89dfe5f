"""How fast and how flat emission is, against pyarrow writing the very same tables.

    python benchmarks/emission.py [--rows 1000000] [--documents 40000] [--words 120] [--rounds 3]

Makes a corpus and mined rows (10 candidates each, 5 negatives are emitted) once in a folder, then
in each round emits them in a process of its own, and writes what came out again with pyarrow
alone, table by table, reading not counted. Prints rows/s of both, the ratio of their times, that
of their processor time, and the peak memory.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NEGATIVES, CANDIDATES, SHARD = 5, 10, 8192


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--words", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("flags", nargs="*", help="further flags of emit, after --")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="gpte-data-emission-"))
    made(folder, given.rows, given.documents, given.words)
    ratios = []
    for number in range(given.rounds):
        seconds, cpu, peak = emitted(folder, given.flags)
        alone, alone_cpu = rewritten(folder / "out")
        ratios.append(seconds / alone)
        say(
            f"round {number + 1}: emit {given.rows / seconds:,.0f} rows/s ({seconds:.1f} s, "
            f"{cpu:.1f} s of CPU, {peak:,.0f} MB), pyarrow alone {given.rows / alone:,.0f} rows/s "
            f"({alone:.1f} s), ratio {ratios[-1]:.2f}, of CPU {cpu / alone_cpu:.2f}"
        )
    say(f"median ratio {statistics.median(ratios):.2f} over {given.rounds} rounds")
    if given.keep is None:
        shutil.rmtree(folder)


def made(folder: Path, rows: int, documents: int, words: int) -> None:
    """Write a corpus and mined rows, unless they are there."""
    if (folder / "rows").is_dir():
        return
    random = np.random.default_rng(0)
    vocabulary = np.array([f"w{n:x}" for n in range(20_000)])
    (folder / "corpus").mkdir(parents=True)
    lengths = random.integers(words // 2, words * 3 // 2, documents)
    texts = [
        " ".join(vocabulary[(random.pareto(1.1, n) * 20).astype(int) % 20_000]) for n in lengths
    ]
    ids = pa.array([f"doc-{n}" for n in range(documents)])
    pq.write_table(pa.table({"doc_id": ids, "text": texts}), folder / "corpus" / "00000.parquet")
    (folder / "rows").mkdir()
    for number, start in enumerate(range(0, rows, 100_000)):
        count = min(100_000, rows - start)
        write_rows(folder / "rows" / f"{number:05d}.parquet", start, count, ids, random)


def write_rows(
    path: Path, start: int, count: int, ids: pa.Array, random: np.random.Generator
) -> None:
    """Write a shard of mined rows."""
    places = random.integers(0, len(ids), (count, CANDIDATES + 1)).astype(np.int64)
    flat = ids.take(pa.array(places[:, 1:].reshape(-1)))
    offsets = pa.array(np.arange(0, count * CANDIDATES + 1, CANDIDATES, dtype=np.int32))
    score = pa.array(random.random(count * CANDIDATES, dtype=np.float32))
    rank = pa.array(np.tile(np.arange(1, CANDIDATES + 1, dtype=np.int32), count))
    verdict = pa.array(np.tile(["keep"] * 7 + ["drop"] * 3, count))
    source = pa.repeat("st:teacher", count * CANDIDATES)
    names = ["doc_id", "rank", "score", "source", "verdict"]
    structs = pa.StructArray.from_arrays([flat, rank, score, source, verdict], names=names)
    one = pa.array(np.arange(count + 1, dtype=np.int32))
    numbers = range(start, start + count)
    given = pa.repeat(pa.scalar(0.9, pa.float32()), count)
    table = pa.table(
        {
            "query_id": [f"q{n}" for n in numbers],
            "query": [f"what is said of subject {n} in the text?" for n in numbers],
            "positives": pa.ListArray.from_arrays(one, ids.take(pa.array(places[:, 0]))),
            "positive_scores": pa.ListArray.from_arrays(one, given),
            "candidates": pa.ListArray.from_arrays(offsets, structs),
        }
    )  # fmt: skip
    pq.write_table(table, path, row_group_size=8192)


def emitted(folder: Path, flags: list[str]) -> tuple[float, float, float]:
    """Emit in a process of its own; return seconds, seconds of CPU and its peak memory in MB."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    command = [
        sys.executable, "-m", "gpte_data", "emit", str(folder / "rows"), "-o", str(folder / "out"),
        "--corpus", str(folder / "corpus"), "--num-negatives", str(NEGATIVES),
        "--shard-rows", str(SHARD), *flags,
    ]  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"emit ended with {status}")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def rewritten(folder: Path) -> tuple[float, float]:
    """Write the tables of all shards with pyarrow alone; return the seconds, and those of CPU."""
    seconds = cpu = 0.0
    target = folder.parent / "alone"
    target.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        started, used = time.monotonic(), time.process_time()
        pq.write_table(table, target / path.name, compression="zstd")
        seconds += time.monotonic() - started
        cpu += time.process_time() - used
    shutil.rmtree(target)
    return seconds, cpu


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
