"""How many tokens a prompt has, before anything is asked: by the model's tokenizer, or estimated.

The tokenizer is used where it is at hand: tokenizer.json in a local folder or in the hub's cache
(needs tokenizers), tiktoken's own cache for OpenAI's models (needs tiktoken). Nothing is fetched
and no code of a model is run. Its chat template is not rendered: each message counts PER_MESSAGE
tokens more, and the start of the answer PER_ANSWER.

The estimate divides letters by how many make a token in their script. It was fitted to Mistral's
Tekken (131,072 entries, 241 release) on the paragraphs of xquad in 12 languages: sums are 0.99 to
1.01 of the true ones in en, ru, el, ar, hi and th, 1.06 in vi, 0.95 in de and zh, 0.93 in es, 0.88
in tr, 0.81 in ro, 0.97 on our own prompts. Small vocabularies need more: of Mistral's 32,768 the
estimate is 0.92 in en, 0.73 in de and a third in ar, el and hi. Scripts not named are guesses.
"""

import importlib.util
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from gpte_data.scripts import script

PER_MESSAGE = 4
"""Role and markers around a message; ChatML, Llama 3 and OpenAI's have 3 to 5."""
PER_ANSWER = 3

PER_TOKEN = {
    "CYRILLIC": 3.3, "GREEK": 2.45, "ARABIC": 3.1, "DEVANAGARI": 2.25, "THAI": 1.85, "CJK": 1.1,
    "HIRAGANA": 1.4, "KATAKANA": 1.4, "HANGUL": 1.4, "LATIN": 1.4,
}  # fmt: skip
"""Letters that make a token; LATIN are those with accents."""
PER_TOKEN_ASCII = 4.6
"""Plain Latin letters."""
PER_TOKEN_OTHER = 2.0
PER_TOKEN_MARK = 1.0
"""Of punctuation and digits; spaces are part of the words that follow."""

TIKTOKEN_FILES = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
"""Encoding -> its file's name in tiktoken's cache, the sha1 of where it was fetched."""

Count = Callable[[Sequence[Mapping[str, str]]], int]
ESTIMATE = f"estimate: characters / {PER_TOKEN_ASCII} in English, fewer in other scripts"


def counter(spec: str) -> tuple[Count, str]:
    """Return what counts the tokens of chat messages for a SPEC, and by what it counts."""
    kind, _, model = spec.partition(":")
    if kind == "extractive":
        return (lambda messages: 0), "no model is asked"
    found = _own(model) or (_tiktoken(model) if kind == "openai" else None)
    size, name = found or (estimate, ESTIMATE)
    size = lru_cache(maxsize=256)(size)  # the system message is the same for all

    def count(messages: Sequence[Mapping[str, str]]) -> int:
        inside = sum(size(str(message["content"])) for message in messages)
        return inside + PER_MESSAGE * len(messages) + PER_ANSWER

    return count, name


def estimate(text: str) -> int:
    """Return about how many tokens a text has."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        marks = len(text) - letters - sum(map(str.isspace, text))
        return round(letters / PER_TOKEN_ASCII + marks / PER_TOKEN_MARK)
    tokens = 0.0
    for character, count in Counter(text).items():
        tokens += count * _weight(character)
    return round(tokens)


@lru_cache(maxsize=8192)
def _weight(character: str) -> float:
    """Return the part of a token that a character is."""
    if character.isspace():
        return 0.0
    name = script(character)
    if not name:
        return 1 / PER_TOKEN_MARK
    return 1 / (PER_TOKEN_ASCII if character.isascii() else PER_TOKEN.get(name, PER_TOKEN_OTHER))


def _own(model: str) -> tuple[Callable[[str], int], str] | None:
    """Return the count of the model's own tokenizer, if it is on this machine."""
    file = _tokenizer_file(model)
    if file is None or importlib.util.find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # tokenizers raises nothing narrower, for a file of another version too
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids), "its tokenizer"


def _tokenizer_file(model: str) -> Path | None:
    """Return tokenizer.json of a local folder, or of a model in the hub's cache."""
    local = Path(model) / "tokenizer.json"
    if local.is_file():
        return local
    named = model.count("/") == 1 and not model.startswith((".", "/", "~"))
    if not named or importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, "tokenizer.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _tiktoken(model: str) -> tuple[Callable[[str], int], str] | None:
    """Return tiktoken's count for one of OpenAI's models, if its vocabulary is cached."""
    if importlib.util.find_spec("tiktoken") is None:
        return None
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    if not _cached_by_tiktoken(name):
        return None
    encoding = tiktoken.get_encoding(name)
    return lambda text: len(encoding.encode(text, disallowed_special=())), f"tiktoken's {name}"


def _cached_by_tiktoken(encoding: str) -> bool:
    """Tell whether tiktoken has a vocabulary already; without one it would fetch it."""
    usual = Path(tempfile.gettempdir()) / "data-gym-cache"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", usual))
    file = TIKTOKEN_FILES.get(encoding, "")
    return bool(folder and file) and (Path(folder) / file).is_file()
