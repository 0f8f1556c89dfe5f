"""Approximate indexes of a corpus' vectors: made once, kept beside them, loaded without being read.

`CORPUS/_vectors/NAME/ivf.index`, where NAME is that of the vectors; of a corpus of several datasets
it lies with the first, and its name has a hash of them all. Its mark says of which vectors it was
made and how: where either has changed, it is made again.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gpte_data import manifest
from gpte_data.backends import Index
from gpte_data.backends.index_settings import Kind, Search, Settings, settings
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.corpus import Corpus
from gpte_data.files import atomic, in_turn, sweep
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.vectors import VectorSpec, shard_identity, vectors_path

VERSION = 1
"""Of how indexes are made; raised when the same vectors and settings would give others."""


@dataclass(frozen=True)
class IndexPlace:
    """The vectors of a corpus, and where their indexes lie."""

    corpus: Corpus
    spec: VectorSpec
    files: Mapping[str, str]
    """Hashes of files that the vectors were given in."""
    vectors: Vectors

    def settings(self, kind: Kind) -> Settings | None:
        """Return how these vectors are indexed, or None where they are searched exactly."""
        return settings(kind, len(self.vectors), self.vectors.dimension)

    def path(self, kind: Kind) -> Path:
        """Return where an index lies."""
        folders = [str(folder.resolve()) for folder in self.corpus.folders]
        several = f"-{manifest.fingerprint({'of': folders})[:8]}" if len(folders) > 1 else ""
        return vectors_path(self.corpus.shards[0], self.spec).parent / f"{kind}{several}.index"

    @cached_property
    def _made_of(self) -> dict[str, Any]:
        shards = [shard_identity(shard, self.spec) for shard in self.corpus.shards]
        return {"version": VERSION, "vectors": shards, "files": dict(self.files)}

    def identity(self, made: Settings) -> dict[str, Any]:
        """Return what decides an index."""
        return self._made_of | {"settings": asdict(made)}


def ensure_index(place: IndexPlace, kind: Kind) -> None:
    """Make an index where it is missing, or was made of other vectors."""
    made = place.settings(kind)
    if made is None or _is_there(place, made):
        return
    with in_turn(place.path(kind).parent):
        if not _is_there(place, made):  # another process may have made it meanwhile
            _make(place, made)


def open_index(place: IndexPlace, search: Search) -> Index:
    """Return an index that `ensure_index` has made, or exact search where there are few vectors."""
    from gpte_data.backends.faiss_index import FaissIndex
    from gpte_data.backends.flat_index import FlatIndex

    made = place.settings(search.kind)
    if made is None:
        return FlatIndex(place.vectors)
    return FaissIndex(place.vectors, made, place.path(search.kind), search.effort)


def _is_there(place: IndexPlace, made: Settings) -> bool:
    path = place.path(made.kind)
    mark = manifest.read_mark(path.parent, path.name)
    if mark is None or not path.is_file() or path.stat().st_size != mark.output["size"]:
        return False
    return manifest.fingerprint(mark.identity) == manifest.fingerprint(place.identity(made))


def _make(place: IndexPlace, made: Settings) -> None:
    from gpte_data.backends.faiss_build import build

    started = time.monotonic()
    path, rows = place.path(made.kind), len(place.vectors)
    sweep(path.parent)

    def unmark() -> None:
        manifest.mark_path(path.parent, path.name).unlink(missing_ok=True)

    with Progress(f"{made.kind} index", rows) as progress, atomic(path, unmark) as target:
        build(place.vectors, made, target, progress.add)
    mark = manifest.Mark(
        place.identity(made),
        Ledger(rows_in=rows, rows_out=rows),
        {"name": path.name, "size": path.stat().st_size},
        time.monotonic() - started,
    )
    manifest.write_mark(path.parent, path.name, mark)
