"""Ids that stand for two things in one folder, where a format looks texts up by them.

Datasets have ids of their own, so two of them may both have a document `1`. Texts in the rows can't
be mistaken; a corpus or a file of queries beside the rows holds one text for an id.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpte_data.emission.gathered import LOOK, Gathered
from gpte_data.emission.library import Library
from gpte_data.emission.writing import Part
from gpte_data.errors import BadInput
from gpte_data.formats import Format
from gpte_data.text_hashes import hashes


def check_ids(
    of: Format, parts: Sequence[Part], sources: Sequence[str], gathered: Gathered, library: Library
) -> None:
    """Raise BadInput where an id of a folder would stand for two documents, or two queries.

    Args:
        of: The format that is written.
        parts: Where examples go, by number.
        sources: Datasets that have corpora by their names; empty where names are no folders'.
        gathered: The examples.
        library: Their documents.
    """
    folders: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        split = "" if "{split}" in of.stem else part.split
        folders.setdefault(f"{split}/{part.folder}", []).append(number)
    for numbers in folders.values():
        dataset = parts[numbers[0]].dataset
        if "document" in of.looked_up and len(library.corpora) > 1:
            _check_documents(
                _documents(of, dataset in sources, numbers, gathered, library), library
            )
        if "query" in of.looked_up:
            _check_queries(numbers, gathered)


def _documents(
    of: Format, alone: bool, numbers: Sequence[int], gathered: Gathered, library: Library
) -> Any:
    """Return the numbers of the documents that stand in a folder's corpus."""
    if of.judged:  # all documents: of its own dataset, or of all of them
        return np.zeros(0, np.int64) if alone else np.arange(len(library))
    return np.flatnonzero(gathered.used(len(library), _places(numbers, gathered)))


def _check_documents(numbers: Any, library: Library) -> None:
    blocks = (numbers[start : start + LOOK] for start in range(0, len(numbers), LOOK))
    twice = _twice(hashes(library.doc_ids(block)) for block in blocks)
    if len(twice):
        (found,) = library.doc_ids(numbers[twice[:1]])
        _refuse("doc_id", found, "documents of two datasets")


def _check_queries(numbers: Sequence[int], gathered: Gathered) -> None:
    rows = np.unique(gathered.examples()["row"][_places(numbers, gathered)])
    names = ("query_id", "query", "instruction")
    said, ids = [], []
    for start in range(0, len(rows), LOOK):
        columns = [gathered.rows[n].take(rows[start : start + LOOK]).to_pylist() for n in names]
        ids.append(hashes(columns[0]))
        said.append(hashes("\0".join(one) for one in zip(*columns, strict=True)))
    if not said:
        return
    first = np.sort(np.unique(np.concatenate(said), axis=0, return_index=True)[1])
    twice = _twice([np.concatenate(ids)[first]])
    if len(twice):
        (found,) = gathered.rows["query_id"].take(rows[first[twice[:1]]]).to_pylist()
        _refuse("query_id", found, "two queries")


def _places(numbers: Sequence[int], gathered: Gathered) -> Any:
    """Return the places of the examples of some parts, (k,)."""
    return np.flatnonzero(np.isin(gathered.examples()["part"], numbers))


def _twice(blocks: Iterable[Any]) -> Any:
    """Return the places of hashes, (n, 2) in all, that stand there before."""
    found = np.concatenate([np.zeros((0, 2), np.uint64), *blocks])
    order = np.lexsort((found[:, 1], found[:, 0]))
    again = (found[order[1:]] == found[order[:-1]]).all(axis=1)
    return np.sort(order[1:][again])


def _refuse(name: str, found: str, what: str) -> None:
    raise BadInput(
        f"the {name} {found!r} stands for {what}, but this format looks texts up by their ids: "
        "give --per-dataset where datasets share ids, make ids unique within each, or choose a "
        "format with texts in its rows"
    )
