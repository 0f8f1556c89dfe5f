"""Evaluation texts as vectors: what says the same in other words.

The vectors are made once and kept in the run's own folder, where other workers find them; a plain
function call keeps them in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends import Embedder
from gpte_data.backends.embedded import embed
from gpte_data.contamination.matching import Found
from gpte_data.files import atomic, in_turn
from gpte_data.progress import Progress

SIMILAR = 3
"""Number of this rule, after those of `matching`."""
CHUNK = 16_384
"""Evaluation texts compared together."""


@dataclass(frozen=True)
class Similar:
    """Vectors of the evaluation texts.

    Attributes:
        embedder: Makes those of rows.
        vectors: Of the evaluation texts, (texts, dimension) in float16.
        group: Number of the group of each, (texts,).
        least: Cosine from which on a row is similar.
    """

    embedder: Embedder
    vectors: Any
    group: Any
    least: float

    def find(self, texts: Sequence[tuple[str, str]]) -> Found:
        """Return for each text the nearest of each group, where it is near enough."""
        said = [" ".join(filter(None, text)) for text in texts]
        rows = [row for row, text in enumerate(said) if text.strip()]
        own = embed(self.embedder, [said[row] for row in rows]).vectors
        own = own.reshape(len(rows), self.vectors.shape[1])
        found = [self._of_group(own, np.array(rows, np.int64), g) for g in np.unique(self.group)]
        row, text, score = (np.concatenate(column) for column in zip(*found, strict=True))
        return Found(row, text, np.full(len(row), SIMILAR), score)

    def _of_group(self, own: Any, rows: Any, group: int) -> tuple[Any, Any, Any]:
        mine = np.flatnonzero(self.group == group)
        best, which = np.full(len(own), -np.inf), np.zeros(len(own), dtype=np.int64)
        for start in range(0, len(mine), CHUNK):
            some = mine[start : start + CHUNK]
            scores = own @ self.vectors[some].astype(np.float32).T
            nearest = scores.argmax(axis=1) if len(own) else which
            score = scores[np.arange(len(own)), nearest]
            better = score > best
            best[better], which[better] = score[better], some[nearest[better]]
        near = best >= self.least
        return rows[near], which[near], best[near]


def stored(texts: Sequence[str], embedder: Embedder, path: Path | None) -> Any:
    """Return the vectors of the evaluation texts in float16, from a file if they lie there."""
    if path is None:
        return _made(texts, embedder)
    with in_turn(path.parent):
        if not path.exists():
            with atomic(path) as target:
                np.lib.format.write_array(target, _made(texts, embedder))
    return np.load(path, mmap_mode="r")


def _made(texts: Sequence[str], embedder: Embedder) -> Any:
    parts = []
    with Progress("evaluation texts", len(texts)) as progress:
        for start in range(0, len(texts), CHUNK):
            some = texts[start : start + CHUNK]
            parts.append(embed(embedder, some).vectors.astype(np.float16))
            progress.add(len(some), 0)
    return np.concatenate(parts)
