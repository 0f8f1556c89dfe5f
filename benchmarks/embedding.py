"""Embedding: `gpte-data embed` and sentence-transformers, in one run; and what bfloat16 costs.

    python benchmarks/embedding.py COLLECTION [DOCUMENTS [ROUNDS]]

The first DOCUMENTS passages (3,000) of a collection in BEIR's layout, all-MiniLM-L6-v2. Rates are
of the embedding alone, without the start of a process: ours by what its run takes, the
peer by `encode` at its default, taken in turn; medians. Overlap is the share of each document's ten
nearest by the peer's vectors that ours find too; cosine that of the two vectors of a document.
"""

import gzip
import json
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io
from gpte_data.backends import MINILM, Options, open_embedder
from gpte_data.backends.models import model_path
from gpte_data.corpus import Corpus
from gpte_data.embedding import ensure_vectors, load_vectors
from gpte_data.teachers.model import ModelTeacher

NEAREST = 10


def passages(collection: Path, count: int) -> list[dict[str, Any]]:
    """Return the first passages of a collection."""
    packed = collection / "corpus.jsonl.gz"
    path = packed if packed.is_file() else collection / "corpus.jsonl"
    with path.open("rb") as file:
        lines: Any = gzip.GzipFile(fileobj=file) if path == packed else file
        rows = [json.loads(line) for line in islice(lines, count)]
    return [{"doc_id": row["_id"], "text": row["text"]} for row in rows]


def nearest(vectors: Any) -> Any:
    """Return the places of the ten nearest others of each vector."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    return np.argpartition(-similar, NEAREST, axis=1)[:, :NEAREST]


def ours(rows: list[dict[str, Any]]) -> tuple[float, Any]:
    """Return seconds and vectors of our embedding, from a corpus on disk to vectors on disk."""
    with tempfile.TemporaryDirectory() as folder:
        io.write(Path(folder) / "00000.parquet", rows)
        corpus = Corpus((Path(folder),))
        teacher = ModelTeacher(f"st:{MINILM}", Options(), "", "")
        started = time.monotonic()
        ensure_vectors(corpus, teacher.vector_spec, teacher.open)
        seconds = time.monotonic() - started
        return seconds, load_vectors(corpus, teacher.vector_spec).take(np.arange(len(rows)))


def main() -> None:
    """Print rates, their ratio, overlap and cosine."""
    from sentence_transformers import SentenceTransformer

    collection = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    rows = passages(collection, count)
    texts = [row["text"] for row in rows]
    peer = SentenceTransformer(model_path(MINILM))
    open_embedder(f"st:{MINILM}", Options())
    own_times, peer_times = [], []
    for _ in range(rounds):
        seconds, own = ours(rows)
        own_times.append(seconds)
        started = time.monotonic()
        theirs = peer.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        peer_times.append(time.monotonic() - started)
    mine, other = statistics.median(own_times), statistics.median(peer_times)
    both = zip(nearest(own), nearest(theirs), strict=True)
    overlap = np.mean([len(set(a) & set(b)) / NEAREST for a, b in both])
    cosines = (own * theirs).sum(axis=1)
    sys.stdout.write(
        f"{count:,} passages: gpte-data {count / mine:.0f} a second, sentence-transformers "
        f"{count / other:.0f}: {other / mine:.2f} times as fast\n"
        f"overlap of the {NEAREST} nearest {overlap:.3f}; cosine {cosines.mean():.5f}, lowest "
        f"{cosines.min():.5f}\n"
    )


if __name__ == "__main__":
    main()
