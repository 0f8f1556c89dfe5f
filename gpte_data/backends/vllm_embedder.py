"""`vllm:MODEL`: a teacher run by vLLM."""

from collections.abc import Iterator, Sequence
from typing import Any

from gpte_data.backends import Batch, Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.unit import unit
from gpte_data.backends.vllm_engine import check, pooling_engine
from gpte_data.errors import BadOption

__all__ = ["VLLMEmbedder", "check", "identity", "open_embedder"]

WINDOW = 1024
"""Texts given to the engine together; their vectors are lists of floats for that long."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_embedder(model: str, options: Options) -> "VLLMEmbedder":
    """Return the teacher; it is loaded at the first text."""
    return VLLMEmbedder(model, options)


class VLLMEmbedder:
    """Embeds texts with the model's own pooling; long texts are cut to what it takes."""

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.options = model, options

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield unit vectors; raise BadOption if the model has none."""
        engine = pooling_engine(self.model, "embed", "embedding model", self.options)
        refusal = BadOption(f"vllm:{self.model} gave a vector that is zero or not finite")
        dimension = self.options.encoding.truncate_dim
        for start in range(0, len(texts), WINDOW):
            # A tokenizer without special tokens makes nothing of an empty text: vLLM wants one.
            window = [prompt + text or " " for text in texts[start : start + WINDOW]]
            outputs = engine.pooled("embed", window)
            vectors = unit([o.outputs.embedding for o in outputs], refusal, dimension)
            truncated = _truncated(engine.llm, window, outputs)
            yield Batch(range(start, start + len(window)), vectors, truncated)


def _truncated(llm: Any, texts: Sequence[str], outputs: Sequence[Any]) -> int:
    """Count the texts that were cut; only those that fill the model are tokenised again."""
    longest = llm.model_config.max_model_len
    full = [t for t, o in zip(texts, outputs, strict=True) if len(o.prompt_token_ids) >= longest]
    if not full:
        return 0
    whole = llm.get_tokenizer()(full, truncation=False, verbose=False)["input_ids"]
    return sum(len(tokens) > longest for tokens in whole)
