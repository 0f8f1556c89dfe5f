"""Which rows are trained on, and which test queries they must not be tried on."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gpte_data.errors import BadInput
from gpte_data.probing.evaluation import Evaluation, Judged, said
from gpte_data.probing.library import Library
from gpte_data.probing.reading import Example, TrainingData
from gpte_data.randomness import bits

BLOCK = 4096


@dataclass(frozen=True)
class Chosen:
    """What is trained on.

    Attributes:
        examples: At most as many as asked for, drawn by hash, in the order of the data.
        rows: How many there are in all.
        empty: Rows without a query or a positive.
        said: Of all positives and queries, those hashes that the evaluation has too.
    """

    examples: list[Example]
    rows: int
    empty: int
    said: set[bytes]


def choose(
    data: TrainingData, evaluation: Evaluation, library: Library, most: int, seed: int
) -> Chosen:
    """Draw examples; look at all of them for texts of the evaluation.

    Raises:
        BadInput: There are none, or they name documents that the corpus does not have.
    """
    import numpy as np

    watched = set().union(*(one.hashes for one in evaluation.queries))
    watched.update(said([one.query for one in evaluation.queries]))
    keys: list[int] = []
    seen: set[bytes] = set()
    for block in _blocks(data):
        keys += [bits(seed, one.query, one.positive, "probe") for one in block]
        seen |= watched.intersection(said([one.query for one in block]))
        seen |= watched.intersection(said(_positives(block, data, library)))
    if not keys:
        raise BadInput(f"{data.source} has no row with a query and a positive to train on")
    order = np.argsort(np.array(keys, dtype=np.uint64), kind="stable")[:most]
    taken = np.zeros(len(keys), dtype=bool)
    taken[order] = True
    examples = [one for one, take in zip(data.examples(), taken, strict=True) if take]
    return Chosen(examples, len(keys), data.empty, seen)


def _blocks(data: TrainingData) -> Iterator[list[Example]]:
    source = data.examples()
    while block := list(islice(source, BLOCK)):
        yield block


def _positives(block: list[Example], data: TrainingData, library: Library) -> list[str]:
    """Return the texts of the positives."""
    ids = [one.positive for one in block]
    if not data.by_id:
        return ids
    assert library.corpus is not None
    known = library.corpus.position
    for example in block:
        for doc_id in (example.positive, *example.negatives):
            if doc_id not in known:
                raise BadInput(
                    f"{data.source} names the document {doc_id!r}, which is not in "
                    f"{library.corpus}: give the corpus that was mined"
                )
    texts = library.corpus.texts(ids)
    return [texts[doc_id] for doc_id in ids]


@dataclass(frozen=True)
class Counted:
    """The queries that count, and how many do not: by a document, or by their own text."""

    queries: list[Judged]
    by_document: int
    by_query: int


def split_off(evaluation: Evaluation, chosen: Chosen) -> Counted:
    """Return the queries that count.

    One does not if a relevant document of it is a positive of the training data, or if it is a
    query there itself.
    """
    count, by_document, by_query = [], 0, 0
    own = said([one.query for one in evaluation.queries])
    for one, text in zip(evaluation.queries, own, strict=True):
        if one.hashes & chosen.said:
            by_document += 1
        elif text in chosen.said:
            by_query += 1
        else:
            count.append(one)
    return Counted(count, by_document, by_query)
