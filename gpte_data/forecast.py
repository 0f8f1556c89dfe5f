"""What a run would ask and cost, found out without asking: every prompt rendered, none sent.

The stage runs as it will, with a model that only counts. Answers already in the journal are used,
so what is counted is what is left to pay for. What the model would write is not known: answers are
made up by the schema, of middling length, and so are lists; `probe` puts measured figures in their
place.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpte_data.backends import Completion, Keep, Request

COUNTED = 2000
"""Prompts whose tokens are counted; the others are taken to have as many a character."""
SHOWN = 3
CHARACTERS = 4.2
"""Of a token in an answer that nobody has written yet; English prose has about so many."""


@dataclass
class Counting:
    """A language model that writes nothing down but the size of what it is asked."""

    count: Callable[[Sequence[Mapping[str, str]]], int]
    query_types: Mapping[str, float] | None = None
    calls: int = 0
    characters: int = 0
    counted: list[int] = field(default_factory=lambda: [0, 0])
    """Tokens and characters of the prompts that were counted."""
    answers: float = 0.0
    """Tokens that the answers would have."""
    shown: list[Request] = field(default_factory=list)

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield a made-up answer for each request; nothing is kept."""
        for request in requests:
            size = sum(len(message["content"]) for message in request.messages)
            self.calls += 1
            self.characters += size
            if self.calls <= COUNTED:
                self.counted[0] += self.count(request.messages)
                self.counted[1] += size
            answer = middling(request.schema)
            most = int(request.sampling["max_tokens"])
            self.answers += min(most, _length(answer) / CHARACTERS)
            self._show(request)
            yield Completion(answer)

    def _show(self, request: Request) -> None:
        """Keep some requests to be shown: of other rows, and one of each kind of call."""
        kinds = [one.schema for one in self.shown]
        rows = [_row_of(one) for one in self.shown]
        if len(self.shown) < SHOWN and (
            request.schema not in kinds or _row_of(request) not in rows
        ):
            self.shown.append(request)
        elif len(self.shown) == SHOWN and request.schema not in kinds:
            self.shown = [*self.shown[:-1], request]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, by those that were counted."""
        tokens, characters = self.counted
        return round(self.characters * tokens / characters) if characters else 0


def _row_of(request: Request) -> str:
    """Return the beginning of a prompt's last part, which is the row's own."""
    return request.messages[-1]["content"][:200]


def middling(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer that fits a schema, of middling length."""
    properties = schema.get("properties", {})
    return {name: _middling(part, name) for name, part in properties.items()}


def _middling(schema: Mapping[str, Any], name: str) -> Any:
    """Return a value that fits a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return middling(schema)
    if kind == "array":
        least = schema.get("minItems", 1)
        count = (least + schema.get("maxItems", least + 4) + 1) // 2
        return [_numbered(_middling(schema.get("items", {}), name), n) for n in range(count)]
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    least = schema.get("minLength", 0)
    length = (least + min(schema.get("maxLength", least + 120), least + 2000)) // 2
    return (f"{name} in words, as a model may write it, " * (length // 20 + 1))[: max(length, 1)]


def _numbered(value: Any, number: int) -> Any:
    """Return a list's element that differs from the others; one with a number has the next."""
    if isinstance(value, dict) and "number" in value:
        return value | {"number": number + 1}
    return f"{number} {value}"[: max(len(value), 2)] if isinstance(value, str) else value


def _length(value: Any) -> int:
    """Return how many characters a value has as JSON, nearly."""
    if isinstance(value, dict):
        return sum(len(name) + 6 + _length(one) for name, one in value.items())
    if isinstance(value, list):
        return sum(2 + _length(one) for one in value)
    return len(str(value)) + 2


@dataclass
class Timed:
    """A language model whose answers are counted and timed, for a probe."""

    llm: Any
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def query_types(self) -> Mapping[str, float] | None:
        """What the model itself says."""
        types: Mapping[str, float] | None = self.llm.query_types
        return types

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield what the model answers."""
        started = time.monotonic()
        for completion in self.llm.complete(requests, keep):
            self.calls += 1
            self.prompt_tokens += completion.prompt_tokens
            self.completion_tokens += completion.completion_tokens
            self.seconds = max(self.seconds, time.monotonic() - started)
            yield completion
