"""Candidates chosen within a budget of false negatives, by mining and reranker together."""

from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.denoising.budget import Budget, told
from gpte_data.denoising.rules import LIKELY_AT
from gpte_data.denoising.seen import NO_CHOICE, Look
from gpte_data.errors import BadInput


def sampled(look: Look, scale: str) -> list[tuple[Any, Any, Any]]:
    """Return of each row that has any what a budget is fitted to: see `budget.fitted`."""
    teacher, estimated, scores = _evidence(look, scale)
    free = ~look.broken.any(axis=1) & ~look.seen.written
    found = [places[free[places]] for places in look.seen.by_row()]
    return [(teacher[at], estimated[at], scores[at]) for at in found if len(at)]


def chosen_within(budget: Budget, look: Look, scale: str) -> dict[str, Any]:
    """Choose within a budget: return new columns, and mark what is likely a positive.

    Those scored get the first numbers: written ones, then what is taken, then what is dropped.
    """
    teacher, estimated, scores = _evidence(look, scale)
    likely = budget.likely(estimated, scores)
    broken, written, choice = look.broken, look.seen.written, look.seen.choice.copy()
    for places in look.seen.by_row():
        held = broken[places].any(axis=1)
        first = places[written[places] & ~held]
        free = places[~written[places] & ~held]
        ranked, late = budget.choose(teacher[free], likely[free])
        broken[free[late], LIKELY_AT] = True
        taken = free[ranked[~late[ranked]]]
        after = places[broken[places].any(axis=1)]
        choice[np.concatenate([first, taken, after])] = np.arange(1, len(places) + 1)
    return {
        "choice": pa.array(choice, mask=choice == NO_CHOICE),
        "reranked_false_negative": pa.array(likely.astype(np.float32), mask=~look.seen.scored),
    }


def _evidence(look: Look, scale: str) -> tuple[Any, Any, Any]:
    """Return the teacher's scores, mining's probabilities and the rerank scores, (n,) each."""
    block, columns = look.block, []
    for name in ("score", "false_negative"):
        column = block.column(name)
        empty = column.is_null().to_numpy(zero_copy_only=False) & look.seen.scored
        if len(lacking := np.flatnonzero(empty)):
            row = block.rows[block.row[lacking[0]]]
            raise BadInput(
                f"row {row['query_id']!r} has a candidate without {name}, which "
                "--max-false-negatives needs: mine under a budget, or give --margin instead"
            )
        columns.append(column.to_numpy(zero_copy_only=False).astype(np.float64))
    return columns[0], columns[1], told(look.scores, scale)
