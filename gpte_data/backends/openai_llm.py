"""`openai:MODEL`: a language model behind any OpenAI-compatible server, by JSON schema.

Requests and replies are plain dicts: the SDK's typed methods check every field of both, which took
a third of the client's time.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.backends.answers import parse_answer
from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    with closing(Caller(options)) as caller:
        caller.check()


def open_llm(model: str, options: Options) -> "OpenAILLM":
    """Return the model behind a server."""
    return OpenAILLM(model, options)


TRIES = 3
"""How often a question is asked whose answers don't fit the schema."""


class OpenAILLM:
    """Sends each request as a chat completion with `response_format` json_schema."""

    query_types: Mapping[str, float] | None = None

    def __init__(self, model: str, options: Options) -> None:
        self.model = model
        self.caller = Caller(options)

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield answers in order; one that does not fit the schema is asked for again."""
        for answer in self.caller.map(requests, self._ask, keep):
            yield Completion(None, answer.reason) if isinstance(answer, Failure) else answer

    async def _ask(self, client: Any, request: Request) -> Completion:
        """Ask until the answer fits the schema, at most TRIES times; all tokens are counted.

        The seed stays: what comes out then depends on the request alone, not on what failed before.
        """
        asked = given = 0
        for _ in range(TRIES):
            completion = await self._answer(client, request)
            asked += completion.prompt_tokens
            given += completion.completion_tokens
            if completion.answer is not None:
                break
        return Completion(completion.answer, completion.error, asked, given)

    async def _answer(self, client: Any, request: Request) -> Completion:
        """Return what the model answers; one that does not fit has an error and no answer."""
        body = {
            "model": self.model,
            "messages": request.messages,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.schema, "strict": True},
            },
            **request.sampling,
        }
        reply = await client.post("/chat/completions", cast_to=object, body=body)
        choice = reply["choices"][0] if reply["choices"] else {}
        answer = parse_answer(choice.get("message", {}).get("content"), request.schema)
        usage = reply.get("usage") or {}
        tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        if isinstance(answer, str):
            cut = choice.get("finish_reason") == "length"
            return Completion(None, "answer cut off at max_tokens" if cut else answer, *tokens)
        return Completion(answer, "", *tokens)
