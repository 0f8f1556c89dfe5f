"""`openai:MODEL`: a reranker behind `/rerank` (vLLM, TEI and Infinity gateways, Jina, Cohere)."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.openai_client import Caller, Failure
from gpte_data.errors import EndpointError

DOCUMENTS = 32
"""Documents in one call."""


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    Caller(options).check()


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
        """Return the scores in the order of the pairs."""
        calls: list[tuple[str, list[str]]] = []
        for query, group in groupby(pairs, key=lambda pair: pair[0]):
            documents = [document for _, document in group]
            calls += [
                (query, documents[i : i + DOCUMENTS]) for i in range(0, len(documents), DOCUMENTS)
            ]
        scores: list[float] = []
        for answer in self.caller.map(calls, self._ask):
            if isinstance(answer, Failure):
                raise EndpointError(f"{self.caller.url}/rerank gives no scores: {answer.reason}")
            scores += answer
            tell(len(answer))
        return np.array(scores, dtype=np.float32)

    async def _ask(self, client: Any, call: tuple[str, list[str]]) -> list[float]:
        query, documents = call
        body = {"model": self.model, "query": query, "documents": documents}
        reply = await client.post("/rerank", cast_to=object, body=body)
        results = reply.get("results") if isinstance(reply, dict) else None
        scores = {item["index"]: float(item["relevance_score"]) for item in results or ()}
        if sorted(scores) != list(range(len(documents))):
            raise ValueError("not one score for each document")
        return [scores[i] for i in range(len(documents))]
