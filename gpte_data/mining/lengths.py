"""How long candidates are beside the positives, in words.

Where negatives are all longer or all shorter than positives, a model learns to look at length
(length-induced collapse, 2410.24200). Texts without words count as one word.
"""

from typing import Any

import numpy as np


def lengths(words: Any, positive_words: Any) -> dict[str, Any]:
    """Return how many times longer than the longest positive, and shorter than the shortest.

    Args:
        words: Of the candidates, (n,).
        positive_words: (p,), with p > 0.

    Returns:
        `longer` and `shorter`, (n,) each.
    """
    own, of_positives = (
        np.maximum(np.asarray(one, dtype=np.float64), 1) for one in (words, positive_words)
    )
    return {"longer": own / of_positives.max(), "shorter": of_positives.min() / own}
