"""Vectors of length 1, as every teacher gives them; what has no direction is refused."""

from typing import Any

import numpy as np

from gpte_data.errors import UserError


def unit(vectors: Any, refusal: UserError) -> Any:
    """Return the rows (n, dimension) divided by their length, in float32.

    Raises:
        UserError: `refusal`, if a row is zero or not finite.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise refusal
    return (vectors / lengths).astype(np.float32)
