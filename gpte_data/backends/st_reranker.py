"""`st:MODEL`: a CrossEncoder run by sentence-transformers in this process.

Scores are probabilities: the sigmoid of the one logit, whatever activation the model's own config
names, so that logits and probabilities are never mixed up. A language model that answers yes or no
(Qwen3-Reranker, 2506.05176 §3.1) is asked in the words of `yes_no.py`; its logit is that of yes
less that of no. Where the hardware multiplies bfloat16 the model runs in it, as a teacher does
(`st_embedder.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from gpte_data.backends import Options
from gpte_data.backends.batching import batches, collate, split
from gpte_data.backends.models import model_identity
from gpte_data.backends.reranking import PROBABILITY, Reranking, sigmoid
from gpte_data.backends.scored import Pair, Scored, Streaming
from gpte_data.backends.st_embedder import dtype_of
from gpte_data.backends.st_model import load_cross_encoder, longest_input
from gpte_data.backends.yes_no import (
    LANGUAGE_MODEL,
    Prompt,
    answers_yes_or_no,
    check_prompt,
    prompt_identity,
)
from gpte_data.errors import BadOption

MARGIN = 0.05
SCALE = PROBABILITY
TAKES = ("instruction", "dtype", "max_length")
WINDOW = 16_384
"""Pairs that are tokenised and sorted by length together."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def decides(model: str, how: Reranking) -> dict[str, Any]:
    """Return what decides a score beside the files; raise BadOption for what the model can't do."""
    check_prompt(f"st:{model}", model, how)
    found: dict[str, Any] = {"dtype": dtype_of(how.dtype), **prompt_identity(model, how)}
    return found | ({"max_length": how.max_length} if how.max_length else {})


def open_reranker(model: str, options: Options) -> "STReranker":
    """Return the reranker; raise BadOption if the model gives more than one score a pair."""
    return STReranker(model, options)


class STReranker(Streaming):
    """Scores pairs across queries, batched by length."""

    def __init__(self, model: str, options: Options) -> None:
        how = options.reranking
        self.name = model
        self.model = load_cross_encoder(model, dtype_of(how.dtype))
        self.tokens = options.batch_tokens
        self.longest = min(longest_input(self.model), how.max_length or 10**9)
        self.prompt = Prompt.of(self.model.tokenizer, how) if answers_yes_or_no(model) else None
        if self.model.num_labels != 1 and self.prompt is None:
            raise BadOption(
                f"st:{model} gives {self.model.num_labels} scores a pair: "
                "a reranker must give one (num_labels = 1)"
            )
        if self.prompt is None:
            _check_fetched(model, self.model)
            _pad(self.model)

    def stream(self, pairs: Sequence[Pair]) -> Iterator[Scored]:
        """Yield the probabilities, pairs of one length together."""
        import torch

        for start in range(0, len(pairs), WINDOW):
            encoded = self._encode(pairs[start : start + WINDOW])
            lengths = [len(one["input_ids"]) for one in encoded]
            for length, positions in batches(lengths, self.tokens, self.longest):
                features = collate(self.model.tokenizer, [encoded[i] for i in positions], length)
                on_device = {name: value.to(self.model.device) for name, value in features.items()}
                if self.prompt is not None:
                    on_device["logits_to_keep"] = 1
                with torch.inference_mode():
                    logits = self.model(on_device)["scores"][: len(positions), 0]
                scores = sigmoid(logits.double().cpu().numpy())
                yield Scored([start + i for i in positions], scores)

    def _encode(self, pairs: Sequence[Pair]) -> list[dict[str, list[int]]]:
        queries, documents = map(list, zip(*pairs, strict=True))
        if self.prompt is not None:
            return self.prompt.encoded(queries, documents, self.longest)
        return split(
            self.model.tokenizer(
                queries, documents, truncation="longest_first", max_length=self.longest
            )
        )


def _check_fetched(name: str, model: Any) -> None:
    """Raise BadOption for a language model that was not on this machine when it was looked at."""
    if str((model.model.config.architectures or [""])[0]).endswith(LANGUAGE_MODEL):
        raise BadOption(
            f"st:{name} is a language model that was just fetched, and its format is looked up "
            "before: run the same command again"
        )


def _pad(model: Any) -> None:
    """Give a model something to pad with where it has nothing.

    A language model with a head finds the last token that is no padding, so what it is padded with
    must not be what texts end with.
    """
    tokenizer, config = model.tokenizer, model.model.config
    if tokenizer.pad_token_id is None:
        ends = {tokenizer.eos_token_id, tokenizer.sep_token_id}
        free = (tokenizer.unk_token_id, tokenizer.bos_token_id, 0)
        pad = next((one for one in free if one is not None and one not in ends), 1)
        tokenizer.pad_token_id = pad
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
