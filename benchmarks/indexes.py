"""What approximate indexes cost and miss, against exact search, in one run.

    python benchmarks/indexes.py WORK [DOCUMENTS QUERIES]

Random vectors of 384 numbers, twice: around 1,000 centres, as `mining_speed.py` makes them, and
crowded, drawn in 48 directions with a little of all others, where neighbours are hard to tell
apart. Indexes are made as `mine-negatives --index` makes them and lie in WORK; queries are searched
together, for 100 hits each.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gpte_data.backends import Index
from gpte_data.backends.faiss_build import build
from gpte_data.backends.faiss_index import FaissIndex
from gpte_data.backends.flat_index import FlatIndex
from gpte_data.backends.index_settings import Kind, settings
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors
from gpte_data.mining.recall import best_found

DIMENSION, CLUSTERS, DIRECTIONS, K, BLOCK = 384, 1000, 48, 100, 50_000
WARM = 16
Draw = Callable[[np.random.Generator, int], Any]


def clustered(random: np.random.Generator, count: int) -> Any:
    """Return vectors around centres."""
    centres = np.random.default_rng(1).standard_normal((CLUSTERS, DIMENSION), dtype=np.float32)
    noise = random.standard_normal((count, DIMENSION), dtype=np.float32)
    return centres[random.integers(CLUSTERS, size=count)] + noise


def crowded(random: np.random.Generator, count: int) -> Any:
    """Return vectors that differ in few directions."""
    directions = np.random.default_rng(1).standard_normal((DIRECTIONS, DIMENSION), dtype=np.float32)
    noise = random.standard_normal((count, DIMENSION), dtype=np.float32)
    return random.standard_normal((count, DIRECTIONS), dtype=np.float32) @ directions + noise


def unit(vectors: Any) -> Any:
    """Return vectors in length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(path: Path, draw: Draw, documents: int) -> Vectors:
    """Write vectors in float16, and return them from there."""
    random = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (documents, DIMENSION)
    stored = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(0, documents, BLOCK):
        stored[start : start + BLOCK] = unit(draw(random, min(BLOCK, documents - start)))
    stored.flush()
    return Vectors([VectorFile(path)])


def row(name: str, index: Index, vectors: Vectors, queries: Any, built: str) -> None:
    """Search, and print one line."""
    index.hits(queries[:WARM], K)
    started = time.monotonic()
    index.hits(queries, K)
    rate = len(queries) / (time.monotonic() - started)
    found = sum(best_found(vectors, index, queries, K)) / (K * len(queries))
    sys.stdout.write(f"{name:20} {built:>22} {rate:10,.0f} queries/s  recall@{K} {found:.4f}\n")


def main() -> None:
    """Print a line for each index, of both kinds of vectors."""
    work = Path(sys.argv[1])
    documents, count = (int(n) for n in sys.argv[2:4] or (200_000, 1000))
    for draw in (clustered, crowded):
        vectors = make(work / f"{draw.__name__}.npy", draw, documents)
        queries = unit(draw(np.random.default_rng(2), count)).astype(np.float32)
        row(f"{draw.__name__} flat", FlatIndex(vectors), vectors, queries, "")
        for kind in get_args(Kind)[1:]:
            how, path = settings(kind, documents, DIMENSION), work / f"{kind}.index"
            assert how is not None, "too few documents for an index"
            started = time.monotonic()
            with path.open("wb") as file:
                build(vectors, how, file, lambda count: None)
            built = f"{time.monotonic() - started:6.1f} s {path.stat().st_size / 1e6:6,.0f} MB"
            for effort in (1.0, 4.0)[: 1 + (draw is crowded)]:
                index = FaissIndex(vectors, how, path, effort)
                name = f"{draw.__name__} {kind} ×{effort:g}"
                row(name, index, vectors, queries, built)


if __name__ == "__main__":
    main()
