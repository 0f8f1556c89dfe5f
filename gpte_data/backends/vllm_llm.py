"""`vllm:MODEL`: a language model run by vLLM, by JSON schema.

Sampling is as a vLLM server does it: the model's own generation_config, and over it what the
request says. With a seed of its own, each request gets the same answer whatever runs beside it,
as far as the kernels do: on a GPU that is VLLM_BATCH_INVARIANT=1, at some cost of speed.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.backends.answers import parse_answer, repair
from gpte_data.backends.models import model_identity
from gpte_data.backends.vllm_engine import check, engine
from gpte_data.backends.vllm_running import Engine, Refused, in_a_line
from gpte_data.errors import BadOption

__all__ = ["VLLMLLM", "check", "identity", "open_llm"]

WINDOW = 8192
"""Requests from the oldest one without an answer on; finished ones wait behind a long answer."""
RAW = 2000
"""Characters kept of an answer that is none."""
TOO_LONG = ("maximum context length", "maximum model length", "max_model_len")
"""What vLLM says of a prompt that the model does not take."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_llm(model: str, options: Options) -> "VLLMLLM":
    """Return the model; it is loaded at the first request."""
    return VLLMLLM(model, options)


class VLLMLLM:
    """Keeps the engine full and gives answers in order."""

    query_types: Mapping[str, float] | None = None

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.options = model, options

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield an answer for each request, in order; what does not fit the schema is an error.

        Raises:
            MissingExtra: vLLM is not installed.
            BadOption: vLLM can't load the model, or the model can't chat.
            UserError: The engine broke down.
        """
        source = iter(requests)
        for first in source:  # without requests no model is loaded
            opened = engine(self.model, "generate", self.options)
            with contextlib.closing(_Queue(opened, keep)) as queue:
                yield from queue.answers(chain([first], source))


@dataclass
class _Slot:
    """The place of a request in the order of answers, and what it came to so far."""

    completion: Completion | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    repairing: bool = False


class _Queue:
    """Requests of one iterator: those in the engine, and answers that wait for their turn."""

    def __init__(self, opened: Engine, keep: Keep) -> None:
        self.engine, self.keep = opened, keep
        self.order: deque[_Slot] = deque()
        self.running: set[str] = set()
        """vLLM's numbers for the requests in the engine."""

    def answers(self, source: Iterator[Request]) -> Iterator[Completion]:
        """Yield the answers in order; run the engine whenever the oldest one is not there."""
        more = True
        while more or self.order:
            more = more and self._fill(source)
            while self.order and (completion := self.order[0].completion) is not None:
                self.order.popleft()
                yield completion
            if self.order:
                self.engine.step()

    def _fill(self, source: Iterator[Request]) -> bool:
        """Hand requests to the engine while there is room; tell whether there may be more."""
        while len(self.running) < self.engine.room and len(self.order) < WINDOW:
            request = next(source, None)
            if request is None:
                return False
            slot = _Slot()
            self.order.append(slot)
            try:
                self._ask(slot, request, request.messages)
            except Refused as error:
                slot.completion = Completion(None, _refusal(error))
            except ValueError as error:
                raise BadOption(f"{self.engine.spec} can't be asked: {in_a_line(error)}") from error
        return True

    def _ask(self, slot: _Slot, request: Request, messages: Sequence[Mapping[str, str]]) -> None:
        """Hand a conversation to the engine; raise Refused or ValueError if it is not taken."""
        tell = partial(self._answered, slot, request)
        self.running.add(self.engine.ask(messages, request.schema, request.sampling, tell))

    def _answered(self, slot: _Slot, request: Request, output: Any) -> None:
        """Take what the engine wrote; where it is no answer, say so and ask once more."""
        self.running.discard(output.request_id)
        (written,) = output.outputs
        slot.prompt_tokens += len(output.prompt_token_ids)
        slot.completion_tokens += len(written.token_ids)
        tokens = slot.prompt_tokens, slot.completion_tokens
        answer = parse_answer(written.text, request.schema)
        if not isinstance(answer, str):
            slot.completion = Completion(answer, "", *tokens)
            self.keep(request, slot.completion)
            return
        problem = "answer cut off at max_tokens" if written.finish_reason == "length" else answer
        if not slot.repairing:
            slot.repairing = True
            try:
                self._ask(slot, request, repair(request.messages, written.text, problem))
            except (Refused, ValueError):
                pass  # longer than the model takes, by now
            else:
                return
        slot.completion = Completion(None, problem, *tokens, raw=written.text[:RAW])

    def close(self) -> None:
        """Take back what nobody waits for any more, and nothing that others wait for."""
        self.engine.take_back(self.running)


def _refusal(error: Refused) -> str:
    """Return in few words why vLLM did not take a request."""
    if any(words in str(error) for words in TOO_LONG):
        return "longer than the model takes"
    return f"refused by vLLM: {error}"
