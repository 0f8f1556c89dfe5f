"""What of a row is compared, and with which other rows.

A passage is its title and text, a pair its query. With `pair`, the query counts together with its
positives: with what they say where their corpus is given; else queries are compared among pairs
that have the same positives.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from gpte_data.errors import BadInput
from gpte_data.records import full_text
from gpte_data.stage import Row

if TYPE_CHECKING:
    from gpte_data.corpus import Corpus

On = Literal["text", "query", "pair"]
READ: dict[str, tuple[str, ...]] = {
    "text": ("doc_id", "text"),
    "query": ("query_id", "query"),
    "pair": ("query_id", "query", "positives"),
}
"""What is compared -> the fields that a row must have for it; the first is its id."""
BLOCK = 1024
"""Pairs whose positives are looked up together."""


@dataclass(frozen=True, slots=True)
class Said:
    """A row as it is compared.

    Attributes:
        id: Its doc_id or query_id.
        text: What is compared, as it was written.
        within: It is compared only with rows that have the same here.
        duplicates: Ids of rows that an earlier run has dropped for it.
    """

    id: str
    text: str
    within: str = ""
    duplicates: tuple[str, ...] = ()


def on_for(row: Row) -> On:
    """Return what is compared of rows like this one."""
    if row.keys() >= {"query_id", "query"}:
        return "query"
    if row.keys() >= {"doc_id", "text"}:
        return "text"
    raise BadInput(
        "dedup reads passages, with doc_id and text, or pairs, with query_id and query; found "
        f"{', '.join(sorted(row)) or 'nothing'}: rename the columns"
    )


def said(rows: Iterable[Row], on: On, corpus: "Corpus | None", name: str) -> Iterator[Said]:
    """Yield what is compared of each row.

    Args:
        rows: Of one dataset.
        on: What is compared.
        corpus: Where the positives of pairs are looked up, or None.
        name: The dataset, for messages.

    Raises:
        BadInput: A row lacks what is compared, or holds something else there.
    """
    number, source = 0, iter(rows)
    while block := list(islice(source, BLOCK)):
        for n, row in enumerate(block, number + 1):
            _check(row, READ[on], f"{name}, row {n:,}")
        if on == "pair" and corpus is not None:
            yield from _with_texts(block, corpus)
        else:
            yield from (_said(row, on) for row in block)
        number += len(block)


def _said(row: Row, on: On) -> Said:
    text = full_text(row) if on == "text" else row["query"]
    within = "\0".join(sorted(set(row["positives"]))) if on == "pair" else ""
    return Said(row[READ[on][0]], text, within, tuple(row.get("duplicates", ())))


def _with_texts(rows: Sequence[Row], corpus: "Corpus") -> Iterator[Said]:
    """Yield pairs with what their positives say, in an order that is always the same."""
    for row in rows:
        for doc_id in row["positives"]:
            if doc_id not in corpus.position:
                raise BadInput(
                    f"pair {row['query_id']!r} names {doc_id!r}, which is not in {corpus}: give "
                    "its --corpus too, or leave --corpus out to compare the positives by their ids"
                )
    texts = corpus.texts(doc_id for row in rows for doc_id in row["positives"])
    for row in rows:
        parts = sorted({texts[doc_id] for doc_id in row["positives"]})
        text = "\n".join([row["query"], *parts])
        yield Said(row["query_id"], text, "", tuple(row.get("duplicates", ())))


def _check(row: Row, fields: Sequence[str], where: str) -> None:
    """Raise BadInput unless the row has these fields, as texts; its positives as a list of them."""
    for name in (*fields, "title", "duplicates"):
        value, several = row.get(name), name in ("positives", "duplicates")
        if value is None and name not in fields:
            continue
        if value is None:
            raise BadInput(
                f"{where} has no {name} (found: {', '.join(sorted(row)) or 'nothing'}): dedup "
                f"compares {', '.join(fields)}; give other rows, or another --on"
            )
        if not (_are_texts(value) if several else isinstance(value, str)):
            expected = "a list of texts" if several else "a text"
            raise BadInput(
                f"{where}: {name} must be {expected}, found {str(value)[:60]!r} "
                f"({type(value).__name__}): mend the row"
            )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
