"""Which scores an example has: one scale for all of its documents, or none."""

from typing import Any

import numpy as np

CHOICES = ("auto", "teacher", "reranker")


def scores_of(choice: str, teacher: Any, rerank: Any, example: Any, n: int) -> tuple[Any, Any]:
    """Return the score of each document, and which examples lack one of some document.

    With `auto` an example has the reranker's where it gave one to all of its documents, else the
    teacher's where that did.

    Args:
        choice: `auto`, `teacher` or `reranker`.
        teacher: (m,) in float32, NaN where there is none.
        rerank: (m,), the same.
        example: Of which example each is, (m,).
        n: How many examples.

    Returns:
        Scores (m,), all NaN where an example lacks one, and (n,) of bool.
    """
    lacks = {
        name: np.bincount(example, weights=np.isnan(scores), minlength=n) > 0
        for name, scores in (("teacher", teacher), ("reranker", rerank))
    }
    by_rerank = ~lacks["reranker"] if choice == "auto" else np.full(n, choice == "reranker")
    missing = np.where(by_rerank, lacks["reranker"], lacks["teacher"])
    scores = np.where(by_rerank[example], rerank, teacher).astype(np.float32)
    scores[missing[example]] = np.nan
    return scores, missing
