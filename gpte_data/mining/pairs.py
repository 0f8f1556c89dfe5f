"""Pairs as mining takes them: their positives, and what was written for them, are in the corpus."""

from itertools import chain
from typing import Any

from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.positives import FORMER, OF_CANDIDATES, aligned, only
from gpte_data.stage import Row

STALE = ("written", "positive_rerank_scores", *OF_CANDIDATES)
"""Not passed on: texts that are in a corpus now, what an older mining fitted, by whom it was done,
and who has looked at its candidates."""


def no_negatives(row: Row) -> list[str]:
    """Return the documents that are no negatives of a query: its positives, then former ones."""
    named = (row.get(name) or () for name in FORMER)
    return list(dict.fromkeys(chain(row["positives"], *named)))


def ready(row: Row, corpus: Corpus, *, drop: bool) -> tuple[Row, str | None, int]:
    """Return a row as it is mined for, what is wrong with it, and how many positives it lost."""
    known = known_positives(row, corpus, drop=drop)
    lost = len(set(row["positives"])) - len(known)
    check_written(row, corpus)
    row = _with_known({k: v for k, v in row.items() if k not in STALE}, known)
    return row, _problem(row), lost


def _with_known(row: Row, known: list[str]) -> Row:
    """Return a row with these of its positives, each once, and what it says of them."""
    before = row["positives"]
    if len(known) == len(before):
        return row
    places = [before.index(doc_id) for doc_id in known]
    return only(aligned(row), places)


def known_positives(row: Row, corpus: Corpus, *, drop: bool) -> list[str]:
    """Return the positives that are in the corpus; raise BadInput for others, if they matter."""
    positives: Any = row.get("positives", [])
    if not isinstance(positives, list) or not all(isinstance(one, str) for one in positives):
        raise BadInput(
            f"pair {row.get('query_id')!r} must hold a list of doc_ids as positives, "
            f"found {positives!r}"
        )
    unique = list(dict.fromkeys(positives))
    known = [doc_id for doc_id in unique if doc_id in corpus.position]
    if len(known) < len(unique) and not drop:
        lost = next(doc_id for doc_id in unique if doc_id not in corpus.position)
        raise BadInput(
            f"pair {row['query_id']!r} has the positive {lost!r}, which is not in {corpus}: "
            f"give {_corpus_of(row, lost)}, or --missing-positives drop"
        )
    return known


def check_written(row: Row, corpus: Corpus) -> None:
    """Raise BadInput unless all negatives that were written for a pair are in the corpus."""
    negatives: Any = row.get("negatives", [])
    if not isinstance(negatives, list):
        raise BadInput(
            f"pair {row.get('query_id')!r} must hold a list of doc_ids as negatives, "
            f"found {negatives!r}"
        )
    for doc_id in negatives:
        if doc_id not in corpus.position:
            raise BadInput(
                f"pair {row['query_id']!r} has the negative {doc_id!r}, which is not in {corpus}: "
                f"give {_corpus_of(row, doc_id)}"
            )


def _corpus_of(row: Row, doc_id: str) -> str:
    """Return in words the corpus that a missing document belongs to."""
    if any(passage["doc_id"] == doc_id for passage in row.get("written", ())):
        return "the corpus that gpte-data passages makes of these pairs as one more --corpus"
    return "the corpus it belongs to; of passages that a recipe wrote, gpte-data passages makes one"


def _problem(row: Row) -> str | None:
    """Return why a pair can't be mined for, or None."""
    if not isinstance(row["query"], str) or not row["query"].strip():
        return "empty query"
    return None if row["positives"] else "no positive in the corpus"
