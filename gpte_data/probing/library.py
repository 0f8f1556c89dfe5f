"""Every text once, with its vector: those of a corpus where they stand, others in a cache.

What is looked up is a text's hash. Texts that no corpus holds are written as a dataset of their
own, whose vectors lie beside it like any corpus'; so a run that was killed goes on, and a cache
that is kept gives its vectors to the next run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.text_hashes import hashes

SHARD = 8192


class Library:
    """Texts by number: first those of the corpora, then those that were added.

    Args:
        corpora: Folders whose texts have a place already.
        folder: Where other texts are written.
    """

    def __init__(self, corpora: tuple[Path, ...], folder: Path) -> None:
        self.corpora, self.folder = corpora, folder / "texts"
        self.added = 0
        self._places: dict[bytes, int] = {}
        self._new: list[Row] = []
        self._shards: list[Path] = []
        self.corpus = open_corpus(corpora) if corpora else None
        self._count = 0
        for path in self.corpus.shards if self.corpus else ():
            for key in _keys([full_text(row) for row in io.read(path, ("title", "text"))]):
                self._places.setdefault(key, self._count)
                self._count += 1

    def place(self, texts: Sequence[str]) -> Any:
        """Return the number of each text, (n,); what is not there yet is added."""
        import numpy as np

        found = np.empty(len(texts), dtype=np.int64)
        for n, (key, text) in enumerate(zip(_keys(texts), texts, strict=True)):
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = self._count + self.added
                self._new.append({"doc_id": key.hex(), "text": text})
                self.added += 1
                if len(self._new) == SHARD:
                    self.flush()
            found[n] = place
        return found

    def flush(self) -> None:
        """Write what was added."""
        if self._new:
            path = self.folder / f"{len(self._shards):05d}.parquet"
            io.write(path, self._new)
            self._shards.append(path)
            self._new = []

    def whole(self) -> Corpus:
        """Return all texts as one corpus, in the order of their numbers."""
        self.flush()
        for stale in io.shard_files(self.folder):
            if stale not in self._shards:  # of a larger run into the same cache
                stale.unlink()
        return open_corpus((*self.corpora, *([self.folder] if self._shards else [])))


def _keys(texts: Sequence[str]) -> list[bytes]:
    return [one.tobytes() for one in hashes(texts)]
