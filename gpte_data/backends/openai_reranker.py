"""`openai:MODEL`: a reranker behind a server, in the shape that it speaks.

`/rerank` with documents (vLLM, Infinity, Cohere, Jina), `/rerank` with texts (TEI), or vLLM's
`/score`: which of them is found out by asking once, before the first pair. A document longer than
the model takes is cut until the server takes it, as a cross-encoder in this process cuts it.

No server says what its scores are. They are taken for probabilities, and one outside of [0, 1] is
an error; with `server_scale` logit they are made probabilities.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure, Misshapen, StatusError
from gpte_data.backends.openai_fitting import fitted
from gpte_data.backends.openai_transport import Client
from gpte_data.backends.reranking import PROBABILITY, Reranking, sigmoid
from gpte_data.backends.scored import Pair, Scored, Streaming
from gpte_data.errors import EndpointError

MARGIN = 0.05
SCALE = PROBABILITY
TAKES = ("instruction", "server_scale")
DOCUMENTS = 32
"""Documents in one call."""
OTHER_SHAPE = (400, 404, 405, 422)
"""Statuses by which a server may say that it speaks otherwise."""

Call = tuple[str, list[str]]
"""A query and documents."""
Shape = tuple[str, Callable[[Call], Mapping[str, Any]]]
"""A path, and the body of a call beside the model."""
SHAPES: Sequence[Shape] = (
    ("/rerank", lambda call: {"query": call[0], "documents": call[1]}),
    ("/rerank", lambda call: {"query": call[0], "texts": call[1], "truncate": True}),
    ("/score", lambda call: {"text_1": call[0], "text_2": call[1]}),
)


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def decides(model: str, how: Reranking) -> dict[str, Any]:
    """Return what decides a score beside the model's name."""
    told = {"instruction": how.instruction} if how.instruction else {}
    return {"server_scale": how.server_scale, **told}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    with closing(Caller(options)) as caller:
        caller.check()


def open_reranker(model: str, options: Options) -> "OpenAIReranker":
    """Return the reranker behind a server."""
    return OpenAIReranker(model, options)


class OpenAIReranker(Streaming):
    """Asks for the relevance of up to 32 documents of one query at a time."""

    def __init__(self, model: str, options: Options) -> None:
        self.model, self.how = model, options.reranking
        self.caller = Caller(options)
        self.shape: Shape | None = None

    def stream(self, pairs: Sequence[Pair]) -> Iterator[Scored]:
        """Yield the probabilities, call by call.

        Raises:
            EndpointError: The server can't be reached, or has no such endpoint.

        """
        if pairs and self.shape is None:
            self.shape = self._found_shape()
        done = 0
        calls = list(_calls(pairs))
        for call, answer in zip(calls, self.caller.map(calls, self._ask), strict=True):
            positions = range(done, done + len(call[1]))
            done += len(positions)
            yield self._scored(positions, call, answer)

    def _scored(self, positions: Sequence[int], call: Call, answer: Any) -> Scored:
        """Return the scores of a call, or what is wrong with its answer."""
        if isinstance(answer, Failure) and answer.too_long:
            alone = [(call[0], [document]) for document in call[1]]
            found, _ = fitted(self.caller, alone, self._ask, _shorter)
            answer = [score for (score,) in found]
        if isinstance(answer, Failure):
            told = f"{self.caller.url}{self._path} gives no scores: {answer.reason}"
            return Scored(positions, None, EndpointError(told))
        scores = np.array(answer, dtype=np.float64)
        if self.how.server_scale == "logit":
            return Scored(positions, sigmoid(scores))
        if len(odd := scores[(scores < 0) | (scores > 1)]):
            told = (
                f"{self.caller.url}{self._path} gives the score {odd[0]:.9g}, which is no "
                "probability: if its scores are logits, give --server-scale logit"
            )
            return Scored(positions, None, EndpointError(told))
        return Scored(positions, scores.astype(np.float32))

    @property
    def _path(self) -> str:
        return self.shape[0] if self.shape else SHAPES[0][0]

    def _found_shape(self) -> Shape:
        """Return the shape that the server speaks; raise EndpointError if it is none of ours."""
        refusals: list[Failure] = []

        async def probe(client: Client, shape: Shape) -> Failure | None:
            try:
                await self._post(client, shape, ("query", ["document"]))
            except StatusError as error:
                if error.status not in OTHER_SHAPE:
                    raise
                return Failure(f"status {error.status}, {error.message}")
            return None

        for shape in SHAPES:
            (answer,) = self.caller.map([shape], probe)
            if answer is None:
                return shape
            refusals.append(answer)
        raise EndpointError(
            f"{self.caller.url}/rerank gives no scores, nor does /score: {refusals[0].reason}"
        )

    async def _ask(self, client: Client, call: Call) -> list[float]:
        assert self.shape is not None
        reply = await self._post(client, self.shape, call)
        return _scores(reply, len(call[1]))

    async def _post(self, client: Client, shape: Shape, call: Call) -> Any:
        path, body = shape
        told = {"instruction": self.how.instruction} if self.how.instruction else {}
        return await client.post(path, {"model": self.model, **body(call), **told})


def _calls(pairs: Sequence[Pair]) -> Iterator[Call]:
    """Yield the pairs as calls, those of one query together."""
    for query, group in groupby(pairs, key=lambda pair: pair[0]):
        documents = [document for _, document in group]
        for start in range(0, len(documents), DOCUMENTS):
            yield query, documents[start : start + DOCUMENTS]


def _scores(reply: Any, count: int) -> list[float]:
    """Return the scores in a reply, in the order of the documents.

    A list, or `results` (Cohere and those after it), or `data` (vLLM's /score), of objects with an
    index and a `relevance_score` or `score`.

    Raises:
        Misshapen: There is not one finite score for each document.
    """
    items = reply if isinstance(reply, list) else reply.get("results") or reply.get("data") or ()
    scores: dict[int, float] = {}
    for item in items:
        if item["index"] in scores:
            raise Misshapen("two scores for a document")
        score = item["relevance_score"] if "relevance_score" in item else item["score"]
        scores[item["index"]] = float(score)
    if scores.keys() != set(range(count)):
        raise Misshapen("not one score for each document")
    if not all(map(math.isfinite, scores.values())):
        raise Misshapen("a score that is not finite")
    return [scores[n] for n in range(count)]


def _shorter(call: Call) -> Call | None:
    """Return a call for one document without its last quarter, or None if nothing is left."""
    query, (document,) = call
    return (query, [document[: len(document) * 3 // 4]]) if len(document) > 1 else None
