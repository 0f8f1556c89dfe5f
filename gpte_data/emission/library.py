"""The documents of all datasets' corpora by one number each, and the texts of those that are used.

Two datasets may have the same corpus; it is opened once.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data import io
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.emission.spill import Room, Texts
from gpte_data.errors import BadInput

_REMEDY = "give its corpus too; of passages that a recipe wrote, gpte-data passages makes one"


class Library:
    """The documents of several corpora.

    Args:
        folders: Name of a dataset -> its corpus.
    """

    def __init__(self, folders: Mapping[str, tuple[Path, ...]]) -> None:
        kinds = list(dict.fromkeys(folders.values()))
        self.corpora = [open_corpus(one) for one in kinds]
        sizes = [len(corpus.doc_ids) for corpus in self.corpora]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._of = {name: kinds.index(one) for name, one in folders.items()}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def corpus(self, dataset: str) -> Corpus:
        """Return the corpus of a dataset."""
        return self.corpora[self._of[dataset]]

    def span(self, dataset: str) -> slice:
        """Return which numbers a dataset's documents have."""
        number = self._of[dataset]
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def of(self, numbers: Any) -> tuple[Any, Any]:
        """Return the corpus of each document, and its position there, (n,) each."""
        owner = np.searchsorted(self.starts, numbers, side="right") - 1
        return owner, numbers - self.starts[owner]

    def doc_ids(self, numbers: Any) -> list[str]:
        """Return the ids of documents by their numbers."""
        owner, position = self.of(numbers)
        found = np.empty(len(numbers), dtype=object)
        for one in np.unique(owner).tolist():
            mine = owner == one
            found[mine] = self.corpora[one].doc_ids.take(position[mine]).to_pylist()
        return list(found)

    def places(self, dataset: str, doc_ids: Any) -> Any:
        """Return the numbers of a dataset's documents, (n,) in int64; -1 for those unknown."""
        number = self._of[dataset]
        if not len(doc_ids):
            return np.zeros(0, dtype=np.int64)
        found = self.corpora[number].position.of(doc_ids).astype(np.int64)
        return np.where(found < 0, -1, found + self.starts[number])

    def found(self, dataset: str, doc_ids: Any, query_ids: Callable[[int], str], mined: Any) -> Any:
        """Return the numbers of documents as `places` does; raise BadInput for one unknown.

        Args:
            dataset: Its name.
            doc_ids: An Arrow array, (n,).
            query_ids: Returns the query of the n-th.
            mined: Which of them come from rows that were mined, (n,).
        """
        found = self.places(dataset, doc_ids)
        if len(lost := np.flatnonzero(found < 0)):
            first = int(lost[0])
            remedy = "give the corpus that was mined" if mined[first] else _REMEDY
            raise BadInput(
                f"row {query_ids(first)!r} names {doc_ids[first].as_py()!r}, "
                f"which is not in {self.corpus(dataset)}: {remedy}"
            )
        return found

    def shelved(self, used: Any, room: Room) -> "Shelf":
        """Return the texts of the documents of a mask, (documents,)."""
        shelf = Shelf(used, room)
        for table in self.tables():
            shelf.add(table)
        return shelf

    def tables(self, dataset: str | None = None) -> Iterator[Any]:
        """Yield all documents, or those of one dataset, in order: doc_id, title, text."""
        corpora = self.corpora if dataset is None else [self.corpus(dataset)]
        for corpus in corpora:
            for path in corpus.shards:
                names = ("doc_id", "title", "text")
                columns = [io.read_column(path, name, pa.large_string()) for name in names]
                yield pa.table([one.fill_null("") for one in columns], names=list(names))


class Shelf:
    """The texts of the documents that examples hold, on the disk.

    Args:
        used: Which documents of the library, (documents,).
        room: Where they lie.
    """

    def __init__(self, used: Any, room: Room) -> None:
        self.used = used
        self.places = np.cumsum(used, dtype=np.int64) - 1
        self.columns = {name: Texts(room) for name in ("doc_id", "title", "text")}
        self._next = 0

    def add(self, table: Any) -> None:
        """Take those of the next documents that are used."""
        mask = self.used[self._next : self._next + table.num_rows]
        self._next += table.num_rows
        taken = table.take(pa.array(np.flatnonzero(mask)))
        _check(taken)
        for name, texts in self.columns.items():
            texts.append(taken[name].combine_chunks())

    def take(self, name: str, numbers: Any) -> Any:
        """Return the ids, titles or texts of documents by their numbers, as an Arrow array."""
        return self.columns[name].take(self.places[numbers])

    def sizes(self) -> Any:
        """Return how many bytes of title and text each document on the shelf has, (used,)."""
        return self.columns["title"].sizes() + self.columns["text"].sizes()

    def tables(self, mask: Any = None) -> Iterator[Any]:
        """Yield what is on the shelf, or those documents of a mask of all, in their order."""
        wanted = np.flatnonzero(self.used if mask is None else self.used & mask)
        for start in range(0, len(wanted), 4096):
            part = wanted[start : start + 4096]
            yield pa.table({name: self.take(name, part) for name in self.columns})

    def rest(self) -> None:
        """Let the system have back the memory of what was read."""
        for texts in self.columns.values():
            texts.rest()


def _check(taken: Any) -> None:
    """Raise BadInput for a document of an example that says nothing."""
    text = pc.binary_length(pc.utf8_trim_whitespace(taken["text"]))
    both = pc.add(pc.binary_length(taken["title"]), text)
    if pc.any(pc.equal(both, 0)).as_py():
        bare = taken["doc_id"][pc.index(both, 0).as_py()].as_py()
        raise BadInput(
            f"the document {bare!r} has no text, and examples hold it: "
            "take it out of the corpus and mine again, as gpte-data ingest does by itself"
        )
