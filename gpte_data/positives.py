"""A row's positives, with all that the row says of each: taken away, added, or put first.

What is said of positives stands in lists as long as `positives` itself (scores, ranks, words,
evidence, ceilings); whoever changes one changes all, here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gpte_data.fields import EVIDENCE, FIELDS, OF_POSITIVES
from gpte_data.stage import Row

SAID = tuple(name for name in FIELDS if name.startswith("positive_"))
"""Fields that say something of each positive, in the order of `positives`."""
OF_CANDIDATES = (
    "teachers", "estimate_weights", "estimate_hidden", "reranker", "rerank_scale", "judged_by",
)  # fmt: skip
"""Fields that say who found and judged a row's candidates, and how: they go with these."""
OF_A_QUERY = (
    *SAID, "candidates", *OF_CANDIDATES, "negatives", "written", "duplicates", "masked",
    "consistency_teachers", "pair_population", "pair_reranker", "pair_judge",
)  # fmt: skip
"""Fields that speak of a query as it was, and are not true of one in other words. Which documents
were ever taken for its positives stays: they are no negatives of it, however it is put."""


FORMER = ("dropped_positives", "contaminated_positives", "relabelled_from")
"""Where filters name positives that they took out: somebody said that they answer the query."""
NAMED = (*FORMER, "promoted")
"""Where filters name positives that they took out or put in."""


def aligned(row: Row) -> Row:
    """Return the row without what it says of other positives: lists of another length."""
    count = len(row["positives"])
    wrong = {name for name in SAID if name in row and len(row[name] or ()) != count}
    return {name: value for name, value in row.items() if name not in wrong} if wrong else row


def only(row: Row, places: Sequence[int]) -> Row:
    """Return the row with the positives at these places, in this order."""
    lists = [name for name in ("positives", *SAID) if row.get(name) is not None]
    return row | {name: [row[name][place] for place in places] for name in lists}


def added(row: Row, hit: Mapping[str, Any]) -> Row:
    """Return the row with one more positive, the last: a candidate, as mining described it.

    Where each positive has a ceiling, its own is the lowest of theirs. What the row says of its
    positives and the candidate has no value for is left out of the row. Similarities of the other
    candidates to a positive stay as they were measured.
    """
    if hit["doc_id"] in row["positives"]:
        return row
    known = _known(row, hit)
    changed: Row = {name: [*row[name], known[name]] for name in known if row.get(name) is not None}
    rest = {name: row[name] for name in row if name not in SAID}
    return rest | changed | {"positives": [*row["positives"], hit["doc_id"]]}


def _known(row: Row, hit: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a candidate, by the name under which it is said of a positive."""
    told = {
        "positive_scores": hit.get("score"),
        "positive_ranks": hit.get("rank"),
        "positive_words": hit.get("words"),
        "positive_rerank_scores": hit.get("rerank_score"),
        "positive_ceilings": min(row.get("positive_ceilings") or [None]),
    }
    if (evidence := hit.get("evidence")) is not None:
        told["positive_evidence"] = [evidence[EVIDENCE.index(name)] for name in OF_POSITIVES]
    return {name: value for name, value in told.items() if value is not None}
