"""Exact search alone: each pass of ours, and faiss' IndexFlatIP, in one run.

    python benchmarks/search.py [DOCUMENTS QUERIES K [ROUNDS]]

Random unit vectors in clusters, 384 numbers each, float32, in a file for ours and in memory for
faiss, which is not charged for adding them. Rates are 2 x documents x queries x 384 operations a
second, medians of ROUNDS taken in turn, with each hit scored again as mining does. The last column
is the share of queries whose best K are faiss' best K; ours scores in float64, so that ties in
float32 may part them.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from mining_speed import CLUSTERS, DIMENSION, unit

from gpte_data.backends.flat_index import FlatIndex, Pass
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors

PASSES: tuple[Pass, ...] = ("bfloat16", "float32", "faiss")


def main() -> None:
    """Print a line for each way."""
    documents, queries, k = (int(n) for n in sys.argv[1:4] or (200_000, 10_000, 50))
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, DIMENSION), dtype=np.float32)
    asked = unit(random, centres, queries)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.npy"
        np.save(path, unit(random, centres, documents))
        peer = faiss.IndexFlatIP(DIMENSION)
        peer.add(np.load(path))
        vectors = Vectors([VectorFile(path)])
        ways: dict[str, Callable[[], Any]] = {"faiss IndexFlatIP": lambda: peer.search(asked, k)[1]}
        for one in PASSES:
            ways[f"ours, {one}"] = partial(searched, FlatIndex(vectors, one), asked, k)
        report(ways, 2 * documents * queries * DIMENSION, rounds)


def searched(index: FlatIndex, asked: Any, k: int) -> Any:
    """Return the positions of the best k."""
    return index.search(asked, k)[1]


def report(ways: dict[str, Callable[[], Any]], operations: int, rounds: int) -> None:
    """Run every way in turn, and print its rate."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.monotonic()
            found[name] = np.sort(way(), axis=1)
            seconds[name].append(time.monotonic() - started)
    first = next(iter(ways))
    base = statistics.median(seconds[first])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        same = float((found[name] == found[first]).all(axis=1).mean())
        sys.stdout.write(
            f"{name:20} {median:7.2f} s  {operations / median / 1e9:6.0f} GFLOP/s  "
            f"{base / median:.2f} of faiss'  same {same:.4f}\n"
        )


if __name__ == "__main__":
    main()
