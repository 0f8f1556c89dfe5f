"""Small arithmetic on rows of different lengths that stand one after another in one array."""

from typing import Any


def spans(starts: Any, sizes: Any) -> Any:
    """Return starts[0], starts[0] + 1, … for sizes[0] places, then those of the next, (sum,).

    Args:
        starts: (n,), or one for all.
        sizes: (n,)
    """
    import numpy as np

    sizes = np.asarray(sizes, dtype=np.int64)  # unsigned ones would make numbers with a point
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + sizes, sizes)


def groups(keys: Any) -> tuple[Any, Any]:
    """Return where each group of equal neighbours begins, and how many it has."""
    import numpy as np

    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] + 1)) if len(keys) else keys[:0]
    return first, np.diff(np.append(first, len(keys)))
