"""Training rows of several trainers' formats, read by the names of their columns.

    query       anchor (sentence-transformers), query (FlagEmbedding, Tevatron, PyLate)
    positive    positive, pos, positive_passages
    negatives   negative, negative_1 …, neg, negative_passages

A dataset of ids (pairs, mined or filtered: query, positives, candidates) is read where its corpus
is given.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gpte_data import io
from gpte_data.errors import BadInput, BadOption
from gpte_data.manifest import DONE, check_finished
from gpte_data.own_files import data_files
from gpte_data.records import allowed, full_text
from gpte_data.stage import Row

QUERY = ("anchor", "query")
POSITIVE = ("positive", "pos", "positive_passages")
NEGATIVE = re.compile(r"negative(?:_(\d+))?|neg|negative_passages")
READS = (
    "rows with anchor or query, positive or pos, and negative, negative_1 … or neg (--format "
    "sentence-transformers, flagembedding, tevatron, pylate), and with --corpus pairs, mined rows "
    "and --format ids"
)
TRAIN = "train"


class Example(NamedTuple):
    """A query with one of its positives; documents are texts, or ids where `by_id`."""

    query: str
    positive: str
    negatives: tuple[str, ...]


@dataclass
class TrainingData:
    """A folder of shards.

    Attributes:
        source: The folder or file.
        by_id: Whether documents are ids of a corpus.
        negatives: How many negatives of a row are taken, the first ones.
        empty: How many rows had no query or no positive, when all were last read.
    """

    source: Path
    by_id: bool
    negatives: int
    empty: int = 0

    def examples(self) -> Iterator[Example]:
        """Yield an example for each positive of each row; a row with an empty text gives none.

        Raises:
            BadInput: A row is of another format.
        """
        self.empty = 0
        for path in io.shards(self.source):
            for number, row in enumerate(io.read(path), 1):
                where = f"{path}, row {number}"
                found = self._by_id(row, where) if self.by_id else self._by_text(row, where)
                good = [one for one in found if one.query.strip() and one.positive.strip()]
                self.empty += not good
                yield from good

    def _by_id(self, row: Row, where: str) -> list[Example]:
        if not isinstance(row.get("query"), str) or not isinstance(row.get("positives"), list):
            raise BadInput(f"{where} is no pair: expected query and positives")
        hits = allowed(row)[: self.negatives]
        negatives = tuple(hit["doc_id"] for hit in hits)
        return [Example(row["query"], one, negatives) for one in row["positives"]]

    def _by_text(self, row: Row, where: str) -> list[Example]:
        names = columns(row)
        if names is None:
            raise BadInput(f"{where} holds {_found(row)}: the probe reads {READS}")
        query, positive, others = names
        if not isinstance(row[query], str):
            raise BadInput(f"{where}: {query} is no text but {type(row[query]).__name__}")
        negatives: list[str] = []
        for name in others:
            negatives += _texts(row[name], f"{where}, {name}")
        taken = tuple(negatives[: self.negatives])
        positives = _texts(row[positive], f"{where}, {positive}")
        return [Example(row[query], one, taken) for one in positives]


def columns(row: Mapping[str, Any]) -> tuple[str, str, list[str]] | None:
    """Return the names of a row's query, its positive and its negatives, or None."""
    query = next((name for name in QUERY if name in row), None)
    positive = next((name for name in POSITIVE if name in row), None)
    if query is None or positive is None:
        return None
    numbered = [(int(match[1] or 0), name) for name in row if (match := NEGATIVE.fullmatch(name))]
    return query, positive, [name for _, name in sorted(numbered)]


def _texts(value: Any, where: str) -> list[str]:
    """Return a text, the texts of a list, or of a list of passages with title and text."""
    values = value if isinstance(value, list) else [value]
    found = [
        full_text(one) if isinstance(one, dict) and isinstance(one.get("text"), str) else one
        for one in values
    ]
    if wrong := next((one for one in found if not isinstance(one, str)), None):
        raise BadInput(f"{where} holds no text but {type(wrong).__name__}: the probe reads {READS}")
    return [one for one in found if isinstance(one, str)]


def shards_of(source: Path) -> Path:
    """Return the folder that holds the training rows: of an output with splits, that of `train`.

    Raises:
        BadInput: The output is not finished, or has several folders and none is `train`.
    """
    for folder in (source, source.parent):  # a split's marks stand in the folder above it
        if (folder / DONE).is_dir():
            check_finished(folder)
    if not source.is_dir() or io.shard_files(source):
        return source
    inner = sorted({path.parent for path in data_files(source)[0]})
    if not inner or source / TRAIN in inner:
        return source / TRAIN if inner else source
    names = ", ".join(str(folder) for folder in inner)
    raise BadInput(f"{source} holds several folders of shards: name one of them, of {names}")


def opened(source: Path, corpus: tuple[Path, ...], negatives: int) -> TrainingData:
    """Return the data of a folder, by its first row.

    Raises:
        BadInput: It is empty or of another format.
        BadOption: It holds ids, and no corpus is given.
    """
    first = next(io.read_all(source), None)
    if first is None:
        raise BadInput(f"{source} is empty: expected at least one training row")
    if columns(first) is not None:
        return TrainingData(source, False, negatives)
    if not isinstance(first.get("positives"), list) or "query" not in first:
        raise BadInput(f"{source} holds {_found(first)}: the probe reads {READS}")
    if not corpus:
        raise BadOption(
            f"{source} holds ids of documents, not their texts: give --corpus, or emit it first"
        )
    return TrainingData(source, True, negatives)


def _found(row: Mapping[str, Any]) -> str:
    return f"rows with {', '.join(list(row)[:8])}" if row else "empty rows"
