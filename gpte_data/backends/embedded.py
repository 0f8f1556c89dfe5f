"""Vectors of texts, all at once, from an embedder that gives them batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpte_data.backends import Embedder


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors (n, dimension) in float32, of length 1, and how many texts were cut to fit."""

    vectors: Any
    truncated: int


def embed(embedder: Embedder, texts: Sequence[str], prompt: str = "") -> Embedded:
    """Embed each text with the prompt before it; the vectors are in the order of the texts."""
    import numpy as np

    vectors, truncated = np.zeros((0, 0), dtype=np.float32), 0
    for batch in embedder.stream(texts, prompt) if texts else ():
        if not vectors.size:
            vectors = np.zeros((len(texts), batch.vectors.shape[1]), dtype=np.float32)
        vectors[list(batch.positions)] = batch.vectors
        truncated += batch.truncated
    return Embedded(vectors, truncated)
