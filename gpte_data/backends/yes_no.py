"""Rerankers that are language models and answer yes or no: how they are asked, in their own format.

Qwen3-Reranker (2506.05176 §3.1) was trained on one conversation: a system message that asks for a
judgement, then instruction, query and document, each with its label, and an empty thought before
the answer. A model whose config calls it a language model of that family (`Qwen3ForCausalLM`),
given as a reranker, is one of these; what was turned into a classifier is not. Other language
models were trained on prompts of their own, which are not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gpte_data.backends.models import model_path
from gpte_data.backends.reranking import Reranking
from gpte_data.errors import BadOption

INSTRUCTION = "Given a question or a search query, retrieve passages that answer it"
"""What counts as relevant, where nothing else is asked for."""
BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
ANSWERS = ("no", "yes")
VLLM = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": list(ANSWERS),
    "is_original_qwen3_reranker": True,
}
"""What turns the language model into a classifier of its answer's first token, for vLLM."""


LANGUAGE_MODEL = "ForCausalLM"
KNOWN = "Qwen3ForCausalLM"


def architecture(model: str) -> str:
    """Return what the config of a model on this machine calls it; nothing if it is not here."""
    try:
        config = orjson.loads((Path(model_path(model)) / "config.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str((config.get("architectures") or [""])[0])


def answers_yes_or_no(model: str) -> bool:
    """Tell whether a model is a language model that is asked in this format."""
    return architecture(model) == KNOWN


def check_known(spec: str, named: str) -> None:
    """Raise BadOption for a language model whose prompt is not known here."""
    if named.endswith(LANGUAGE_MODEL) and named != KNOWN:
        raise BadOption(
            f"{spec} is a {named}, which reads a prompt of its own that gpte-data does not know: "
            f"expected a cross-encoder (…ForSequenceClassification) or a Qwen3-Reranker ({KNOWN})"
        )


def check_prompt(spec: str, model: str, how: Reranking) -> None:
    """Raise BadOption for a prompt that is not known, or an instruction that nobody would read."""
    check_known(spec, architecture(model))
    if how.instruction and not answers_yes_or_no(model):
        raise BadOption(
            f"--instruction is for language models that answer yes or no (Qwen3-Reranker): {spec} "
            "reads a query and a document alone, leave it out"
        )


def prompt_identity(model: str, how: Reranking) -> dict[str, Any]:
    """Return what of the prompt decides a score."""
    if not answers_yes_or_no(model):
        return {}
    return {"prompt": [BEFORE, how.instruction or INSTRUCTION, AFTER]}


def asked(query: str, instruction: str) -> str:
    """Return instruction and query as the model reads them, before the document."""
    return f"<Instruct>: {instruction or INSTRUCTION}\n<Query>: {query}\n"


def told(document: str) -> str:
    """Return a document as the model reads it."""
    return f"<Document>: {document}"


@dataclass(frozen=True)
class Prompt:
    """The format in one model's tokens."""

    tokenizer: Any
    instruction: str
    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, tokenizer: Any, how: Reranking) -> "Prompt":
        """Return the format in a tokenizer's tokens."""
        ends = [tokenizer.encode(text, add_special_tokens=False) for text in (BEFORE, AFTER)]
        return cls(tokenizer, how.instruction, *ends)

    def encoded(
        self, queries: Sequence[str], documents: Sequence[str], longest: int
    ) -> list[dict[str, list[int]]]:
        """Return pairs as tokens; where a pair is too long its text loses its end."""
        texts = [
            asked(query, self.instruction) + told(document)
            for query, document in zip(queries, documents, strict=True)
        ]
        room = longest - len(self.before) - len(self.after)
        inner = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        every = ([*self.before, *ids[:room], *self.after] for ids in inner)
        return [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in every]
