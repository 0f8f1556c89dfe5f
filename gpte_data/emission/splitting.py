"""Train, dev and test without a text on two sides.

Documents that say the same, are chunks of one document, or answer one query belong together, and
so do queries of one text or one query_id: what hangs together so is a component, and goes to one
split whole. Components are drawn by hash(seed, least query_id) until a split has its share of the
queries; what is larger than what is left of a share goes to train.

Test examples take their negatives first, from documents of test or of no split; then those are of
test too. Dev follows, and train takes what is left: no text of a dev or test example stands in
train, neither as a positive nor as a negative.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from gpte_data.emission.components import components
from gpte_data.emission.library import Library
from gpte_data.emission.picking import Candidates
from gpte_data.emission.sources import dataset_of
from gpte_data.text_hashes import hashes, mixed

FREE = 255
"""The split of a document that stands in none yet."""


@dataclass
class Splits:
    """Which split queries and documents are of.

    Attributes:
        names: Of the splits.
        query: Hash of a query's dataset and id -> its split: sorted hashes (n,), and numbers.
        document: The split of each document, (documents,) in uint8, FREE where there is none.
        group: Of each document which others are the same or of the same source, (documents,).
    """

    names: list[str]
    query: tuple[Any, Any]
    document: Any
    group: Any

    def of_rows(self, table: Any) -> Any:
        """Return the split of each row of a table, (rows,)."""
        known, split = self.query
        return split[np.searchsorted(known, _query_keys(table))]

    def allowed(self, split: int, library: Library) -> Callable[..., Any]:
        """Return what tells whether a candidate may be a negative in a split."""

        def told(table: Any, dataset: str, row: Any, candidates: Candidates, place: Any) -> Any:
            places = np.unique(place)
            numbers = np.full(len(candidates.row), -1, dtype=np.int64)
            numbers[places] = library.places(dataset, candidates.doc_id.take(places))
            mine = self.document[numbers[place]]
            return (numbers[place] < 0) | (mine == split) | (mine == FREE)

        return told

    def claim(self, documents: Any, split: int) -> None:
        """Give documents that are free, and all that belong together with them, to a split.

        Args:
            documents: A mask, (documents,).
            split: Its number.
        """
        taken = np.zeros(int(self.group.max(initial=0)) + 1, dtype=bool)
        taken[self.group[documents]] = True
        self.document[taken[self.group] & (self.document == FREE)] = split


def split_up(
    tables: Iterable[Any], share: Mapping[str, float], library: Library, seed: int
) -> Splits:
    """Return which split each query is of, and the documents that answer it.

    Args:
        tables: All rows.
        share: Name of a split -> its share of the queries.
        library: Where the documents are.
        seed: Of the draw.
    """
    group = _groups(library)
    keys, texts, owners, answers = [], [], [], []
    start = 0
    for table in tables:
        keys.append(_query_keys(table))
        texts.append(hashes(" ".join(q.casefold().split()) for q in table["query"].to_pylist()))
        column = table["positives"].combine_chunks()
        found = library.places(dataset_of(table), column.flatten())
        owner = start + pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        owners.append(owner[found >= 0])
        answers.append(found[found >= 0])
        start += table.num_rows
    query = np.concatenate(keys)
    same = _same(np.concatenate(texts)[:, 0], query)
    groups, texts_there = int(group.max(initial=-1)) + 1, int(same.max(initial=-1)) + 1
    # Nodes: groups of documents, then texts of queries.
    owner = np.concatenate(owners)
    label = components(groups + texts_there, group[np.concatenate(answers)], groups + same[owner])
    names = list(share)
    split = _drawn(label[groups + same], query, [share[name] for name in names], seed)
    document = np.full(len(library), FREE, dtype=np.uint8)
    of_label = np.full(groups + texts_there, FREE, dtype=np.uint8)
    of_label[label[groups + same]] = split
    document[:] = of_label[label[group]]
    order = np.argsort(query, kind="stable")
    return Splits(names, (query[order], split[order]), document, group)


def _same(text: Any, query: Any) -> Any:
    """Return for each row a number that rows of one text, or of one query_id, share, (rows,).

    Args:
        text: Hash of the query's text, (rows,).
        query: Hash of its dataset and id, (rows,).
    """
    by_text, by_id = (np.unique(one, return_inverse=True)[1] for one in (text, query))
    texts, ids = int(by_text.max(initial=-1)) + 1, int(by_id.max(initial=-1)) + 1
    label = components(texts + ids, by_text, texts + by_id)
    return np.unique(label[by_text], return_inverse=True)[1]


def _query_keys(table: Any) -> Any:
    """Return a hash of each row's dataset and query_id, (rows,) in uint64."""
    salt = hashes([dataset_of(table)])[0, 0]
    return mixed(hashes(table["query_id"].to_pylist())[:, 0] ^ salt)


def _groups(library: Library) -> Any:
    """Return for each document a number that it shares with those that are the same, (documents,).

    The same are those of one text, and chunks of one document in one corpus.
    """
    texts, sources, first = [], [], 0
    for corpus in library.corpora:
        size = len(corpus.doc_ids)
        texts.append(corpus.hashes_at(np.arange(size))[:, 0])
        numbers = np.arange(first, first + size)
        if corpus.documents is not None:
            chunk = corpus.documents >= 0
            heads = np.unique(corpus.documents[chunk], return_index=True)[1]
            places = np.flatnonzero(chunk)
            numbers[chunk] = first + places[heads][corpus.documents[chunk]]
        sources.append(numbers)
        first += size
    _, head, text = np.unique(np.concatenate(texts), return_index=True, return_inverse=True)
    numbers = np.arange(first)
    label = components(
        first, np.append(numbers, numbers), np.append(head[text], np.concatenate(sources))
    )
    return np.unique(label, return_inverse=True)[1]


def _drawn(label: Any, query: Any, share: list[float], seed: int) -> Any:
    """Return the split of each query, (n,) in uint8: whole components, in a drawn order.

    Args:
        label: The component of each query, (n,).
        query: Its hash, (n,).
        share: Of each split; the first is train, which takes what no other has room for.
        seed: Of the order.
    """
    numbers, component, sizes = np.unique(label, return_inverse=True, return_counts=True)
    least = np.full(len(numbers), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, component, query)
    salt = hashes([f"{seed}\0split"])[0, 0]
    order = np.argsort(mixed(least ^ salt), kind="stable")
    split = np.zeros(len(numbers), dtype=np.uint8)
    room = [round(one * len(query)) for one in share]
    for place in order.tolist():
        fits = [n for n in range(len(share) - 1, 0, -1) if sizes[place] <= room[n]]
        if fits:
            split[place] = fits[0]
            room[fits[0]] -= int(sizes[place])
    return split[component]
