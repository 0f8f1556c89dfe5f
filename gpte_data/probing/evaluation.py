"""An evaluation set in BEIR's layout, in numbers: queries, grades, and where documents stand."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data.deduping.normal import normal
from gpte_data.errors import BadInput, BadOption
from gpte_data.probing.library import Library
from gpte_data.records import full_text
from gpte_data.sources import BROKEN, Columns
from gpte_data.sources.jsonl import records
from gpte_data.sources.table import rows as table_rows
from gpte_data.stage import Row
from gpte_data.text_hashes import hashes

BLOCK = 4096
ZIPPED = ("", ".gz", ".zst")


@dataclass
class Judged:
    """A query with its relevant documents.

    Attributes:
        query_id: Its id.
        query: Its text.
        grades: Of relevant documents by id, all above 0.
        places: The grades again, by the place of the document in the set's corpus.
        hashes: Of what those documents say, see `said`.
        own: The place of the document with the query's own id, which is no hit, or -1; a document
            that is judged relevant is one all the same.
    """

    query_id: str
    query: str
    grades: dict[str, float]
    places: dict[int, float] = field(default_factory=dict)
    hashes: set[bytes] = field(default_factory=set)
    own: int = -1


@dataclass
class Evaluation:
    """A split of a set: its queries, and the number of each document (see `library`)."""

    queries: list[Judged]
    documents: Any
    notes: Counter[str]


def said(texts: list[str]) -> list[bytes]:
    """Return a hash of what each text says, apart from how it is written (`deduping.normal`)."""
    return [one.tobytes() for one in hashes(map(normal, texts))]


def check(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Return the files of the corpus, the queries and the judgements of a split.

    Raises:
        BadInput: One of them is not there.
        BadOption: There is no such split.
    """
    found = []
    for name in ("corpus.jsonl", "queries.jsonl"):
        path = _file(folder, name)
        if path is None:
            raise BadInput(
                f"--eval {folder} has no {name}: expected a folder in BEIR's layout, with "
                "corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv"
            )
        found.append(path)
    qrels = _file(folder / "qrels", f"{split}.tsv")
    if qrels is None:
        there = sorted({p.name.partition(".")[0] for p in (folder / "qrels").glob("*.tsv*")})
        if not there:
            raise BadInput(f"--eval {folder} has no qrels/{split}.tsv, which says what is relevant")
        raise BadOption(
            f"--eval {folder} has no qrels/{split}.tsv: --split takes one of {', '.join(there)}"
        )
    return found[0], found[1], qrels


def _file(folder: Path, name: str) -> Path | None:
    return next((path for end in ZIPPED if (path := folder / f"{name}{end}").is_file()), None)


def load(folder: Path, split: str, library: Library) -> Evaluation:
    """Read a split of a set; its documents are placed in the library.

    Raises:
        BadInput: A file is damaged, or judgements, queries and corpus have no ids in common.
    """
    corpus, queries, qrels = check(folder, split)
    notes: Counter[str] = Counter()
    grades = _grades(qrels)
    judged = _queries(queries, grades, notes)
    if not judged:
        raise BadInput(
            f"{qrels} judges no query of {queries.name} as having a relevant document: "
            "the ids must be the same in both"
        )
    documents = _documents(corpus, judged, library)
    lost = sum(len(one.grades) - len(one.places) for one in judged)
    if not any(one.places for one in judged):
        raise BadInput(
            f"{qrels} names no relevant document that is in {corpus.name}: the ids must be the "
            "same in both"
        )
    if lost:
        notes["relevant documents that are not in the corpus, never found"] = lost
    return Evaluation(judged, documents, notes)


def _grades(path: Path) -> dict[str, dict[str, float]]:
    """Return query_id -> doc_id -> grade."""
    grades: dict[str, dict[str, float]] = {}
    for number, row in enumerate(table_rows(str(path), Columns()), 2):
        try:
            query_id, doc_id, grade = row["query-id"], row["corpus-id"], float(row["score"])
            if not math.isfinite(grade):
                raise ValueError
        except (KeyError, ValueError):
            raise BadInput(
                f"{path}, line {number} is no judgement: "
                "expected query-id, corpus-id and a number as score, separated by tabs"
            ) from None
        grades.setdefault(query_id, {})[doc_id] = grade
    return grades


def _queries(path: Path, grades: dict[str, dict[str, float]], notes: Counter[str]) -> list[Judged]:
    """Return the queries with relevant documents, in the order of the judgements."""
    texts = {one: text for one, text in _texts(path) if one in grades}
    found = []
    for query_id, judged in grades.items():
        relevant = {doc_id: grade for doc_id, grade in judged.items() if grade > 0}
        if not relevant:
            notes["test queries without a relevant document"] += 1
        elif not texts.get(query_id, "").strip():
            notes[f"judged queries that have no text in {path.name}"] += 1
        else:
            found.append(Judged(query_id, texts[query_id], relevant))
    return found


def _documents(path: Path, judged: list[Judged], library: Library) -> Any:
    """Return the number of each document (n,); note in queries where theirs stand."""
    import numpy as np

    relevant: dict[str, list[Judged]] = {}
    for one in judged:
        for doc_id in one.grades:
            relevant.setdefault(doc_id, []).append(one)
    own = {one.query_id: one for one in judged}
    numbers, rows, start = [], _texts(path), 0
    while block := list(islice(rows, BLOCK)):
        numbers.append(library.place([text for _, text in block]))
        for place, (doc_id, text) in enumerate(block, start):
            if doc_id in own and doc_id not in own[doc_id].grades:
                own[doc_id].own = place
            for one in relevant.get(doc_id, ()):
                one.places[place] = one.grades[doc_id]
                one.hashes.update(said([text]))
        start += len(block)
    if not numbers:
        raise BadInput(f"{path} is empty: expected at least one document")
    return np.concatenate(numbers)


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield id and text, with its title, of each row of a file."""
    for number, row in enumerate(records(path), 1):
        if BROKEN in row:
            raise BadInput(f"{path}, line {row['line']}: {row[BROKEN]}")
        named = Columns().renamed(row)
        _check(named, f"{path}, row {number}")
        yield str(named["doc_id"]), full_text(named)


def _check(row: Row, where: str) -> None:
    title = row.get("title")
    if "doc_id" not in row or not isinstance(row.get("text"), str):
        raise BadInput(f"{where} is no text with an id: expected _id and text")
    if not isinstance(title, str | None):
        raise BadInput(f"{where}: title is no text but {type(title).__name__}")
