"""`openai:MODEL`: a teacher behind `/v1/embeddings` of any OpenAI-compatible server.

A text longer than the model takes is cut until the server takes it, and counted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.backends import Embedded, Options
from gpte_data.backends.openai_client import Caller, Failure
from gpte_data.errors import EndpointError

BATCH = 32


def identity(model: str) -> dict[str, str]:
    """Return the model's name; where it is served does not matter."""
    return {"model": model}


def check(model: str, options: Options) -> None:
    """Raise EndpointError if the server can't be reached."""
    Caller(options).check()


def open_embedder(model: str, options: Options) -> "OpenAIEmbedder":
    """Return the teacher behind a server."""
    return OpenAIEmbedder(model, options)


class OpenAIEmbedder:
    """Embeds texts in batches, many batches in flight."""

    def __init__(self, model: str, options: Options) -> None:
        self.model = model
        self.caller = Caller(options)

    def embed(self, texts: Sequence[str], prompt: str) -> Embedded:
        """Return unit vectors in the order of the texts."""
        batches = [
            [prompt + text for text in texts[i : i + BATCH]] for i in range(0, len(texts), BATCH)
        ]
        blocks, truncated = [], 0
        for batch, answer in zip(batches, self.caller.map(batches, self._ask), strict=True):
            if isinstance(answer, Failure) and answer.too_long:
                vectors, cut = self._one_by_one(batch)
                truncated += cut
            elif isinstance(answer, Failure):
                raise EndpointError(f"{self.caller.url} gives no embeddings: {answer.reason}")
            else:
                vectors = answer
            blocks.append(vectors)
        return Embedded(normalised(np.concatenate(blocks)), truncated)

    async def _ask(self, client: Any, batch: list[str]) -> Any:
        reply = await client.embeddings.create(model=self.model, input=batch)
        if len(reply.data) != len(batch):
            raise ValueError("fewer vectors than texts")
        in_order = sorted(reply.data, key=lambda item: item.index)
        return np.array([item.embedding for item in in_order], dtype=np.float32)

    def _one_by_one(self, batch: list[str]) -> tuple[Any, int]:
        """Embed each text alone, cutting those that are too long by a quarter at a time."""
        vectors, truncated = [], 0
        for text in batch:
            piece = text
            while isinstance(answer := next(self.caller.map([[piece]], self._ask)), Failure):
                if not answer.too_long or len(piece) < 2:
                    raise EndpointError(f"{self.caller.url} gives no embedding: {answer.reason}")
                piece = piece[: len(piece) * 3 // 4]
            truncated += piece is not text
            vectors.append(answer)
        return np.concatenate(vectors), truncated


def normalised(vectors: Any) -> Any:
    """Return the rows divided by their length; raise EndpointError for what has none."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise EndpointError("the teacher gave a vector that is zero or not finite")
    return (vectors / lengths).astype(np.float32)
