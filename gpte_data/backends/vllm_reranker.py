"""`vllm:MODEL`: a cross-encoder run by vLLM; scores are probabilities.

vLLM gives logits here, whatever activation the model's config names, and they become probabilities
as those of `st:` do. An original Qwen3-Reranker is a language model: vLLM turns it into a
classifier, and it reads its own format (`yes_no.py`).
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.reranking import PROBABILITY, Reranking, sigmoid
from gpte_data.backends.scored import Pair, Scored, Streaming
from gpte_data.backends.vllm_engine import check, pooling_engine
from gpte_data.backends.vllm_running import Engine
from gpte_data.backends.yes_no import (
    VLLM,
    Prompt,
    answers_yes_or_no,
    check_prompt,
    prompt_identity,
)
from gpte_data.errors import BadOption

__all__ = ["VLLMReranker", "check", "identity", "open_reranker"]

MARGIN = 0.05
SCALE = PROBABILITY
TAKES = ("instruction",)
WINDOW = 1024
"""Pairs given to the engine together."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def decides(model: str, how: Reranking) -> dict[str, Any]:
    """Return what decides a score beside the files; raise BadOption for what the model can't do."""
    check_prompt(f"vllm:{model}", model, how)
    return prompt_identity(model, how)


def open_reranker(model: str, options: Options) -> "VLLMReranker":
    """Return the reranker; it is loaded at the first pair."""
    return VLLMReranker(model, options)


class VLLMReranker(Streaming):
    """Scores pairs across queries; long pairs are cut to what the model takes."""

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.options = model, options
        self.is_llm = answers_yes_or_no(model)

    def stream(self, pairs: Sequence[Pair]) -> Iterator[Scored]:
        """Yield the probabilities, in order.

        Raises:
            BadOption: The model is no cross-encoder, or gives more than one score a pair.
        """
        engine = self._engine()
        for start in range(0, len(pairs), WINDOW):
            window = pairs[start : start + WINDOW]
            logits = self._prompted(engine, window) if self.is_llm else _paired(engine, window)
            positions = range(start, start + len(window))
            yield Scored(positions, sigmoid(np.array(logits, dtype=np.float64)))

    def _prompted(self, engine: Engine, pairs: Sequence[Pair]) -> list[float]:
        """Return the logits of a language model's answers."""
        longest = engine.llm.model_config.max_model_len
        encoded = self._prompt.encoded([q for q, _ in pairs], [d for _, d in pairs], longest)
        prompts = [{"prompt_token_ids": one["input_ids"]} for one in encoded]
        outputs = engine.pooled("classify", prompts, use_activation=False)
        return [output.outputs.probs[0] for output in outputs]

    @cached_property
    def _prompt(self) -> Prompt:
        return Prompt.of(self._engine().llm.get_tokenizer(), self.options.reranking)

    def _engine(self) -> Engine:
        more = {"hf_overrides": VLLM} if self.is_llm else None
        engine = pooling_engine(self.model, "classify", "cross-encoder", self.options, more)
        labels = getattr(engine.llm.model_config.hf_config, "num_labels", 0)
        if labels != 1 and not self.is_llm:
            raise BadOption(
                f"vllm:{self.model} gives {labels} scores a pair: "
                "a reranker must give one (num_labels = 1)"
            )
        return engine


def _paired(engine: Engine, pairs: Sequence[Pair]) -> list[float]:
    """Return the logits of a cross-encoder."""
    queries = [query or " " for query, _ in pairs]
    documents = [document or " " for _, document in pairs]  # vLLM takes no empty text
    outputs = engine.pooled("score", queries, documents, use_activation=False)
    return [output.outputs.score for output in outputs]
