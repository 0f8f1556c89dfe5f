"""`model2vec:MODEL`: static word vectors, averaged; hundreds of times as fast as a transformer.

A text none of whose words the model knows gets the mean of all its vectors, which is near to
nothing in particular.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from gpte_data.backends import Batch, Options
from gpte_data.backends.models import model_identity, model_path
from gpte_data.backends.unit import unit
from gpte_data.errors import BadInput, BadOption, MissingExtra

WINDOW = 1024
"""Texts embedded together."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_embedder(model: str, options: Options) -> "Model2VecEmbedder":
    """Return the teacher."""
    return Model2VecEmbedder(model, options)


@cache
def _loaded(model: str, identity: str) -> Any:
    """Load a model, once in a process for each state of its files."""
    try:
        from model2vec import StaticModel
    except ImportError:
        raise MissingExtra.of("model2vec", "local") from None
    try:
        return StaticModel.from_pretrained(model_path(model), force_download=False)
    except (OSError, ValueError, KeyError) as error:
        raise BadOption(f"model2vec:{model} can't be loaded: {error}") from None


class Model2VecEmbedder:
    """Embeds texts with a StaticModel; a text is read to its end."""

    def __init__(self, model: str, options: Options) -> None:
        self.name = model
        self.model = _loaded(model, *model_identity(model).values())
        self.dimension = options.encoding.truncate_dim

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield unit vectors in the order of the texts."""
        refusal = BadInput(f"model2vec:{self.name} gives vectors that are zero or not finite")
        nothing = np.asarray(self.model.embedding, dtype=np.float32).mean(axis=0)
        for start in range(0, len(texts), WINDOW):
            window = [prompt + text for text in texts[start : start + WINDOW]]
            found = self.model.encode(
                window, max_length=None, normalize=False, use_multiprocessing=False
            )
            vectors = np.asarray(found, dtype=np.float32)
            vectors[~vectors.any(axis=1)] = nothing
            yield Batch(
                range(start, start + len(window)), unit(vectors, refusal, self.dimension), 0
            )
