"""A corpus on disk, opened for looking things up: which documents there are, and their texts.

Ids are held in memory; texts are read by shard when asked for, and the last few shards are kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.files import Signature, signature
from gpte_data.records import full_text
from gpte_data.stage import Row

SHARDS_IN_MEMORY = 16


class Corpus:
    """One or more datasets of passages, in the order given.

    Raises:
        BadInput: A dataset is no corpus, is empty, or two documents have the same id.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = folders
        self.shards = [path for folder in folders for path in io.shards(folder)]
        self._texts = lru_cache(maxsize=SHARDS_IN_MEMORY)(_texts)

    @cached_property
    def doc_ids(self) -> list[str]:
        """The ids, in order: position i of the corpus is row i of its vectors."""
        ids: list[str] = []
        for path in self.shards:
            ids.extend(_column(path))
        if not ids:
            raise BadInput(f"{self} is empty: expected at least one passage")
        return ids

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each document stands."""
        found = {doc_id: i for i, doc_id in enumerate(self.doc_ids)}
        if len(found) != len(self.doc_ids):
            twice = next(d for i, d in enumerate(self.doc_ids) if found[d] != i)
            raise BadInput(f"{self} holds doc_id {twice!r} twice: ids must be unique over a corpus")
        return found

    @cached_property
    def _documents(self) -> Mapping[str, str]:
        """Of chunks, the document that each was cut from."""
        return {
            row["doc_id"]: row["source"]
            for path in self.shards
            for row in io.read(path, ("doc_id", "source"))
            if "source" in row
        }

    def document(self, doc_id: str) -> str:
        """Return the document that a chunk was cut from; of what is no chunk, its own id."""
        return self._documents.get(doc_id, doc_id)

    @cached_property
    def _starts(self) -> list[int]:
        """The position of each shard's first document."""
        starts = [0]
        for path in self.shards:
            starts.append(starts[-1] + io.count(path))
        return starts

    def rows(self) -> Iterator[Row]:
        """Yield all passages, in order."""
        for path in self.shards:
            yield from io.read(path, ("doc_id", "title", "text"))

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return title and text of each document, read shard by shard."""
        from bisect import bisect_right

        wanted = sorted({self.position[doc_id] for doc_id in doc_ids})
        found = {}
        for position in wanted:
            shard = bisect_right(self._starts, position) - 1
            texts = self._texts(self.shards[shard])
            found[self.doc_ids[position]] = texts[position - self._starts[shard]]
        return found

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders))


def _column(path: Path) -> Iterator[str]:
    """Yield the ids of a shard."""
    for number, row in enumerate(io.read(path, ("doc_id",)), 1):
        if "doc_id" not in row:
            raise BadInput(
                f"{path} is no corpus: row {number} has no doc_id; make one with gpte-data ingest"
            )
        yield row["doc_id"]


def _texts(path: Path) -> list[str]:
    """Return title and text of each row of a shard."""
    return [full_text(row) for row in io.read(path, ("title", "text"))]


def open_corpus(folders: tuple[Path, ...]) -> Corpus:
    """Return the corpus, opened once in a process as long as its files stay as they are."""
    files = tuple(path for folder in folders for path in io.shards(folder))
    return _open(folders, signature(files))


@lru_cache(maxsize=4)
def _open(folders: tuple[Path, ...], files: Signature) -> Corpus:
    return Corpus(folders)


def corpus_identity(folders: Iterable[Path]) -> list[str]:
    """Return what of a corpus enters a fingerprint: its shards' contents."""
    return [manifest.dataset_content(folder) for folder in folders]
