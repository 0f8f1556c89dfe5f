"""`vllm:MODEL`: a cross-encoder run by vLLM; scores are probabilities."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.vllm_engine import check, pooling_engine
from gpte_data.backends.vllm_running import Engine
from gpte_data.errors import BadOption

__all__ = ["VLLMReranker", "check", "identity", "open_reranker"]

WINDOW = 1024
"""Pairs given to the engine together."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_reranker(model: str, options: Options) -> "VLLMReranker":
    """Return the reranker; it is loaded at the first pair."""
    return VLLMReranker(model, options)


class VLLMReranker:
    """Scores pairs across queries; long pairs are cut to what the model takes."""

    margin = 0.05
    scale = "probability"

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.options = model, options

    def score(self, pairs: Sequence[tuple[str, str]], tell: Callable[[int], None]) -> Any:
        """Return the probabilities in the order of the pairs.

        Raises:
            BadOption: The model is no cross-encoder, or gives more than one score a pair.
        """
        engine = self._engine()
        scores = np.zeros(len(pairs), dtype=np.float32)
        for start in range(0, len(pairs), WINDOW):
            window = pairs[start : start + WINDOW]
            queries = [query or " " for query, _ in window]
            documents = [document or " " for _, document in window]  # vLLM takes no empty text
            outputs = engine.pooled("score", queries, documents)
            scores[start : start + len(window)] = [output.outputs.score for output in outputs]
            tell(len(window))
        return scores

    def _engine(self) -> Engine:
        engine = pooling_engine(self.model, "classify", "cross-encoder", self.options)
        labels = getattr(engine.llm.model_config.hf_config, "num_labels", 0)
        if labels != 1:
            raise BadOption(
                f"vllm:{self.model} gives {labels} scores a pair: "
                "a reranker must give one (num_labels = 1)"
            )
        return engine
