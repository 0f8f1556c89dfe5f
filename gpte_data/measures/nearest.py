"""How near each text of a sample is to the nearest other one: what repeats itself shows at once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gpte_data.measures.distributions import add_scores, distribution

BLOCK = 1024
LEVELS = (0.8, 0.9, 0.95, 0.99)
PAIRS = 5


def nearest(vectors: Any) -> tuple[Any, Any]:
    """Return the cosine of each vector to the nearest other one, and which that is: (n,), (n,).

    Args:
        vectors: (n, dimension) in float32, of length 1, with n > 1; n² cosines are looked at,
            BLOCK * n at a time.
    """
    import numpy as np

    cosines, places = np.empty(len(vectors)), np.empty(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(block))
        block[rows, start + rows] = -np.inf
        places[start : start + len(block)] = best = block.argmax(axis=1)
        cosines[start : start + len(block)] = np.minimum(block[rows, best], 1.0)
    return cosines, places


def told(texts: Sequence[str], vectors: Any) -> dict[str, Any]:
    """Return the distribution of the nearest cosines, and the texts that are nearest."""
    import numpy as np

    cosines, places = nearest(vectors)
    counts: Counter[float] = Counter()
    add_scores(counts, cosines)
    pairs: list[dict[str, Any]] = []
    for one in np.argsort(-cosines, kind="stable").tolist():
        other = int(places[one])
        if not any({texts[one], texts[other]} == {p["text"], p["other"]} for p in pairs):
            cosine = round(float(cosines[one]), 3)
            pairs.append({"cosine": cosine, "text": texts[one], "other": texts[other]})
        if len(pairs) == PAIRS:
            break
    at_least = {str(level): int((np.round(cosines, 3) >= level).sum()) for level in LEVELS}
    return {"cosine": distribution(counts), "at_least": at_least, "pairs": pairs}
