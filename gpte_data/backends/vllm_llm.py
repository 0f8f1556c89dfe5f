"""`vllm:MODEL`: a language model run by vLLM in this process, by JSON schema.

Sampling is as a vLLM server does it: the model's own generation_config, and over it what the
request says. With a seed of its own, each request gets the same answer whatever runs beside it.
"""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.backends.answers import parse_answer
from gpte_data.backends.models import model_identity
from gpte_data.backends.vllm_engine import check, engine, in_a_line
from gpte_data.errors import BadOption

__all__ = ["VLLMLLM", "check", "identity", "open_llm"]

WINDOW = 2048
"""Requests handed to the engine up to the oldest one without an answer; vLLM runs up to 1,024."""
TOO_LONG = ("maximum context length", "maximum model length", "max_model_len")
"""What vLLM says of a prompt that the model does not take."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_llm(model: str, options: Options) -> "VLLMLLM":
    """Return the model; it is loaded at the first request."""
    return VLLMLLM(model)


class VLLMLLM:
    """Keeps up to WINDOW requests in the engine and gives answers in order."""

    query_types: Mapping[str, float] | None = None

    def __init__(self, model: str) -> None:
        self.model = model

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield an answer for each request, in order; what does not fit the schema is an error.

        Raises:
            MissingExtra: vLLM is not installed.
            BadOption: vLLM can't load the model, or the model can't chat.
        """
        with contextlib.closing(_Queue(self.model, keep)) as queue:
            for request in requests:
                queue.add(request)
                yield from queue.answers(WINDOW)
            yield from queue.answers(1)


@dataclass
class _Slot:
    """A request, and its answer once it is there."""

    request: Request
    completion: Completion | None = None


class _Queue:
    """Requests handed to the engine, oldest first, and answers that wait for their turn."""

    def __init__(self, model: str, keep: Keep) -> None:
        self.model, self.keep = model, keep
        self.order: deque[_Slot] = deque()
        self.running: dict[str, _Slot] = {}
        """By vLLM's number for the request."""

    @cached_property
    def llm(self) -> Any:
        """The engine, opened at the first request."""
        return engine(self.model, "generate")

    def add(self, request: Request) -> None:
        """Hand a request to the engine; one that vLLM refuses is answered with the reason."""
        llm, slot = self.llm, _Slot(request)
        from vllm.exceptions import VLLMValidationError

        self.order.append(slot)
        try:
            params = _sampling(llm, request)
            (name,) = llm.enqueue_chat([list(request.messages)], [params], use_tqdm=False)
        except VLLMValidationError as error:
            slot.completion = Completion(None, _refusal(error))
        except ValueError as error:
            raise BadOption(f"vllm:{self.model} can't be asked: {in_a_line(error)}") from error
        else:
            self.running[name.split("-", 1)[0]] = slot  # vLLM answers without what follows the -

    def answers(self, most: int) -> Iterator[Completion]:
        """Yield what is due until fewer than `most` requests are left; run the engine for it."""
        while len(self.order) >= most:
            if (completion := self.order[0].completion) is None:
                self._step()
            else:
                self.order.popleft()
                yield completion

    def _step(self) -> None:
        """Let the engine write one token for each request that runs; take what is finished."""
        for output in self.llm.llm_engine.step():
            if output.finished:
                slot = self.running.pop(output.request_id)
                slot.completion = _completion(output, slot.request)
                if slot.completion.answer is not None:
                    self.keep(slot.request, slot.completion)

    def close(self) -> None:
        """Take back what nobody waits for any more, so that the next one finds an idle engine."""
        if self.running:
            self.llm.llm_engine.abort_request(list(self.running))


def _sampling(llm: Any, request: Request) -> Any:
    """Return vLLM's SamplingParams for a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    schema = StructuredOutputsParams(json=dict(request.schema))
    settings = llm.model_config.get_diff_sampling_param() | dict(request.sampling)
    return SamplingParams(**settings, structured_outputs=schema)


def _completion(output: Any, request: Request) -> Completion:
    """Return a finished answer, or what is wrong with it."""
    (written,) = output.outputs
    answer = parse_answer(written.text, request.schema)
    tokens = len(output.prompt_token_ids), len(written.token_ids)
    if isinstance(answer, str):
        cut = written.finish_reason == "length"
        return Completion(None, "answer cut off at max_tokens" if cut else answer, *tokens)
    return Completion(answer, "", *tokens)


def _refusal(error: Exception) -> str:
    """Return in few words why vLLM did not take a request."""
    said = str(error)
    if any(words in said for words in TOO_LONG):
        return "longer than the model takes"
    return f"refused by vLLM: {in_a_line(error)}"
