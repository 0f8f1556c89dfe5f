"""Vectors of all rows: those beside their datasets, made where they are missing.

Passages have those that mining makes and uses, queries their own. Rows that lie nowhere (a Python
function's) and pairs with what their positives say are embedded as they come, in memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data import io
from gpte_data.backends import Embedder
from gpte_data.backends.embedded import embed
from gpte_data.backends.vectors_on_disk import ArrayFile, VectorFile, Vectors
from gpte_data.embedding import ensure_vectors
from gpte_data.vectors import VectorSpec, vectors_path

TOGETHER = 4096


@dataclass
class Shards:
    """Some shards of a dataset."""

    shards: list[Path]


@dataclass
class Maker:
    """Makes vectors with one model."""

    spec: VectorSpec
    open: Callable[[], Embedder]
    notes: "Counter[str]"

    def beside(self, shards: Sequence[Path]) -> list[VectorFile]:
        """Return the vectors that lie beside shards; those that are missing are made."""
        self.notes += ensure_vectors(Shards(list(shards)), self.spec, self.open).notes
        return [VectorFile(vectors_path(path, self.spec)) for path in shards]

    def of(self, texts: Iterable[str]) -> ArrayFile:
        """Return the vectors of texts, kept in float16 as those beside a dataset are."""
        source, parts, model = iter(texts), list[Any](), self.open()
        while block := list(islice(source, TOGETHER)):
            made = embed(model, block, self.spec.prompt)
            self.notes["texts longer than the teacher takes, truncated"] += made.truncated
            parts.append(made.vectors.astype(np.float16))
        self.notes = +self.notes
        return ArrayFile(np.concatenate(parts))


def joined(parts: Sequence[VectorFile | ArrayFile], name: str) -> Vectors:
    """Return vectors as one array; raise BadInput if one is zero or not finite."""
    return Vectors(parts).checked(name)


def shards_of(folders: Iterable[Path], ids: Any, field: str) -> list[Path] | None:
    """Return the shards whose rows these are, by their ids, or None if they are of other rows."""
    found, start = list[Path](), 0
    for path in (path for folder in folders for path in io.shards(folder)):
        if start >= len(ids):
            break
        column = io.read_column(path, field, pa.string()).cast(pa.large_string())
        part = ids.slice(start, len(column))
        if not column.slice(0, len(part)).equals(part):
            return None
        found.append(path)
        start += len(column)
    return found if start >= len(ids) else None
