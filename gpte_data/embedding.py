"""Vectors of a corpus: made shard by shard where they are missing, loaded without being read."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpte_data import io, manifest
from gpte_data.backends import Embedder
from gpte_data.corpus import Corpus
from gpte_data.files import atomic, sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.records import full_text
from gpte_data.vectors import VectorSpec, missing_shards, shard_identity, vectors_path

Tell = Callable[[int, int], None]
BLOCK = 512
"""Texts embedded between two reports of progress."""


def load_vectors(corpus: Corpus, spec: VectorSpec) -> list[Any]:
    """Return the vectors of each shard, memory-mapped; `embed_corpus` has made them."""
    return [np.load(vectors_path(path, spec), mmap_mode="r") for path in corpus.shards]


def embed_corpus(
    corpus: Corpus, spec: VectorSpec, open_: Callable[[], Embedder], tell: Tell
) -> Iterator[Ledger]:
    """Make the vectors that are missing, shard by shard; yield the books of each shard made."""
    for shard in missing_shards(corpus, spec):
        yield _embed_shard(shard, spec, open_(), tell)


def _embed_shard(shard: Path, spec: VectorSpec, embedder: Embedder, tell: Tell) -> Ledger:
    started = time.monotonic()
    path = vectors_path(shard, spec)
    sweep(path.parent)
    ledger = Ledger()
    texts = [full_text(row) for row in io.read(shard, ("title", "text"))]
    vectors = _embedded(embedder, texts, spec.prompt, ledger, tell)
    with atomic(path) as target:
        _write_array(target, vectors)
    ledger.rows_in = ledger.rows_out = len(texts)
    identity = shard_identity(shard, spec)
    mark = manifest.Mark(identity, ledger, manifest.describe(path), time.monotonic() - started)
    manifest.write_mark(path.parent, path.stem, mark)
    return ledger


def _write_array(target: IO[bytes], array: Any) -> None:
    """Write a .npy file; unlike np.save, with errors of the disk that say what they are."""
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(target, header)
    target.write(np.ascontiguousarray(array).tobytes())


def _embedded(
    embedder: Embedder, texts: Sequence[str], prompt: str, ledger: Ledger, tell: Tell
) -> Any:
    """Embed texts in steps small enough to report on."""
    done = []
    for start in range(0, len(texts), BLOCK):
        part = embedder.embed(texts[start : start + BLOCK], prompt)
        if part.truncated:
            ledger.notes["documents longer than the teacher takes, truncated"] += part.truncated
        done.append(part.vectors)
        tell(len(part.vectors), 0)
    return np.concatenate(done) if done else np.zeros((0, 0), dtype=np.float32)


def ensure_vectors(corpus: Corpus, spec: VectorSpec, open_: Callable[[], Embedder]) -> Ledger:
    """Make the vectors that are missing, with progress; return the books of those made."""
    todo = missing_shards(corpus, spec)
    if not todo:
        return Ledger()
    with Progress("embed", sum(map(io.count, todo))) as progress:
        return Ledger.total(embed_corpus(corpus, spec, open_, progress.add))


class Stack:
    """The vectors of all shards as one array that is never put together in memory."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays
        self.starts = np.cumsum([0, *map(len, arrays)])

    def take(self, positions: Any) -> Any:
        """Return the vectors at the positions, (n, dimension)."""
        shards = np.searchsorted(self.starts, positions, side="right") - 1
        dimension = next((array.shape[1] for array in self.arrays if len(array)), 0)
        taken = np.empty((len(positions), dimension), dtype=np.float32)
        for shard in np.unique(shards):
            mine = shards == shard
            taken[mine] = self.arrays[shard][positions[mine] - self.starts[shard]]
        return taken
