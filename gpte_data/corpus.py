"""A corpus on disk, opened for looking things up: which documents there are, and their texts.

Ids are held in memory; texts are read by shard when asked for, and the last few shards are kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.files import Signature, signature
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.text_hashes import hashes

if TYPE_CHECKING:
    from gpte_data.doc_ids import DocIds, Positions

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
        self._hashes: dict[Path, Any] = {}

    @cached_property
    def doc_ids(self) -> "DocIds":
        """The ids, in order: position i of the corpus is row i of its vectors."""
        from gpte_data.doc_ids import DocIds

        ids = DocIds(_ids(path) for path in self.shards)
        if not len(ids):
            raise BadInput(f"{self} is empty: expected at least one passage")
        return ids

    @cached_property
    def position(self) -> "Positions":
        """Where each document stands."""
        from gpte_data.doc_ids import Positions

        found = Positions(self.doc_ids)
        if (twice := found.twice()) is not None:
            raise BadInput(f"{self} holds doc_id {twice!r} twice: ids must be unique over a corpus")
        return found

    @cached_property
    def documents(self) -> Any:
        """Of each passage a number for the document that it was cut from, (n,), or None.

        Passages of one document have the same number, which is below 0 for what is no chunk; None
        where the whole corpus has no chunks.
        """
        import numpy as np

        numbers: dict[str, int] = {}
        parts = [_sources(path, numbers) for path in self.shards]
        return np.concatenate(parts) if numbers else None

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
        wanted = sorted({self.position[doc_id] for doc_id in doc_ids})
        texts = self.texts_at(wanted)
        return {self.doc_ids[position]: text for position, text in zip(wanted, texts, strict=True)}

    def texts_at(self, positions: Sequence[int]) -> list[str]:
        """Return title and text of the documents at positions that rise."""
        from bisect import bisect_right

        found = []
        for position in map(int, positions):
            shard = bisect_right(self._starts, position) - 1
            texts = self._texts(self.shards[shard])
            found.append(texts[position - self._starts[shard]])
        return found

    def hashes_at(self, positions: Any) -> Any:
        """Return the hashes of the documents at positions (n,) that rise: (n, 2), see text_hashes.

        Of each shard that is asked about all hashes are made at once, and kept: 16 bytes a text.
        """
        import numpy as np

        found = np.zeros((len(positions), 2), dtype="<u8")
        cuts = np.searchsorted(positions, self._starts)
        for shard, path in enumerate(self.shards):
            mine = slice(cuts[shard], cuts[shard + 1])
            if mine.start == mine.stop:
                continue
            if path not in self._hashes:
                self._hashes[path] = hashes(self._texts(path))
            found[mine] = self._hashes[path][positions[mine] - self._starts[shard]]
        return found

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders))


def _ids(path: Path) -> Any:
    """Return the ids of a shard as an Arrow array."""
    import pyarrow as pa

    column = io.read_column(path, "doc_id", pa.string())
    if column.null_count:
        number = column.is_null().to_pylist().index(True) + 1
        raise BadInput(
            f"{path} is no corpus: row {number} has no doc_id; make one with gpte-data ingest"
        )
    return column


def _sources(path: Path, numbers: dict[str, int]) -> Any:
    """Return for each row of a shard the number of its document; new documents get the next one."""
    import numpy as np
    import pyarrow as pa

    column = io.read_column(path, "source", pa.string())
    if column.null_count == len(column):
        return np.full(len(column), -1, dtype=np.int32)
    coded = column.dictionary_encode()
    words = coded.dictionary.to_pylist()
    codes = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int32)
    return np.append(codes, np.int32(-1))[coded.indices.fill_null(len(words)).to_numpy()]


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
