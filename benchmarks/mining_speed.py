"""Time and memory of mining: the public command, and sentence-transformers' miner, in one run.

    python benchmarks/mining_speed.py WORK [DOCUMENTS QUERIES K [ROUNDS]]

Random vectors in clusters, 384 numbers each, are given to both (`--teacher vectors:WORK/vectors`),
so nothing is embedded. Each program is one process from start to exit, writing Parquet; medians of
ROUNDS, taken in turn. Above 500,000 DOCUMENTS vectors are float16 and the peer is left out.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io

DIMENSION, CLUSTERS, BLOCK = 384, 1000, 50_000
LARGE = 500_000
COMMAND = Path(sys.executable).parent / "gpte-data"
HERE = Path(__file__).parent


def unit(random: np.random.Generator, centres: Any, count: int) -> Any:
    """Return vectors around centres."""
    found = centres[random.integers(len(centres), size=count)]
    found = found + random.standard_normal((count, DIMENSION), dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def make(work: Path, documents: int, queries: int) -> None:
    """Write corpus, pairs and vectors."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, DIMENSION), dtype=np.float32)
    (work / "vectors").mkdir(parents=True, exist_ok=True)
    type_ = np.float16 if documents > LARGE else np.float32
    stored = np.lib.format.open_memmap(
        work / "vectors" / "documents.npy", "w+", type_, (documents, DIMENSION)
    )
    for shard, start in enumerate(range(0, documents, BLOCK)):
        count = min(BLOCK, documents - start)
        stored[start : start + count] = unit(random, centres, count)
        rows = ({"doc_id": f"d{n}", "text": f"passage {n}"} for n in range(start, start + count))
        io.write(work / "corpus" / f"{shard:05d}.parquet", rows)
    stored.flush()
    np.save(work / "vectors" / "queries.npy", unit(random, centres, queries).astype(np.float32))
    positives = random.integers(documents, size=queries).tolist()
    (work / "positives.txt").write_text("\n".join(map(str, positives)))
    pairs = (
        {"query_id": f"q{n}", "query": f"question {n}", "positives": [f"d{positive}"]}
        for n, positive in enumerate(positives)
    )
    io.write(work / "pairs" / "00000.parquet", pairs)


def measured(command: list[str]) -> tuple[float, float]:
    """Return seconds and peak resident megabytes of a process."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Print seconds, megabytes and ratios."""
    work = Path(sys.argv[1])
    documents, queries, k = (int(n) for n in sys.argv[2:5] or (200_000, 10_000, 60))
    rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 3
    if not (work / "pairs" / "00000.parquet").is_file():
        make(work, documents, queries)
        # A process' peak counts what its parent held when it was started: begin anew.
        os.execv(sys.executable, [sys.executable, *sys.argv])
    peer = [sys.executable, str(HERE / "peers" / "run_st_miner.py"), str(work), str(k)]
    ours = [
        str(COMMAND), "mine-negatives", str(work / "pairs"), "--corpus", str(work / "corpus"),
        "-o", str(work / "mined"), "--teacher", f"vectors:{work / 'vectors'}", "--top-k", str(k),
    ]  # fmt: skip
    programs = {"gpte-data": ours, "gpte-data, PercPos": [*ours, "--relative-margin", "0.05"]}
    if documents <= LARGE:
        programs |= {"sentence-transformers": peer, "  with FAISS": [*peer, "--faiss"]}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            shutil.rmtree(work / "mined", ignore_errors=True)
            found[name].append(measured(command))
    first = statistics.median(seconds for seconds, _ in found["gpte-data"])
    for name, runs in found.items():
        seconds = statistics.median(one for one, _ in runs)
        peak = max(rss for _, rss in runs)
        sys.stdout.write(
            f"{name:24} {seconds:7.2f} s  {peak:7.0f} MB  ours takes {first / seconds:.2f} of it\n"
        )


if __name__ == "__main__":
    main()
