"""`openai:MODEL`: a language model behind any OpenAI-compatible server, by JSON schema.

An answer that is none is asked for once more, with what was wrong said (answers.py); then the
question has failed, with its reason and what the model wrote. A server that does not know
`response_format` json_schema is asked for json_object, with the schema in the prompt.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from gpte_data.backends import LLM, Completion, Keep, Options, Request
from gpte_data.backends.answers import parse_answer, repair, with_schema
from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure, StatusError
from gpte_data.backends.openai_run import AGAIN, Again
from gpte_data.backends.openai_transport import Client

RAW = 2000
"""Characters kept of what a model wrote that is no answer."""
FORMAT = ("response_format", "response format", "json_schema", "json schema")
UNKNOWN = (
    "support",
    "unavailable",
    "not available",
    "unknown",
    "unrecognized",
    "should be",
    "must be",
)
"""What servers say of a response_format that they don't know, beside its name."""


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    with closing(Caller(options)) as caller:
        caller.check()


def open_llm(model: str, options: Options) -> LLM:
    """Return the model behind a server, asked live or through the server's batch API."""
    if options.batch is not None:
        from gpte_data.backends.openai_batch import OpenAIBatch

        return OpenAIBatch(model, options)
    return OpenAILLM(model, options)


class Question:
    """A request on its way: what was spent on it, and what was wrong with its first answer."""

    __slots__ = ("completion_tokens", "messages", "prompt_tokens", "raw", "request", "schema")

    def __init__(self, request: Request) -> None:
        self.request: Request | None = request
        self.messages: Sequence[Mapping[str, str]] = request.messages
        self.schema = True
        """It is asked with the schema as response_format."""
        self.prompt_tokens = self.completion_tokens = 0
        self.raw: str | None = None
        """What was wrong, where it has been answered and is asked once more."""

    def tokens(self) -> int:
        """Return the tokens of its prompt, by estimate: four characters are one."""
        return sum(len(message["content"]) for message in self.messages) // 4

    def body(self, model: str) -> dict[str, Any]:
        """Return what is sent."""
        assert self.request is not None
        schema, messages = self.request.schema, self.messages
        form: dict[str, Any] = {"type": "json_object"}
        if self.schema:
            named = {"name": "answer", "schema": schema, "strict": True}
            form = {"type": "json_schema", "json_schema": named}
        else:
            messages = with_schema(messages, schema)
        return {
            "model": model,
            "messages": messages,
            "response_format": form,
            **self.request.sampling,
        }

    def ended(self, answer: Mapping[str, Any] | None, error: str = "") -> Completion:
        """Return what came of it, with all that was spent."""
        raw = "" if answer is not None else self.raw or ""
        return Completion(answer, error, self.prompt_tokens, self.completion_tokens, raw[:RAW])


class OpenAILLM:
    """Sends each request as a chat completion."""

    query_types: Mapping[str, float] | None = None

    def __init__(self, model: str, options: Options) -> None:
        self.model = model
        self.caller = Caller(options)
        self.knows_schemas = True

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield answers in order; one that does not fit the schema is asked for once more."""
        waiting: deque[Question] = deque()

        def questions() -> Iterator[Question]:
            for request in requests:
                waiting.append(Question(request))
                yield waiting[-1]

        def done(question: Question, completion: Completion) -> None:
            request, question.request, question.messages = question.request, None, ()
            assert request is not None
            keep(request, completion)

        for answer in self.caller.map(questions(), self._ask, done, Question.tokens):
            question = waiting.popleft()
            yield question.ended(None, answer.reason) if isinstance(answer, Failure) else answer

    async def _ask(self, client: Client, question: Question) -> Completion | Again:
        """Ask once; AGAIN if it should be asked in other words.

        The seed stays: what comes out then depends on the request alone, not on what failed before.
        """
        question.schema = question.schema and self.knows_schemas
        try:
            reply = await client.post("/chat/completions", question.body(self.model))
        except StatusError as error:
            if not (question.schema and refuses_schemas(error)):
                raise
            self._without_schemas()
            return AGAIN
        return self._read(question, reply)

    def _without_schemas(self) -> None:
        """Ask for JSON without a schema from now on, and say so once."""
        if self.knows_schemas:
            self.knows_schemas = False
            sys.stderr.write(
                f"note: {self.caller.url} does not take response_format json_schema: it is asked "
                "for json_object with the schema in the prompt, and holds itself to it or not\n"
            )

    def _read(self, question: Question, reply: Mapping[str, Any]) -> Completion | Again:
        """Return what the model answered, or say what is wrong with it and ask once more."""
        assert question.request is not None
        choice = reply["choices"][0] if reply["choices"] else {}
        message = choice.get("message") or {}
        usage = reply.get("usage") or {}
        schema = question.request.schema
        answer = parse_answer(message.get("content"), schema, message.get("reasoning_content"))
        question.prompt_tokens += usage.get("prompt_tokens") or 0
        question.completion_tokens += usage.get("completion_tokens") or 0
        if not isinstance(answer, str):
            return question.ended(answer)
        if choice.get("finish_reason") == "length":
            answer = "answer cut off at max_tokens"
        first, question.raw = question.raw is None, message.get("content") or ""
        if not first:
            return question.ended(None, answer)
        question.messages = repair(question.messages, question.raw, answer)
        return AGAIN


def refuses_schemas(error: StatusError) -> bool:
    """Tell whether a server says that it does not know json_schema, not that a schema is bad."""
    words = error.message.lower()
    return (
        error.status in (400, 404, 415, 422, 501)
        and "invalid schema" not in words
        and any(name in words for name in FORMAT)
        and any(word in words for word in UNKNOWN)
    )
