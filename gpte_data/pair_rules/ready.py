"""Pairs as they are judged: every positive once, all of them in the corpus."""

from typing import Any

from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.mining.pairs import known_positives
from gpte_data.positives import SAID, only
from gpte_data.stage import Row

EMPTY = "empty query"
NOWHERE = "no positive in the corpus"


def ready(row: Row, corpus: Corpus, *, drop: bool) -> tuple[Row, str | None, int]:
    """Return a row as it is judged, what is wrong with it, and how many positives it lost.

    Raises:
        BadInput: The row is no pair, or a positive is missing and `drop` is not set.
    """
    known = known_positives(row, corpus, drop=drop)
    _check(row)
    positives: Any = row["positives"]
    lost = len(set(positives)) - len(known)
    if len(known) < len(positives):
        row = only(row, [positives.index(doc_id) for doc_id in known])
    if not row["query"].strip():
        return row, EMPTY, lost
    return row, None if known else NOWHERE, lost


def _check(row: Row) -> None:
    """Raise BadInput for a query that is no text, and for lists that are not of the positives."""
    if not isinstance(row["query"], str):
        raise BadInput(
            f"pair {row['query_id']!r} must hold a text as query, found {row['query']!r}"
        )
    for name in SAID:
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, list | tuple):
            raise BadInput(
                f"pair {row['query_id']!r} must hold a list as {name}, one for each positive, "
                f"found {value!r}; leave the column out, or make it anew"
            )
        if len(value) != len(row["positives"]):
            raise BadInput(
                f"pair {row['query_id']!r} has {len(row['positives'])} positives and "
                f"{len(value)} {name}: expected one for each; leave the column out, or make it anew"
            )
