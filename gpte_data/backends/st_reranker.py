"""`st:MODEL`: a CrossEncoder run by sentence-transformers in this process.

Scores are probabilities: the sigmoid of the one logit, whatever activation the model's own config
names, so that logits and probabilities are never mixed up.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.batching import batches, collate, split
from gpte_data.backends.models import model_identity
from gpte_data.backends.st_model import WINDOW, load_cross_encoder
from gpte_data.errors import BadOption


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_reranker(model: str, options: Options) -> "STReranker":
    """Return the reranker; raise BadOption if the model gives more than one score a pair."""
    return STReranker(model, options)


class STReranker:
    """Scores pairs across queries, batched by length."""

    margin = 0.05
    scale = "probability"

    def __init__(self, model: str, options: Options) -> None:
        self.model = load_cross_encoder(model)
        self.tokens = options.batch_tokens
        if self.model.num_labels != 1:
            raise BadOption(
                f"st:{model} gives {self.model.num_labels} scores a pair: "
                "a reranker must give one (num_labels = 1)"
            )

    def score(self, pairs: Sequence[tuple[str, str]], tell: Callable[[int], None]) -> Any:
        """Return the probabilities in the order of the pairs."""
        import torch

        scores = np.zeros(len(pairs), dtype=np.float32)
        for start in range(0, len(pairs), WINDOW):
            encoded = self._encode(pairs[start : start + WINDOW])
            for length, positions in batches([len(e["input_ids"]) for e in encoded], self.tokens):
                features = collate(self.model.tokenizer, [encoded[i] for i in positions], length)
                on_device = {name: value.to(self.model.device) for name, value in features.items()}
                with torch.inference_mode():
                    logits = self.model.model(**on_device).logits[:, 0]
                scores[[start + i for i in positions]] = torch.sigmoid(logits.float()).cpu().numpy()
                tell(len(positions))
        return scores

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, list[int]]]:
        queries, documents = map(list, zip(*pairs, strict=True))
        longest = self.model.max_length or 512
        return split(
            self.model.tokenizer(queries, documents, truncation="longest_first", max_length=longest)
        )
