"""A sentence-transformers model, run in batches that don't depend on each other (see batching)."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from gpte_data.backends.batching import batches, collate, split
from gpte_data.backends.models import model_identity, model_path
from gpte_data.errors import BadOption, MissingExtra


def load(model: str, dtype: str = "float32") -> Any:
    """Return the SentenceTransformer; raise BadOption if there is no such model."""
    return _loaded("SentenceTransformer", model, dtype, *model_identity(model).values())


def load_cross_encoder(model: str, dtype: str = "float32") -> Any:
    """Return the CrossEncoder; raise BadOption if there is no such model."""
    return _loaded("CrossEncoder", model, dtype, *model_identity(model).values())


@cache
def _loaded(kind: str, model: str, dtype: str, identity: str) -> Any:
    """Load a model, once in a process for each state of its files."""
    path = model_path(model)
    try:
        import sentence_transformers
        import torch
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra.of("sentence-transformers", "local") from None
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        loaded = getattr(sentence_transformers, kind)(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadOption(f"st:{model} can't be loaded as a {kind}: {reason}") from None
    if dtype != "float32":
        loaded = loaded.to(getattr(torch, dtype))
    return loaded.eval()


def forward(
    model: Any, texts: Sequence[str], tokens: int, most: int | None = None
) -> Iterator[tuple[list[int], dict[str, Any], list[bool]]]:
    """Run texts through the model.

    Yields:
        (positions, features, truncated) for each batch: which texts it holds, the model's output
        with `sentence_embedding` and `token_embeddings`, and which of them were cut to fit.
    """
    import torch

    tokenizer, longest = model.tokenizer, min(longest_input(model), most or 10**9)
    for start in range(0, len(texts), WINDOW):
        window = list(texts[start : start + WINDOW])
        encoded, cut = encode(tokenizer, window, longest)
        lengths = [len(one["input_ids"]) for one in encoded]
        for length, positions in batches(lengths, tokens, longest):
            features = collate(tokenizer, [encoded[i] for i in positions], length)
            with torch.inference_mode():
                out = model({name: value.to(model.device) for name, value in features.items()})
            yield [start + i for i in positions], out, [cut[i] for i in positions]


def longest_input(model: Any) -> int:
    """Return how many tokens a model takes: its own limit, or else 512."""
    limit = model.max_seq_length or model.tokenizer.model_max_length
    return int(limit) if 0 < limit < 1_000_000 else 512


WINDOW = 4096
"""Texts that are tokenised and sorted by length together."""


def encode(
    tokenizer: Any, texts: list[str], longest: int
) -> tuple[list[dict[str, list[int]]], list[bool]]:
    """Tokenise texts, cut to `longest` tokens; also tell which of them were cut."""
    encoded = tokenizer(
        texts, truncation=True, max_length=longest, return_overflowing_tokens=True, stride=0
    )
    owners = encoded.pop("overflow_to_sample_mapping")
    pieces = split(encoded)
    first: dict[int, int] = {}
    counts = [0] * len(texts)
    for piece, owner in enumerate(owners):
        first.setdefault(owner, piece)
        counts[owner] += 1
    return [pieces[first[i]] for i in range(len(texts))], [count > 1 for count in counts]
