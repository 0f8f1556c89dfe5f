"""How long exact ranks of positives in a whole corpus take, beside an exact search for the best.

    python benchmarks/consistency.py --documents 200000 --queries 4096

The ranks are those of `filter-pairs`, whatever they are; the search (`FlatIndex`) finds the best 50
only. Both look at all vectors on disk once. Random unit vectors; one positive a query.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends.flat_index import FlatIndex
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors
from gpte_data.pair_rules.counting import above, scores_at


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--dimension", type=int, default=384)
    asked = parser.parse_args()
    dice = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.npy"
        np.save(path, _unit(dice, asked.documents, asked.dimension).astype(np.float16))
        vectors, queries = Vectors([VectorFile(path)]), _unit(dice, asked.queries, asked.dimension)
        owners = np.arange(asked.queries)
        positions = dice.integers(0, asked.documents, asked.queries)
        found = [
            _timed("search, best 50", lambda: FlatIndex(vectors).hits(queries, 50)),
            _timed("ranks", lambda: above(vectors, queries, owners, scores_at(
                vectors, positions, queries, owners))),
        ]  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"ranks / search: {found[1] / found[0]:.2f}; peak {peak:,.0f} MB\n")


def _unit(dice: np.random.Generator, count: int, dimension: int) -> Any:
    vectors = dice.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _timed(name: str, work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    seconds = time.monotonic() - started
    sys.stdout.write(f"{name}: {seconds:.1f} s\n")
    return seconds


if __name__ == "__main__":
    main()
