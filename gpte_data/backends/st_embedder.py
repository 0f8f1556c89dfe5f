"""`st:MODEL`: a teacher run by sentence-transformers in this process."""

from collections.abc import Sequence

import numpy as np

from gpte_data.backends import Embedded, Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.st_model import forward, load
from gpte_data.errors import BadInput


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_embedder(model: str, options: Options) -> "STEmbedder":
    """Return the teacher."""
    return STEmbedder(model, options)


class STEmbedder:
    """Embeds texts with a SentenceTransformer; long texts are cut to what it takes."""

    def __init__(self, model: str, options: Options) -> None:
        self.name = model
        self.model = load(model)
        self.tokens = options.batch_tokens

    def embed(self, texts: Sequence[str], prompt: str) -> Embedded:
        """Return unit vectors in the order of the texts."""
        vectors, truncated = np.zeros((0, 0), dtype=np.float32), 0
        for positions, out, cut in forward(self.model, [prompt + t for t in texts], self.tokens):
            found = out["sentence_embedding"][: len(positions)].float().cpu().numpy()
            if not vectors.size:
                vectors = np.zeros((len(texts), found.shape[1]), dtype=np.float32)
            vectors[positions] = found
            truncated += sum(cut)
        if not np.isfinite(vectors).all():
            raise BadInput(f"st:{self.name} gives vectors that are not finite: take another model")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedded(vectors / np.maximum(lengths, 1e-12), truncated)
