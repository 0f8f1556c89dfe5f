"""Examples as numbers on the disk: some forty bytes each, and their queries' texts.

An example is a query with positives and negatives, by their numbers in the library. Its key is
hash(seed, dataset, query_id, which positive): in its order examples are shuffled, and it is the
same for the same rows, whatever shards they came in.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.emission.spill import Numbers, Room, Texts, offsets_of, ragged
from gpte_data.text_hashes import mixed

LOOK = 1 << 18
"""Examples, or documents, that are looked up together."""
EXAMPLE = np.dtype(
    [
        ("key", "<u8"), ("query", "<u8"), ("row", "<i8"), ("start", "<i8"), ("positives", "<i4"),
        ("negatives", "<i4"), ("dataset", "<u2"), ("part", "<u2"),
    ]
)  # fmt: skip
"""An example: its key, its query's hash, its row, its first document and how many; the kind of its
dataset; where it goes."""
NOWHERE = 0xFFFF
"""The part of an example that is left out."""


@dataclass(frozen=True)
class Examples:
    """Some examples, looked up: n of them with m documents, positives first.

    Attributes:
        table: (n,) of EXAMPLE.
        document: Number in the library, (m,).
        score: (m,) in float32, NaN where there is none.
        grade: (m,) in int32.
        offsets: Where the documents of each start, (n + 1,).
    """

    table: Any
    document: Any
    score: Any
    grade: Any
    offsets: Any

    def side(self, *, positives: bool) -> tuple[Any, Any]:
        """Return the places of all positives or negatives in `document`, and their offsets."""
        counts = self.table["positives" if positives else "negatives"]
        first = self.offsets[:-1] + (0 if positives else self.table["positives"])
        return ragged(first, counts), offsets_of(counts)


class Gathered:
    """Examples and the rows that they come from.

    Args:
        room: Where they lie.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.rows = {name: Texts(room) for name in ("query_id", "query", "instruction", "task")}
        self._examples = Numbers(room, EXAMPLE)
        self._documents = Numbers(room, np.int64)
        self._scores = Numbers(room, np.float32)
        self._grades = Numbers(room, np.int32)

    def __len__(self) -> int:
        return self._examples.length

    def add_rows(self, table: Any) -> int:
        """Take rows of which examples will be added; return the number of the first."""
        first = len(self.rows["query_id"])
        for name, texts in self.rows.items():
            column = table[name] if name in table.column_names else pa.nulls(table.num_rows)
            texts.append(pa.chunked_array(column).combine_chunks())
        return first

    def add(self, table: Any, documents: Any, scores: Any, grades: Any) -> None:
        """Take examples; their documents lie one after the other, positives first."""
        start = self._documents.length
        counts = table["positives"].astype(np.int64) + table["negatives"]
        table["start"] = start + np.cumsum(counts) - counts
        self._examples.append(table)
        self._documents.append(documents)
        self._scores.append(scores)
        self._grades.append(grades)

    def examples(self) -> Any:
        """Return all examples, (n,) of EXAMPLE, which may be changed."""
        return self._examples.read()

    def repeat(self, places: Any, turn: int) -> None:
        """Add examples once more, with keys of their own, so that the copies stand apart."""
        table = self._examples.read()[places]
        table["key"] = mixed(table["key"] + np.uint64(turn))
        self._examples.append(table)

    def kept(self) -> Any:
        """Return the places of the examples that go somewhere, (k,), or None: all of them."""
        found = Numbers(self.room, np.int64)
        for start in range(0, len(self), LOOK):
            block = self._examples.read()["part"][start : start + LOOK]
            found.append(start + np.flatnonzero(block != NOWHERE))
        return None if found.length == len(self) else found.read()

    def used(self, documents: int, places: Any = None) -> Any:
        """Return a mask of the documents that stand in examples, all or some, (documents,)."""
        mask = np.zeros(documents, dtype=bool)
        numbers = self._documents.read()
        for start in range(0, len(numbers) if places is None else len(places), LOOK):
            block = slice(start, start + LOOK)
            mask[numbers[block] if places is None else self.at(places[block]).document] = True
        return mask

    def first_documents(self, places: Any) -> Any:
        """Return the first positive of each example, (n,)."""
        return self._documents.read()[self._examples.read()["start"][places]]

    def at(self, places: Any) -> Examples:
        """Return the examples at some places."""
        table = self._examples.read()[places]
        counts = table["positives"].astype(np.int64) + table["negatives"]
        where = ragged(table["start"], counts)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        document, score, grade = (
            one.read()[where] for one in (self._documents, self._scores, self._grades)
        )
        return Examples(table, document, score, grade, offsets)
