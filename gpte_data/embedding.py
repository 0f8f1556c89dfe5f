"""Vectors of a corpus or of personas: made where they are missing, loaded without being read."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpte_data import io, manifest
from gpte_data.backends import Embedder
from gpte_data.corpus import open_corpus
from gpte_data.files import atomic, sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.vectors import (
    Sharded,
    VectorSpec,
    missing_shards,
    shard_identity,
    vectors_path,
)  # fmt: skip

Tell = Callable[[int, int], None]
BLOCK = 512
"""Texts embedded between two reports of progress."""


def load_vectors(dataset: Sharded, spec: VectorSpec) -> list[Any]:
    """Return the vectors of each shard, memory-mapped; `embed_corpus` has made them."""
    return [np.load(vectors_path(path, spec), mmap_mode="r") for path in dataset.shards]


def embed_corpus(
    dataset: Sharded, spec: VectorSpec, open_: Callable[[], Embedder], tell: Tell
) -> Iterator[Ledger]:
    """Make the vectors that are missing, shard by shard; yield the books of each shard made."""
    for shard in missing_shards(dataset, spec):
        yield _embed_shard(shard, spec, open_(), tell)


def _embed_shard(shard: Path, spec: VectorSpec, embedder: Embedder, tell: Tell) -> Ledger:
    started = time.monotonic()
    path = vectors_path(shard, spec)
    sweep(path.parent)
    ledger = Ledger()
    texts = _texts(shard, spec.column)
    vectors = _embedded(embedder, texts, spec.prompt, ledger, tell)
    with atomic(path) as target:
        _write_array(target, vectors)
    ledger.rows_in = ledger.rows_out = len(texts)
    identity = shard_identity(shard, spec)
    mark = manifest.Mark(identity, ledger, manifest.describe(path), time.monotonic() - started)
    manifest.write_mark(path.parent, path.stem, mark)
    return ledger


def _texts(shard: Path, column: str) -> list[str]:
    """Return what is embedded of each row of a shard."""
    if column:
        return [row[column] for row in io.read(shard, (column,))]
    return [full_text(row) for row in io.read(shard, ("title", "text"))]


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


def ensure_vectors(dataset: Sharded, spec: VectorSpec, open_: Callable[[], Embedder]) -> Ledger:
    """Make the vectors that are missing, with progress; return the books of those made."""
    todo = missing_shards(dataset, spec)
    if not todo:
        return Ledger()
    with Progress("embed", sum(map(io.count, todo))) as progress:
        return Ledger.total(embed_corpus(dataset, spec, open_, progress.add))


def stored_vectors(folders: tuple[Path, ...], spec: VectorSpec) -> "Stored | None":
    """Return the vectors that lie beside a corpus, or None unless all of them are there."""
    corpus = open_corpus(folders) if folders else None
    if corpus is None or missing_shards(corpus, spec):
        return None
    return Stored(corpus.shards, load_vectors(corpus, spec))


class Stored:
    """Vectors of passages that are looked up in the order of their corpus.

    In memory are the first id of each shard, and of the shard at hand each passage's place and a
    hash of its text: a passage that says something else is not found.
    """

    def __init__(self, shards: Sequence[Path], arrays: Sequence[Any]) -> None:
        self.shards = shards
        self.arrays = arrays
        firsts = (next(io.read(path, ("doc_id",)), {}).get("doc_id") for path in shards)
        self._shard_of = {doc_id: number for number, doc_id in enumerate(firsts)}
        self._here: dict[str, tuple[int, int]] = {}
        self._array: Any = None

    def find(self, row: Row) -> Any:
        """Return the vector of a passage, (dimension,), or None."""
        doc_id = row["doc_id"]
        if doc_id not in self._here and doc_id in self._shard_of:
            self._open(self._shard_of[doc_id])
        place, said = self._here.get(doc_id, (-1, 0))
        return self._array[place] if place >= 0 and said == hash(full_text(row)) else None

    def _open(self, shard: int) -> None:
        rows = io.read(self.shards[shard], ("doc_id", "title", "text"))
        self._here = {row["doc_id"]: (n, hash(full_text(row))) for n, row in enumerate(rows)}
        self._array = self.arrays[shard]


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
