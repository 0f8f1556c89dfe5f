"""`openai:MODEL`: a teacher behind `/v1/embeddings` of any OpenAI-compatible server.

A text longer than the model takes is cut until the server takes it, and counted.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from gpte_data.backends import Batch, Options
from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure
from gpte_data.backends.openai_fitting import fitted
from gpte_data.backends.openai_transport import Client
from gpte_data.backends.unit import unit
from gpte_data.errors import EndpointError

BATCH = 32


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    with closing(Caller(options)) as caller:
        caller.check()


def open_embedder(model: str, options: Options) -> "OpenAIEmbedder":
    """Return the teacher behind a server."""
    return OpenAIEmbedder(model, options)


class OpenAIEmbedder:
    """Embeds texts in batches, many batches in flight."""

    def __init__(self, model: str, options: Options) -> None:
        self.model = model
        self.caller = Caller(options)
        self.dimension = options.encoding.truncate_dim

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield unit vectors in the order of the texts.

        Raises:
            EndpointError: The server can't be reached, or gives no vectors.

        """
        batches = [
            [prompt + text for text in texts[i : i + BATCH]] for i in range(0, len(texts), BATCH)
        ]
        refusal = EndpointError("the teacher gave a vector that is zero or not finite")
        done, dimension = 0, None
        for batch, answer in zip(batches, self.caller.map(batches, self._ask), strict=True):
            cut = 0
            if isinstance(answer, Failure) and answer.too_long:
                answer, cut = fitted(self.caller, [[text] for text in batch], self._ask, _shorter)
                answer = _stacked(answer)
            elif isinstance(answer, Failure):
                raise EndpointError(f"{self.caller.url} gives no embeddings: {answer.reason}")
            dimension = dimension or answer.shape[1]
            if answer.shape[1] != dimension:
                sizes = sorted({dimension, answer.shape[1]})
                raise EndpointError(f"the teacher gave vectors of several lengths: {sizes}")
            yield Batch(range(done, done + len(batch)), unit(answer, refusal, self.dimension), cut)
            done += len(batch)

    async def _ask(self, client: Client, batch: list[str]) -> Any:
        body = {"model": self.model, "input": batch, "encoding_format": "base64"}
        reply = await client.post("/embeddings", body)
        in_order = sorted(reply["data"], key=lambda item: item["index"])
        if [item["index"] for item in in_order] != list(range(len(batch))):
            raise ValueError("not one vector for each text")
        return np.stack([_vector(item["embedding"]) for item in in_order])


def _vector(embedding: str | list[float]) -> Any:
    """Return a vector that came in base64, as it was asked for, or as a list of numbers."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return np.array(embedding, dtype=np.float32)


def _shorter(batch: list[str]) -> list[str] | None:
    """Return a batch of one text without the text's last quarter, or None if nothing is left."""
    (text,) = batch
    return [text[: len(text) * 3 // 4]] if len(text) > 1 else None


def _stacked(blocks: Sequence[Any]) -> Any:
    """Return all vectors as one array; raise EndpointError if they differ in length."""
    if len(sizes := {block.shape[-1] for block in blocks}) > 1:
        raise EndpointError(f"the teacher gave vectors of several lengths: {sorted(sizes)}")
    return np.concatenate(blocks)
