"""`openai:MODEL`: a reranker behind `/rerank` (vLLM, TEI and Infinity gateways, Jina, Cohere).

A document longer than the model takes is cut until the server takes it, as a cross-encoder in
this process cuts it.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure
from gpte_data.backends.openai_fitting import fitted
from gpte_data.backends.openai_transport import Client
from gpte_data.errors import EndpointError

DOCUMENTS = 32
"""Documents in one call."""

Call = tuple[str, list[str]]
"""A query and documents."""


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    with closing(Caller(options)) as caller:
        caller.check()


def open_reranker(model: str, options: Options) -> "OpenAIReranker":
    """Return the reranker behind a server."""
    return OpenAIReranker(model, options)


class OpenAIReranker:
    """Asks for the relevance of up to 32 documents of one query at a time."""

    margin = 0.05
    scale = "server"

    def __init__(self, model: str, options: Options) -> None:
        self.model = model
        self.caller = Caller(options)

    def score(self, pairs: Sequence[tuple[str, str]], tell: Callable[[int], None]) -> Any:
        """Return the scores in the order of the pairs.

        Raises:
            EndpointError: The server can't be reached, or gives no scores.

        """
        calls: list[Call] = []
        for query, group in groupby(pairs, key=lambda pair: pair[0]):
            documents = [document for _, document in group]
            calls += [
                (query, documents[i : i + DOCUMENTS]) for i in range(0, len(documents), DOCUMENTS)
            ]
        scores: list[float] = []
        for call, answer in zip(calls, self.caller.map(calls, self._ask), strict=True):
            if isinstance(answer, Failure) and answer.too_long:
                query, documents = call
                alone = [(query, [document]) for document in documents]
                found, _ = fitted(self.caller, alone, self._ask, _shorter)
                answer = [score for (score,) in found]
            elif isinstance(answer, Failure):
                raise EndpointError(f"{self.caller.url}/rerank gives no scores: {answer.reason}")
            scores += answer
            tell(len(answer))
        return np.array(scores, dtype=np.float32)

    async def _ask(self, client: Client, call: Call) -> list[float]:
        query, documents = call
        body = {"model": self.model, "query": query, "documents": documents}
        reply = await client.post("/rerank", body)
        results = reply.get("results") if isinstance(reply, dict) else None
        scores = {item["index"]: float(item["relevance_score"]) for item in results or ()}
        if sorted(scores) != list(range(len(documents))):
            raise ValueError("not one score for each document")
        if not all(map(math.isfinite, scores.values())):
            raise ValueError("a score that is not finite")
        return [scores[i] for i in range(len(documents))]


def _shorter(call: Call) -> Call | None:
    """Return a call for one document without its last quarter, or None if nothing is left."""
    query, (document,) = call
    return (query, [document[: len(document) * 3 // 4]]) if len(document) > 1 else None
