"""Vectors of length 1, as every teacher gives them; what has no direction is refused."""

from typing import Any

import numpy as np

from gpte_data.errors import BadOption, UserError


def unit(vectors: Any, refusal: UserError, dimension: int | None = None) -> Any:
    """Return the rows (n, dimension) divided by their length, in float32.

    Args:
        vectors: What a model gave.
        refusal: Raised if a row is zero or not finite.
        dimension: Numbers of each row that are kept, before it is divided.

    Raises:
        UserError: A row is zero or not finite, or shorter than what should be kept of it.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if dimension is not None and vectors.shape[1] < dimension:
        raise BadOption(
            f"--truncate-dim {dimension} is more than the {vectors.shape[1]} numbers of a vector"
        )
    vectors = vectors[:, :dimension]
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise refusal
    return (vectors / lengths).astype(np.float32)
