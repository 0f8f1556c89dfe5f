"""Which nodes of a graph hang together."""

from typing import Any

import numpy as np


def components(nodes: int, first: Any, second: Any) -> Any:
    """Return the least node of each node's component, (nodes,) in int64.

    Each round gives both ends of every edge the lesser of their labels, and lets each label follow
    its own label to the end; rounds are as many as the logarithm of the longest way, mostly.

    Args:
        nodes: How many.
        first: One end of each edge, (edges,).
        second: The other end, (edges,).
    """
    label = np.arange(nodes, dtype=np.int64)
    while True:
        one, other = label[first], label[second]
        low, high = np.minimum(one, other), np.maximum(one, other)
        if (low == high).all():
            return label
        np.minimum.at(label, high, low)
        while (label[label] != label).any():
            label = label[label]
