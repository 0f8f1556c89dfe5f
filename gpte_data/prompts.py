"""Prompts: text with `{{fields}}`, filled once, in which documents are data and nothing else.

What a document says is never looked at again after it was put in, so nothing in it can act as a
template. A line whose fields are all empty is left out: what was drawn to say nothing says nothing.
Documents stand in blocks between tags such as <passage> and </passage>; in what is put
into a prompt, every tag that the prompt itself uses, and every control token of a chat template
(`<|…|>`, `[INST]`), is made harmless, so that no document can end its block or speak for another.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gpte_data.errors import BadInput

FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TAG = re.compile(r"</?([A-Za-z]\w*)>")
_CONTROL = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|think|start_of_turn|end_of_turn)>)|\[(?=/?INST\])|[|｜](?=>)"
)
"""Where a space ends a control token of a chat template (ChatML, Llama, Gemma, DeepSeek …)."""


@dataclass(frozen=True)
class Prompt:
    """One call to a language model: what it is told, and the JSON schema of its answer."""

    name: str
    """Of the recipe, and of the step where it has several: for errors."""
    system: str
    user: str
    answer: Mapping[str, Any]
    each: str = ""
    """Field of the answer that is a list, each element of which goes its own way from here."""
    max_tokens: int = 512

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields that the prompt asks for, in the order in which they stand."""
        return tuple(dict.fromkeys(FIELD.findall(f"{self.system}\n{self.user}")))

    @cached_property
    def tags(self) -> re.Pattern[str]:
        """What would end a block of this prompt or begin another."""
        names = sorted(set(_TAG.findall(f"{self.system}\n{self.user}")))
        return re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(names) or '(?!)'})\b)", re.IGNORECASE)

    def messages(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the chat messages for one row; raise BadInput if a value is missing."""
        turns = [("system", self.system), ("user", self.user)]
        return [{"role": role, "content": self._fill(text, values)} for role, text in turns if text]

    def _fill(self, text: str, values: Mapping[str, str]) -> str:
        if "{{" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            try:
                return self.defused(values[match[1]])
            except KeyError:
                known = ", ".join(sorted(values))
                raise BadInput(
                    f"prompt {self.name} asks for {{{{{match[1]}}}}}, which this recipe does not "
                    f"have: it has {known}"
                ) from None

        if not all(values.get(name, "-") for name in self.fields):
            text = "\n".join(line for line in text.split("\n") if _says(line, values))
        return FIELD.sub(value, text)

    def defused(self, text: str) -> str:
        """Return a text in which nothing ends a block of this prompt or a turn of the chat."""
        if not ("<" in text or "[" in text or "|" in text):
            return text
        return _CONTROL.sub(lambda found: f"{found[0]} ", self.tags.sub("< ", text))


def _says(line: str, values: Mapping[str, str]) -> bool:
    """Tell whether a line has no fields, or one that is not empty."""
    names = FIELD.findall(line)
    return not names or any(values.get(name, "-") for name in names)


def share(kind: str) -> Path:
    """Return the folder of prompts or pipelines: beside the package, or installed with it."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind
