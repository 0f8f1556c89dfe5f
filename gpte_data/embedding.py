"""Vectors of a corpus or of personas: made where they are missing, loaded without being read."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.backends import Embedder
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors
from gpte_data.corpus import open_corpus
from gpte_data.earlier_vectors import EarlierVectors, hashes, keep_hashes
from gpte_data.files import in_turn, sweep
from gpte_data.ledger import Ledger
from gpte_data.partial_vectors import PartialVectors
from gpte_data.progress import Progress
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.vectors import (
    Sharded,
    VectorSpec,
    is_there,
    missing_shards,
    shard_identity,
    vectors_path,
)  # fmt: skip

Tell = Callable[[int, int], None]


def load_vectors(dataset: Sharded, spec: VectorSpec) -> Vectors:
    """Return the vectors of all shards, on disk; `embed_corpus` has made them."""
    return Vectors([VectorFile(vectors_path(path, spec)) for path in dataset.shards])


def embed_corpus(
    dataset: Sharded, spec: VectorSpec, open_: Callable[[], Embedder], tell: Tell
) -> Iterator[Ledger]:
    """Make the vectors that are missing, shard by shard; yield the books of each shard made."""
    todo = missing_shards(dataset, spec)
    _take_over(todo, spec)
    for shard in todo:
        with in_turn(vectors_path(shard, spec).parent):
            if is_there(shard, spec):  # another process has made them meanwhile
                tell(io.count(shard), 0)
            else:
                yield _embed_shard(shard, spec, open_(), tell)


def _take_over(shards: Sequence[Path], spec: VectorSpec) -> None:
    """Begin each shard with the vectors that its texts had before, in whatever shard.

    All are begun before one is done, which replaces what lay there.
    """
    earlier = EarlierVectors(vectors_path(shards[0], spec).parent) if shards else None
    if earlier is None or not len(earlier.hashes):
        return
    for shard in shards:
        texts, path = _texts(shard, spec.column), vectors_path(shard, spec)
        fingerprint = manifest.fingerprint(shard_identity(shard, spec))
        with in_turn(path.parent), PartialVectors(path, fingerprint, len(texts)) as partial:
            for batch in earlier.find(hashes(texts)[partial.missing]):
                partial.add(batch)


def _embed_shard(shard: Path, spec: VectorSpec, embedder: Embedder, tell: Tell) -> Ledger:
    started = time.monotonic()
    path = vectors_path(shard, spec)
    sweep(path.parent)
    texts = _texts(shard, spec.column)
    identity = shard_identity(shard, spec)
    partial = PartialVectors(path, manifest.fingerprint(identity), len(texts))
    tell(len(texts) - len(partial.missing), 0)
    with partial:
        for batch in embedder.stream([texts[row] for row in partial.missing], spec.prompt):
            partial.add(batch)
            tell(len(batch.positions), 0)
    partial.finish()
    keep_hashes(path, hashes(texts))
    ledger = Ledger(rows_in=len(texts), rows_out=len(texts))
    if partial.truncated:
        ledger.notes["documents longer than the teacher takes, truncated"] += partial.truncated
    mark = manifest.Mark(identity, ledger, manifest.describe(path), time.monotonic() - started)
    manifest.write_mark(path.parent, path.stem, mark)
    return ledger


def _texts(shard: Path, column: str) -> list[str]:
    """Return what is embedded of each row of a shard."""
    if column:
        return [row[column] for row in io.read(shard, (column,))]
    return [full_text(row) for row in io.read(shard, ("title", "text"))]


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
    files = [VectorFile(vectors_path(path, spec)) for path in corpus.shards]
    return Stored(corpus.shards, files)


class Stored:
    """Vectors of passages that are looked up in the order of their corpus.

    In memory are the first id of each shard, and of the shard at hand each passage's place and a
    hash of its text: a passage that says something else is not found.
    """

    def __init__(self, shards: Sequence[Path], files: Sequence[VectorFile]) -> None:
        self.shards = shards
        self.files = files
        firsts = (next(io.read(path, ("doc_id",)), {}).get("doc_id") for path in shards)
        self._shard_of = {doc_id: number for number, doc_id in enumerate(firsts)}
        self._here: dict[str, tuple[int, int]] = {}
        self._array: Any = None

    def find(self, row: Row) -> Any:
        """Return the vector of a passage, (dimension,) in float16, or None."""
        doc_id = row["doc_id"]
        if doc_id not in self._here and doc_id in self._shard_of:
            self._open(self._shard_of[doc_id])
        place, said = self._here.get(doc_id, (-1, 0))
        return self._array[place] if place >= 0 and said == hash(full_text(row)) else None

    def _open(self, shard: int) -> None:
        rows = io.read(self.shards[shard], ("doc_id", "title", "text"))
        self._here = {row["doc_id"]: (n, hash(full_text(row))) for n, row in enumerate(rows)}
        file = self.files[shard]
        self._array = file.block(0, len(file))
