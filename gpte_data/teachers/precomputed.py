"""`vectors:FOLDER`: vectors that were made before, by anything.

The folder holds `documents.npy` and `queries.npy`, and may hold `documents.txt` and `queries.txt`
with an id a line; without them, row i belongs to passage i of the corpus and to pair i. Vectors
need not have length 1.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends.embedded import Embedded
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput, BadOption
from gpte_data.files import sha256_file, signature
from gpte_data.stage import Row
from gpte_data.vectors import VectorSpec

KIND = "vectors:"


class PrecomputedTeacher:
    """Vectors in two files, with their ids beside them or in the order of the rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = f"{KIND}{folder.resolve().name}"
        for name in ("documents.npy", "queries.npy"):
            if not (folder / name).is_file():
                raise BadOption(
                    f"--teacher vectors:{folder} must name a folder with documents.npy and "
                    f"queries.npy: there is no {folder / name}"
                )

    @cached_property
    def identity(self) -> dict[str, str]:
        """The hash of each file."""
        names = ("documents.npy", "queries.npy", "documents.txt", "queries.txt")
        return {n: sha256_file(self.folder / n) for n in names if (self.folder / n).is_file()}

    @property
    def files(self) -> Mapping[str, str]:
        """Those that decide the documents' vectors."""
        return {n: found for n, found in self.identity.items() if n.startswith("documents")}

    @property
    def vector_spec(self) -> VectorSpec:
        """A folder of this one's name; what lies there is held to the hashes of its files."""
        return VectorSpec(self.label, {"kind": "vectors", "folder": str(self.folder.resolve())}, "")

    @cached_property
    def _documents(self) -> Vectors:
        return _opened(self.folder / "documents.npy")

    @cached_property
    def _queries(self) -> Vectors:
        return _opened(self.folder / "queries.npy")

    @cached_property
    def _query_places(self) -> dict[str, int]:
        path = self.folder / "queries.txt"
        found = {query_id: n for n, query_id in enumerate(_lines(path))}
        if len(found) != len(self._queries):
            raise BadInput(
                f"{path} must hold one id for each of the {len(self._queries):,} vectors in "
                f"queries.npy, none twice: found {len(found):,} different ones"
            )
        return found

    @property
    def in_order(self) -> bool:
        """Whether row i of queries.npy belongs to pair i, for want of ids."""
        return not (self.folder / "queries.txt").is_file()

    def check(self, corpus: Corpus, read: Callable[[], Any]) -> None:
        """Raise BadInput unless there is a vector for every passage and every pair."""
        if self._documents.dimension != self._queries.dimension:
            raise BadInput(
                f"{self.folder} holds vectors of two models: documents.npy has "
                f"{self._documents.dimension} numbers a row, queries.npy {self._queries.dimension}"
            )
        self.documents(corpus)
        ids = [row.get("query_id") for row in read()]
        if self.in_order and ids:  # a stream has none yet
            self.tell(ids)
        elif lost := [query_id for query_id in ids if query_id not in self._query_places]:
            raise BadInput(f"{self.folder}/queries.txt has no line for the pair {lost[0]!r}")

    def tell(self, query_ids: Sequence[Any]) -> None:
        """Take the ids of all pairs, in order; from now on a pair is looked up by its own."""
        if len(query_ids) != len(self._queries):
            raise BadInput(
                f"{self.folder}/queries.npy has {len(self._queries):,} vectors for "
                f"{len(query_ids):,} pairs: give queries.txt with their ids, one a line"
            )
        self._query_places = {query_id: n for n, query_id in enumerate(query_ids)}
        if len(self._query_places) != len(query_ids):
            raise BadInput("two pairs have one query_id: give queries.txt with unique ids")

    def ensure(self, corpus: Corpus) -> Mapping[str, int]:
        """Make nothing: all is there."""
        return {}

    def documents(self, corpus: Corpus) -> Vectors:
        """Return the documents' vectors in the order of the corpus."""
        path = self.folder / "documents.txt"
        found = self._documents
        ids = _lines(path) if path.is_file() else None
        if len(corpus.doc_ids) != len(found) or (ids is not None and len(ids) != len(found)):
            raise BadInput(
                f"{self.folder}/documents.npy has {len(found):,} vectors for "
                f"{len(corpus.doc_ids):,} passages in {corpus}"
                + (f" and {len(ids):,} ids in documents.txt" if ids is not None else "")
            )
        if ids is None or all(a == b for a, b in zip(ids, corpus.doc_ids, strict=True)):
            return found
        return found.reordered(_order(ids, corpus, path))

    def queries(self, rows: Sequence[Row]) -> Embedded:
        """Return the vectors of the pairs, by their ids."""
        places = [self._query_places[row["query_id"]] for row in rows]
        return Embedded(self._queries.take(places), 0)


def _order(ids: Sequence[str], corpus: Corpus, path: Path) -> Any:
    """Return where each passage's vector stands."""
    places = {doc_id: n for n, doc_id in enumerate(ids)}
    if len(places) != len(ids):
        raise BadInput(f"{path} holds an id twice: expected one line for each passage")
    if lost := next((doc_id for doc_id in corpus.doc_ids if doc_id not in places), None):
        raise BadInput(f"{path} has no line for {lost!r}, which is in {corpus}")
    return np.array([places[doc_id] for doc_id in corpus.doc_ids], dtype=np.int64)


def _opened(path: Path) -> Vectors:
    """Return a file's vectors, all of them looked at once: finite, not zero, and of length 1."""
    return Vectors([VectorFile(path)]).checked(path)


def _lines(path: Path) -> list[str]:
    """Return the lines of a file of ids."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} can't be read as ids, one a line: {error}") from None


_OPEN: dict[tuple[Any, ...], PrecomputedTeacher] = {}


def opened(folder: Path) -> PrecomputedTeacher:
    """Return the teacher of a folder, opened once in a process as long as its files stay."""
    made = PrecomputedTeacher(folder)
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".npy", ".txt")]
    return _OPEN.setdefault((folder, signature(files)), made)
