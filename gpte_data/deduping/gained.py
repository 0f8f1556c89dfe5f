"""Pairs of one query: the one that stays gets the positives of those that go for it.

A positive that went with its pair would be taken for a negative of the same query by mining. Only
pairs whose queries say the same hand theirs on; what is merely near may ask for something else.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpte_data.stage import Row

if TYPE_CHECKING:
    from gpte_data.deduping.deciding import Decided
    from gpte_data.deduping.given import Given
    from gpte_data.deduping.order import Ordered

GAINED = "positives gained from pairs of the same query"
NOT_GAINED = "pairs that were mined, and gain no positives of the same query"


def gained(
    given: "Given", order: "Ordered", decided: "Decided", others: int
) -> dict[int, list[str]]:
    """Return the positives that rows of the input gain, by the rows' numbers.

    Args:
        given: The input.
        order: Of all rows.
        decided: What became of them, in that order.
        others: How many rows other datasets have; they come first.
    """
    import numpy as np

    from gpte_data.deduping.deciding import SAME

    if given.on != "query" or not given.cfg.merge_positives:
        return {}
    says_same = (decided.rules & SAME > 0) & (decided.survivor >= others)
    gone = np.flatnonzero(says_same)
    stays = order.rows[decided.survivor[gone]] - others
    goes = order.rows[gone] - others
    wanted = set(goes.tolist())
    positives: dict[int, list[str]] = {}
    if wanted:
        for number, row in enumerate(given.rows()):
            if number in wanted:
                positives[number] = list(row.get("positives") or ())
    found: dict[int, dict[str, None]] = {}
    for survivor, row in zip(stays.tolist(), goes.tolist(), strict=True):
        found.setdefault(survivor, {}).update(dict.fromkeys(positives[row]))
    return {number: list(ids) for number, ids in found.items() if ids}


def with_gained(row: Row, doc_ids: list[str], notes: Counter[str]) -> Row:
    """Return a pair with further positives; what was measured of its own alone is left out."""
    from gpte_data.positives import SAID

    new = [doc_id for doc_id in doc_ids if doc_id not in row.get("positives", ())]
    if not new:
        return row
    if "candidates" in row:
        notes[NOT_GAINED] += 1
        return row
    notes[GAINED] += len(new)
    kept: Mapping[str, Any] = {name: value for name, value in row.items() if name not in SAID}
    return {**kept, "positives": [*row.get("positives", ()), *new]}
