"""Documents that are a negative of too many queries: boilerplate, or a passage written to rank.

A model learns to push such a document away from everything, and a passage made to rank everywhere
(GASLITE, 2412.20953) gains the more by it. At most so many queries keep it, drawn by a hash of
query and document, the same in any order and on any number of workers; the others take their next
choice, which may make another document one too many, so the dataset is gone through again until
none is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from heapq import nsmallest

from gpte_data.randomness import bits

ROUNDS = 8
Taken = Iterable[tuple[str, list[str]]]
"""Of each query its id and the documents that it takes."""


def place(query_id: str, doc_id: str) -> int:
    """Return the number by which queries are drawn for a document."""
    return bits(0, query_id, doc_id, "hub")


def limits(taken: Callable[[Mapping[str, int]], Taken], most: int) -> dict[str, int]:
    """Return for each hub the highest number with which a query may still take it.

    Args:
        taken: Goes through the dataset with the limits so far.
        most: Queries that a document may be a negative of.
    """
    found: dict[str, int] = {}
    for _ in range(ROUNDS):
        counts: Counter[str] = Counter()
        for _query, doc_ids in taken(found):
            counts.update(doc_ids)
        over = {doc_id for doc_id, count in counts.items() if count > most}
        if not over:
            break
        places: dict[str, list[int]] = {doc_id: [] for doc_id in over}
        for query_id, doc_ids in taken(found):
            for doc_id in over.intersection(doc_ids):
                places[doc_id].append(place(query_id, doc_id))
        found |= {doc_id: nsmallest(most, numbers)[-1] for doc_id, numbers in places.items()}
    return found
