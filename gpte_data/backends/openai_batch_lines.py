"""What goes into a line of a batch, and what a line that comes back says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gpte_data.backends import Completion, Request
from gpte_data.backends.answers import parse_answer, repair
from gpte_data.backends.openai_errors import StatusError, refused
from gpte_data.backends.openai_llm import Question
from gpte_data.errors import EndpointError


def body(model: str, request: Request, bad: Completion | None) -> dict[str, Any]:
    """Return what is asked, as a live server is; a bad answer is shown and asked for again."""
    question = Question(request)
    if bad:
        question.messages = repair(request.messages, bad.raw, bad.error)
    return question.body(model)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request of a batch."""

    completion: Completion
    is_bad: bool = False
    """It was answered, with what is no answer; asked again it may be."""


def outcome(url: str, line: Any, request: Request) -> Outcome | None:
    """Return what a line says, or None where the request is to be sent again.

    A line has a `response` with `status_code` and `body`, or an `error` with a code as
    `batch_expired` (OpenAI's API reference, the request output object).
    """
    try:
        response = line["response"]
        if not response:
            return None
        if 200 <= response["status_code"] < 300:
            return _answered(response["body"], request)
        reason = _refusal(url, response["status_code"], response["body"])
    except (LookupError, TypeError, AttributeError):  # a line of another shape
        return None
    return Outcome(Completion(None, reason)) if reason else None


def _answered(reply: Any, request: Request) -> Outcome:
    choice = reply["choices"][0] if reply["choices"] else {}
    message = choice.get("message") or {}
    content = message.get("content")
    answer = parse_answer(content, request.schema, message.get("reasoning_content"))
    usage = reply.get("usage") or {}
    tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
    if not isinstance(answer, str):
        return Outcome(Completion(answer, "", *tokens))
    cut = choice.get("finish_reason") == "length"
    problem = "answer cut off at max_tokens" if cut else answer
    return Outcome(Completion(None, problem, *tokens, raw=content or ""), is_bad=True)


def _refusal(url: str, status: int, reply: object) -> str:
    """Return why the server will not answer, or nothing where another try may help."""
    try:
        failure = refused(url, StatusError(status, orjson.dumps(reply), {}))
    except EndpointError as error:  # for a single line, not for the batch
        return str(error)
    return failure.reason if failure else ""


def mended(bad: Completion, again: Outcome) -> Completion:
    """Return the last word on a question that was asked twice; the tokens of both are counted."""
    done = again.completion
    last = bad if not again.is_bad else done  # a refusal of the second question says little
    failed = done.answer is None
    return Completion(
        done.answer,
        last.error if failed else "",
        bad.prompt_tokens + done.prompt_tokens,
        bad.completion_tokens + done.completion_tokens,
        last.raw if failed else "",
    )


def reason_of(batch: Any) -> str:
    """Return why the server would not do a batch, in its own words, on one line."""
    errors = batch.errors.data if batch.errors else None
    said = [f"{error.code}: {error.message}" for error in errors or ()]
    return " ".join((said[0] if said else "no reason given").split())[:300]


def is_queue_full(batch: Any) -> bool:
    """Tell whether a batch was not taken because too many tokens wait in others."""
    errors = batch.errors.data if batch.errors else None
    return any(error.code == "token_limit_exceeded" for error in errors or ())


def standing(batch: Any) -> Mapping[str, int]:
    """Return how many requests of a batch there are, are done, and have failed."""
    counts = batch.request_counts
    names = ("total", "completed", "failed")
    return {name: getattr(counts, name, 0) or 0 for name in names}
