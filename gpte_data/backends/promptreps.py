"""`promptreps:MODEL`: hidden states of a chat model that is asked for one word, run by vLLM.

PromptReps (Zhuang et al. 2024, 2404.18424): a language model is asked for the one word that stands
for a text, and its answer is begun. At the last token of that prompt it has made up its mind: the
hidden state there (after the last norm) is a dense vector of the text, and its products with the
output layer, the logits of the next token, a sparse one. What vLLM gives is the hidden state; the
logits of the text's own words follow from it (`bag_of_words`), so one pass serves for both.

A text is tokenised apart from the prompt around it, so that nothing in it can close the message.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gpte_data.backends import Batch, Options
from gpte_data.backends.bag_of_words import Bagger
from gpte_data.backends.models import model_identity, model_path
from gpte_data.backends.one_word import OPENING, PASSAGE, PROMPTS, QUERY, Around, around
from gpte_data.backends.output_layer import OutputLayer
from gpte_data.backends.vllm_args import user_args
from gpte_data.backends.vllm_engine import check as check_vllm
from gpte_data.backends.vllm_engine import pooling_engine
from gpte_data.backends.vllm_running import Engine, in_a_line
from gpte_data.errors import BadOption, MissingExtra

KIND = "promptreps"
MAX_LENGTH = 512
"""Tokens of a text that are read, where nothing else is asked for."""
WINDOW = 512
"""Texts given to the engine together."""
ENDS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the architectures of language models are called."""
UNUSED = ("*.bin", "*.pth", "*.pt", "*.gguf", "*.onnx", "*.msgpack", "*.h5", "original/*")
"""Files of a model on the hub that are not fetched."""
LARGEST = 65_504.0
"""Of float16, in which hidden states are kept."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files, and the prompts."""
    return {**model_identity(model), "prompts": PROMPTS}


def check(model: str, options: Options) -> None:
    """Find out before the first row what can be known without vLLM.

    Raises:
        MissingExtra: There is no vLLM.
        BadOption: The model is not there, or is no language model.
    """
    check_vllm(model, options)
    if Path(model_path(model)).is_dir():
        open_promptreps(model, options).check()


def open_promptreps(model: str, options: Options) -> "PromptReps":
    """Return the model, opened once in a process for each state of its files."""
    return _open(model, options, *model_identity(model).values())


@cache
def _open(model: str, options: Options, identity: str) -> "PromptReps":
    return PromptReps(model, options)


class PromptReps:
    """A language model, its tokenizer and its output layer; vLLM is opened at the first text."""

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.options = model, options

    def check(self) -> None:
        """Raise BadOption if this is no language model, or too short for the prompts."""
        _ = self._config, self.room, self.bagger

    def hidden(self, texts: Sequence[str], prompt: str, query: bool) -> Iterator[Batch]:
        """Yield hidden states (n, d), of any length, that float16 can hold.

        Args:
            texts: What is read, up to `room` tokens of it.
            prompt: Put before each text.
            query: Whether they are queries; else they are passages.

        Raises:
            BadOption: The model gives what is zero, not finite or beyond float16.
        """
        own = self._prompts[query]
        for start in range(0, len(texts), WINDOW):
            window = [prompt + text for text in texts[start : start + WINDOW]]
            read = self._encoded(window)
            asked = [[*own.before, *one[: self.room], *own.after] for one in read]
            outputs = self._engine().pooled("embed", [{"prompt_token_ids": one} for one in asked])
            states = np.array([output.outputs.embedding for output in outputs], dtype=np.float32)
            if not (np.abs(states).max(axis=1) <= LARGEST).all() or not states.any(axis=1).all():
                raise BadOption(
                    f"{KIND}:{self.model} gave a hidden state that is zero, not finite or beyond "
                    "float16: use another model"
                )
            truncated = sum(len(one) > self.room for one in read)
            yield Batch(range(start, start + len(window)), states, truncated)

    @cached_property
    def room(self) -> int:
        """Tokens of a text that are read."""
        most, own = self._length, max(map(len, self._prompts))
        room = self.options.encoding.max_length or MAX_LENGTH
        if most is not None and most - own < 1:
            raise BadOption(
                f"{KIND}:{self.model} takes {most} tokens, and the prompt alone has {own}: "
                "use a model that takes more"
            )
        return room if most is None else min(room, most - own)

    @cached_property
    def bagger(self) -> Bagger:
        """What makes bags of words from hidden states."""
        return Bagger(self._tokenizer, OPENING, OutputLayer(self._folder, self._config))

    @cached_property
    def _folder(self) -> Path:
        """The model's files, fetched from the hub where they are not here."""
        path = model_path(self.model)
        if Path(path).is_dir():
            return Path(path)
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(path, ignore_patterns=UNUSED))
        except Exception as error:  # the hub's client raises whatever its parts raise
            raise BadOption(f"{KIND}:{self.model} can't be fetched: {in_a_line(error)}") from None

    @cached_property
    def _config(self) -> dict[str, Any]:
        """What config.json says of the language model; raise BadOption if it is none."""
        try:
            said = orjson.loads((self._folder / "config.json").read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise BadOption(f"{KIND}:{self.model} has no config.json to read: {error}") from None
        names = said.get("architectures") or ["nothing"]
        if said.get("is_encoder_decoder") or not names[0].endswith(ENDS):
            raise BadOption(
                f"{KIND}:{self.model} is a {names[0]}: expected a language model that writes from "
                "left to right, such as a LlamaForCausalLM; for embedding models there is "
                f"vllm:{self.model}"
            )
        config: dict[str, Any] = said | said.get("text_config", {})
        return config

    @cached_property
    def _length(self) -> int | None:
        """Tokens that the model takes, where its config says so."""
        found = (self._config.get(n) for n in ("max_position_embeddings", "n_positions"))
        return next((int(one) for one in found if one), None)

    @cached_property
    def _tokenizer(self) -> Any:
        if importlib.util.find_spec("transformers") is None:
            raise MissingExtra.of("transformers", "vllm")
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self._folder)
        except (OSError, ValueError, KeyError) as error:
            raise BadOption(
                f"{KIND}:{self.model} has no tokenizer that transformers can load: "
                f"{in_a_line(error)}"
            ) from None

    @cached_property
    def _prompts(self) -> tuple[Around, Around]:
        """What stands around passages, and around queries."""
        try:
            return around(self._tokenizer, PASSAGE), around(self._tokenizer, QUERY)
        except BadOption as error:
            raise BadOption(f"{KIND}:{self.model} can't be asked: {error}") from None

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        """Return the tokens of texts; what looks like a special token is none."""
        found: list[list[int]] = self._tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return found

    def _engine(self) -> Engine:
        """Return vLLM, which takes as much as the longest prompt has and gives the last state."""
        ours = {
            "max_model_len": self.room + max(map(len, self._prompts)),
            "pooler_config": {"seq_pooling_type": "LAST", "use_activation": False},
        }
        args = orjson.dumps(user_args(self.options) | ours).decode()
        options = replace(self.options, engine_args=args)
        return pooling_engine(self.model, "embed", "language model", options)
