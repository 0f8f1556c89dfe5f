"""Which pairs are to be scored: numbers of queries and documents, and texts where they are needed.

For a score that is on disk the hash of the document is enough; its text is read for those alone
that a model must be asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpte_data.text_hashes import hashes


@dataclass(frozen=True)
class Pairs:
    """Pairs of some queries with some documents.

    Attributes:
        queries: Their texts.
        names: What each query is called in an error: its row's id.
        query: Of each pair, the number of its query, (n,).
        document: Of each pair, the number of its document, (n,).
        hashes: Of each document, as `text_hashes.hashes` makes them.
        texts: Takes numbers of documents, returns their texts.
    """

    queries: Sequence[str]
    names: Sequence[str]
    query: Any
    document: Any
    hashes: Any
    texts: Callable[[Any], Sequence[str]]

    def __len__(self) -> int:
        return len(self.query)


def pairs_of(texts: Sequence[tuple[str, str]], names: Sequence[str] | None = None) -> Pairs:
    """Return pairs of texts that are at hand, a query and a document each.

    Args:
        texts: The pairs.
        names: Of each pair, what it is called in an error; its query if None.
    """
    given = [f"query {query[:60]!r}" for query, _ in texts] if names is None else names
    asked = dict.fromkeys(zip((query for query, _ in texts), given, strict=True))
    queries = {key: number for number, key in enumerate(asked)}
    documents = {text: n for n, text in enumerate(dict.fromkeys(text for _, text in texts))}
    known = list(documents)
    return Pairs(
        [query for query, _ in queries],
        [name for _, name in queries],
        np.array([queries[q, name] for (q, _), name in zip(texts, given, strict=True)], np.int64),
        np.array([documents[text] for _, text in texts], np.int64),
        hashes(known),
        lambda numbers: [known[number] for number in numbers],
    )
