"""Chosen examples as numbers: queries and documents by the places of their vectors."""

from typing import Any

import numpy as np

from gpte_data.corpus import Corpus
from gpte_data.probing.choosing import BLOCK, Chosen
from gpte_data.probing.library import Library
from gpte_data.probing.reading import Example
from gpte_data.probing.splitting import groups
from gpte_data.probing.training import Rows
from gpte_data.teachers.model import ModelTeacher


def numbers(chosen: Chosen, library: Library, *, by_id: bool) -> list[Any]:
    """Return for each example the numbers of its positive and its negatives, (1 + negatives,)."""
    found = []
    for start in range(0, len(chosen.examples), BLOCK):
        block = chosen.examples[start : start + BLOCK]
        names = list(dict.fromkeys(one for example in block for one in _documents(example)))
        texts = names
        if by_id:
            assert library.corpus is not None
            by_name = library.corpus.texts(names)
            texts = [by_name[name] for name in names]
        at = dict(zip(names, library.place(texts).tolist(), strict=True))
        found += [np.array([at[one] for one in _documents(example)]) for example in block]
    return found


def _documents(example: Example) -> tuple[str, ...]:
    return (example.positive, *example.negatives)


def rows_of(chosen: Chosen, found: list[Any], corpus: Corpus, teacher: ModelTeacher) -> Rows:
    """Return the examples for training; each different query is embedded once.

    A negative that is a positive of the same query is left out.
    """
    place: dict[str, int] = {}
    query = np.array([place.setdefault(one.query, len(place)) for one in chosen.examples])
    positive = np.array([one[0] for one in found])
    known: dict[int, set[int]] = {}
    for number, document in zip(query.tolist(), positive.tolist(), strict=True):
        known.setdefault(number, set()).add(document)
    negatives = [
        np.array([n for n in one[1:].tolist() if n not in known[number]], dtype=np.int64)
        for number, one in zip(query.tolist(), found, strict=True)
    ]
    vectors = teacher.queries([{"query": text} for text in place]).vectors
    documents = teacher.documents(corpus)
    return Rows(query, positive, negatives, vectors, documents, groups(query, positive))
