"""Vectors of a corpus: made once, kept beside it, row i of the array for row i of the shard.

`CORPUS/_vectors/NAME/00000.npy`, memory-mapped, where NAME ends with a hash of what made them:
the teacher's files, the prompt put before each document, and the shard's content is in the mark.
Vectors of another teacher lie beside and are never mistaken for these.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io, manifest
from gpte_data.backends import Embedder
from gpte_data.corpus import Corpus
from gpte_data.files import atomic, sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.records import full_text

Tell = Callable[[int, int], None]
BLOCK = 4096


@dataclass(frozen=True)
class VectorSpec:
    """What decides a corpus' vectors."""

    teacher: str
    identity: dict[str, str]
    prompt: str

    @property
    def folder(self) -> str:
        """A folder name that is readable and belongs to these vectors alone."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", self.teacher.rstrip("/"))[-48:].strip("-.")
        made_by = {"teacher": self.identity, "prompt": self.prompt}
        return f"{readable}-{manifest.fingerprint(made_by)[:8]}"


def vectors_path(shard: Path, spec: VectorSpec) -> Path:
    """Return where the vectors of a shard lie."""
    return shard.parent / "_vectors" / spec.folder / f"{io.stem(shard)}.npy"


def load_vectors(corpus: Corpus, spec: VectorSpec) -> list[Any]:
    """Return the vectors of each shard, memory-mapped; `embed_corpus` has made them."""
    return [np.load(vectors_path(path, spec), mmap_mode="r") for path in corpus.shards]


def missing_shards(corpus: Corpus, spec: VectorSpec) -> list[Path]:
    """Return the shards whose vectors are not there, or belong to other content."""
    return [path for path in corpus.shards if not _is_there(path, spec)]


def _identity(shard: Path, spec: VectorSpec) -> dict[str, Any]:
    return {"teacher": spec.identity, "prompt": spec.prompt, "input": manifest.content(shard)}


def _is_there(shard: Path, spec: VectorSpec) -> bool:
    path = vectors_path(shard, spec)
    mark = manifest.read_mark(path.parent, path.stem)
    if mark is None or not path.is_file():
        return False
    same = manifest.fingerprint(mark.identity) == manifest.fingerprint(_identity(shard, spec))
    return same and path.stat().st_size == mark.output["size"]


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
    blocks = []
    for start in range(0, len(texts), BLOCK):
        piece = texts[start : start + BLOCK]
        blocks.append(_embedded(embedder, piece, spec.prompt, ledger, tell))
    vectors = np.concatenate(blocks) if blocks else np.zeros((0, 0), dtype=np.float32)
    with atomic(path) as target:
        np.save(target, vectors)
    ledger.rows_in = ledger.rows_out = len(texts)
    identity = _identity(shard, spec)
    mark = manifest.Mark(identity, ledger, manifest.describe(path), time.monotonic() - started)
    manifest.write_mark(path.parent, path.stem, mark)
    return ledger


def _embedded(
    embedder: Embedder, texts: Sequence[str], prompt: str, ledger: Ledger, tell: Tell
) -> Any:
    """Embed a block in steps small enough to report on."""
    done = []
    for start in range(0, len(texts), 512):
        part = embedder.embed(texts[start : start + 512], prompt)
        if part.truncated:
            ledger.notes["documents longer than the teacher takes, truncated"] += part.truncated
        done.append(part.vectors)
        tell(len(part.vectors), 0)
    return np.concatenate(done)


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
        dimension = self.arrays[0].shape[1]
        taken = np.empty((len(positions), dimension), dtype=np.float32)
        for shard in np.unique(shards):
            mine = shards == shard
            taken[mine] = self.arrays[shard][positions[mine] - self.starts[shard]]
        return taken
