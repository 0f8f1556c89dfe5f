"""Passages that say the same, word for word: one does not push the other back.

Known by 64 bits of a hash of title and text, eight bytes a passage in memory; the hashes that lie
beside a model's vectors are taken where they are.
"""

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gpte_data import io
from gpte_data.corpus import Corpus
from gpte_data.earlier_vectors import ENDING, hashes
from gpte_data.records import full_text
from gpte_data.spans import spans
from gpte_data.vectors import VectorSpec, is_there, vectors_path


class Copies:
    """Finds the passages of a corpus that have the same text.

    Args:
        found: The hash of each passage, (n,).
    """

    def __init__(self, found: Any) -> None:
        self.order = np.argsort(found, kind="stable").astype(np.int32)
        self.hashes = found[self.order]
        self.place = np.empty(len(found), dtype=np.int32)
        self.place[self.order] = np.arange(len(found), dtype=np.int32)

    def of(self, positions: Any) -> tuple[Any, Any]:
        """Return the passages with the same texts as some (n,), themselves too.

        Returns:
            Positions (m,), and for each which of the n it is a copy of.
        """
        wanted = self.hashes[self.place[positions]]
        starts = np.searchsorted(self.hashes, wanted)
        counts = np.searchsorted(self.hashes, wanted, side="right") - starts
        which = np.repeat(np.arange(len(positions)), counts)
        return self.order[spans(starts, counts)], which


_FOUND: WeakKeyDictionary[Corpus, Copies] = WeakKeyDictionary()


def copies(corpus: Corpus, spec: VectorSpec) -> Copies:
    """Return the copies in a corpus, found once in a process.

    Args:
        corpus: The passages.
        spec: Vectors beside which hashes may lie.
    """
    if corpus not in _FOUND:
        hashed = [_hashes(shard, spec) for shard in corpus.shards]
        _FOUND[corpus] = Copies(np.concatenate(hashed))
    return _FOUND[corpus]


def _hashes(shard: Path, spec: VectorSpec) -> Any:
    """Return the hashes of a shard's texts, (n,)."""
    beside = vectors_path(shard, spec).with_suffix(ENDING)
    if is_there(shard, spec) and beside.is_file():
        return np.load(beside)
    return hashes([full_text(row) for row in io.read(shard, ("title", "text"))])
