"""What an approximate index misses, measured on queries of the run itself.

Of each query in a sample the best k that an exact search finds are looked for among what the index
finds. A hit that scores as well as the k-th of them counts: of copies it does not matter which.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gpte_data.backends import Index
from gpte_data.backends.flat_index import FlatIndex, exact_scores
from gpte_data.backends.index_settings import Search
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.ledger import Ledger
from gpte_data.mining.miner import Miner
from gpte_data.mining.seconds import DenseSecond
from gpte_data.stage import Row

QUERIES = 200
"""Queries that are searched both ways."""
LOW = 0.9
"""Recall below which the command says what to do."""


def measured(miner: Miner, rows: Sequence[Row], search: Search) -> dict[str, Any]:
    """Search some queries both ways, with every teacher that has vectors.

    Returns:
        `recall`, with the hits looked for and found of each query, and `said`, in words.
    """
    rows, found = rows[:QUERIES], []
    dense: list[Miner | DenseSecond] = [miner]
    for one in dense + [other for other in miner.others if isinstance(other, DenseSecond)]:
        queries = one.teacher.queries(rows).vectors
        k = min(miner.top_k, len(one.vectors))
        counts = best_found(one.vectors, one.index, queries, k)
        by_query = {row["query_id"]: count for row, count in zip(rows, counts, strict=True)}
        found.append({"name": f"{search.kind}, {one.teacher.label}", "k": k, "found": by_query})
    if isinstance(miner.index, FlatIndex):
        said = f"too few passages for an index ({len(miner.vectors):,}): searched exactly"
        return {"recall": [], "said": said}
    return {"recall": found, "said": "\n".join(_sentence(one, search) for one in found)}


def best_found(vectors: Vectors, index: Index, queries: Any, k: int) -> list[int]:
    """Return for each query (d,) how many of its exact best k an index finds."""
    exact = FlatIndex(vectors).search(queries, k)[0]
    hits = index.hits(queries, k)
    return [
        min(k, int((exact_scores(vectors.take(some), query) >= best[-1]).sum()))
        for some, query, best in zip(hits, queries, exact, strict=True)
    ]


def note(books: Ledger, recall: Sequence[Mapping[str, Any]], query_id: Any) -> None:
    """Book what was found of a query, if it is in the sample."""
    for one in recall:
        if query_id in one["found"]:
            books.notes[f"{one['name']}: exact hits looked for"] += one["k"]
            books.notes[f"{one['name']}: exact hits found"] += one["found"][query_id]


def _sentence(one: Mapping[str, Any], search: Search) -> str:
    asked = one["k"] * len(one["found"])
    share = sum(one["found"].values()) / max(1, asked)
    said = (
        f"{one['name']}: found {share:.1%} of the exact best {one['k']:,} "
        f"on {len(one['found']):,} queries"
    )
    if share < LOW:
        said += f"; for more give --search-effort {2 * search.effort:g}, or --index flat"
    return said
