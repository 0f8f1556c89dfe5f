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
from gpte_data.backends.st_model import WINDOW, load_cross_encoder, longest_input
from gpte_data.errors import BadInput, BadOption


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
        self.name = model
        self.model = load_cross_encoder(model)
        self.tokens = options.batch_tokens
        self.longest = longest_input(self.model)
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
            lengths = [len(one["input_ids"]) for one in encoded]
            for length, positions in batches(lengths, self.tokens, self.longest):
                features = collate(self.model.tokenizer, [encoded[i] for i in positions], length)
                on_device = {name: value.to(self.model.device) for name, value in features.items()}
                with torch.inference_mode():
                    logits = self.model.model(**on_device).logits[: len(positions), 0]
                scores[[start + i for i in positions]] = _sigmoid(logits.double().cpu().numpy())
                tell(len(positions))
        if not np.isfinite(scores).all():
            raise BadInput(f"st:{self.name} gives scores that are not finite: take another model")
        return scores

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, list[int]]]:
        queries, documents = map(list, zip(*pairs, strict=True))
        return split(
            self.model.tokenizer(
                queries, documents, truncation="longest_first", max_length=self.longest
            )
        )


def _sigmoid(logits: Any) -> Any:
    """Return probabilities; in float64, so that how numbers are grouped does not show."""
    return 1 / (1 + np.exp(-logits))
