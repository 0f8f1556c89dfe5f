"""`openai:MODEL`: a language model behind any OpenAI-compatible server, by JSON schema."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.backends.answers import parse_answer
from gpte_data.backends.openai_client import Caller, Failure, Unusable


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    Caller(options).check()


def open_llm(model: str, options: Options) -> "OpenAILLM":
    """Return the model behind a server."""
    return OpenAILLM(model, options)


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
        reply = await client.chat.completions.create(
            model=self.model,
            messages=request.messages,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.schema, "strict": True},
            },
            **request.sampling,
        )
        choices = getattr(reply, "choices", None)
        content = choices[0].message.content if choices else None
        answer = parse_answer(content, request.schema)
        if isinstance(answer, str):
            raise Unusable(answer)
        usage = reply.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Completion(answer, "", *tokens)
