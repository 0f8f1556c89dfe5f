"""Texts without examples, as numbers on the disk: queries, and documents of the library.

Each text has a key, hash(seed, text): in its order texts are shuffled, and those that say the same
stand side by side, so that only one of them stays.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.library import Library, Shelf
from gpte_data.emission.ordering import shuffled
from gpte_data.emission.sources import dataset_of
from gpte_data.emission.spill import Numbers, Room, Texts
from gpte_data.errors import BadInput
from gpte_data.formats.block import full, instructed
from gpte_data.stage import Event, Expanded, Rejected
from gpte_data.text_hashes import hashes, mixed

ENTRY = np.dtype([("key", "<u8"), ("check", "<u8"), ("number", "<i8"), ("part", "<u2")])
"""A text: its key, the rest of its hash, its document's number, or -1 - its query's."""
BLANK = "no text"
AGAIN = "the same text as another"


class TextsAlone:
    """Takes tables of pairs or of passages, and yields what is left out of them.

    Of pairs it takes the queries, and all documents of their corpus; of passages themselves.

    Args:
        library: All documents.
        room: Where texts lie.
        seed: Of the shuffle.
        prompts: What stands before each query, and before each document.
        instruction: Of a row that has none.
        template: Instruction and query.
    """

    def __init__(
        self, library: Library, room: Room, seed: int, prompts: tuple[str, str],
        instruction: str, template: str,
    ) -> None:  # fmt: skip
        self.library, self.room = library, room
        self.query_prompt, self.doc_prompt = prompts
        self.instruction, self.template = instruction, template
        self.queries = {name: Texts(room) for name in ("query_id", "query")}
        self.wanted = np.zeros(len(library), dtype=bool)
        self.shelf = Shelf(self.wanted, room)
        self._salt = hashes([str(seed)])[0, 0]
        self._paired: set[str] = set()
        self._entries = Numbers(room, ENTRY)

    def take(self, table: Any) -> Iterator[Event]:
        """Take the rows of a table."""
        if _has(table, "query") and _has(table, "query_id"):
            self._paired.add(dataset_of(table))
            yield from self._take_queries(table)
        elif _has(table, "doc_id"):
            yield from self._take_passages(table)
        else:
            where = dataset_of(table) or "the input"
            raise BadInput(
                f"a row of {where} has neither query_id and query nor doc_id: "
                "give pairs, whose corpus is taken with them, or passages"
            )

    def _take_queries(self, table: Any) -> Iterator[Event]:
        query = pc.fill_null(table["query"].combine_chunks().cast(pa.string()), "")
        said = _said(query)
        for place in np.flatnonzero(~said).tolist():
            yield Rejected({"query_id": table["query_id"][place].as_py()}, BLANK)
        mask = pa.array(said)
        read = instructed(query, self._instructions(table), self.template).filter(mask)
        first = len(self.queries["query"])
        self.queries["query_id"].append(table["query_id"].combine_chunks().filter(mask))
        self.queries["query"].append(read)
        self._add(read, self.query_prompt, -1 - first - np.arange(len(read)))

    def _instructions(self, table: Any) -> Any:
        """Return the instruction of each row, (n,)."""
        if not _has(table, "instruction"):
            return pa.repeat(self.instruction, table.num_rows)
        found = pc.fill_null(table["instruction"].combine_chunks().cast(pa.string()), "")
        return pc.if_else(pc.equal(found, ""), self.instruction, found)

    def _take_passages(self, table: Any) -> Iterator[Event]:
        ids = table["doc_id"].combine_chunks().cast(pa.string())
        numbers = self.library.places(dataset_of(table), ids)
        if len(lost := np.flatnonzero(numbers < 0)):
            raise BadInput(
                f"passage {ids[int(lost[0])].as_py()!r} is not in "
                f"{self.library.corpus(dataset_of(table))}: give the corpus that holds it"
            )
        new = np.zeros(len(numbers), dtype=bool)
        new[np.unique(numbers, return_index=True)[1]] = True
        new &= ~self.wanted[numbers]
        self.wanted[numbers] = True
        for place in np.flatnonzero(~new).tolist():
            yield Rejected({"doc_id": ids[place].as_py()}, AGAIN)

    def take_documents(self) -> Iterator[Event]:
        """Take the documents, once all rows have been taken."""
        named = int(self.wanted.sum())
        for dataset in self._paired:
            self.wanted[self.library.span(dataset)] = True
        if more := int(self.wanted.sum()) - named:
            yield Expanded(more)
        self.shelf = self.library.shelved(self.wanted, self.room)
        numbers, start = np.flatnonzero(self.wanted), 0
        for table in self.shelf.tables():
            text = full(*(table[name].combine_chunks() for name in ("title", "text")))
            here, said = numbers[start : start + len(text)], _said(text)
            start += len(text)
            for place in np.flatnonzero(~said).tolist():
                yield Rejected({"doc_id": table["doc_id"][place].as_py()}, BLANK)
            self._add(text.filter(pa.array(said)), self.doc_prompt, here[said])

    def _add(self, texts: Any, prompt: str, numbers: Any) -> None:
        """Add texts, as a model reads them with a prompt before each."""
        found = hashes(prompt + text for text in texts.to_pylist())
        made = np.zeros(len(texts), dtype=ENTRY)
        made["key"], made["check"] = mixed(found[:, 0] ^ self._salt), found[:, 1]
        made["number"] = numbers
        self._entries.append(made)

    def distinct(self, numbers: Numbers) -> Iterator[Event]:
        """Put the numbers of all different texts aside, in order; yield the others as rejected."""
        entries, last = self._entries.read(), np.zeros(1, dtype=ENTRY)[["key", "check"]]
        for places in shuffled(entries, 0):
            here = entries[places]
            before = np.concatenate([last, here[["key", "check"]][:-1]])
            same = (here["key"] == before["key"]) & (here["check"] == before["check"])
            numbers.append(here["number"][~same])
            for row in self._rows(here["number"][same]):
                yield Rejected(row, AGAIN)
            last = here[["key", "check"]][-1:]

    def _rows(self, numbers: Any) -> Iterator[dict[str, Any]]:
        """Yield what is said of texts that are left out: their ids."""
        documents, queries = numbers[numbers >= 0], -1 - numbers[numbers < 0]
        for doc_id in self.shelf.take("doc_id", documents).to_pylist():
            yield {"doc_id": doc_id}
        for query_id in self.queries["query_id"].take(queries).to_pylist():
            yield {"query_id": query_id}

    def sizes(self, numbers: Any) -> Any:
        """Return how many bytes each text has, (n,)."""
        found = np.zeros(len(numbers), dtype=np.int64)
        mine = numbers >= 0
        if mine.any():
            places = self.shelf.places[numbers[mine]]
            found[mine] = sum(self.shelf.columns[n].sizes()[places] for n in ("title", "text"))
        if (~mine).any():
            found[~mine] = self.queries["query"].sizes()[-1 - numbers[~mine]]
        return found


def _has(table: Any, name: str) -> bool:
    return name in table.column_names and table[name].null_count < table.num_rows


def _said(texts: Any) -> Any:
    """Tell which texts have more than spaces, (n,)."""
    return pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0).to_numpy(False)
