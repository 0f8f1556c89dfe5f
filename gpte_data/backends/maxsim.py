"""`maxsim` and `maxsim:MODEL`: late interaction over a teacher's token vectors, no further model.

Score of a pair: the mean over the query's tokens of their highest cosine to any token of the
document (ColBERT, 2004.12832 §3.3, with the mean instead of the sum so that long queries compare).
A document is encoded once for all the queries of a call. Each pair has a product of its own, whose
last bits would otherwise hang on what else is asked.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpte_data.backends import Options
from gpte_data.backends.models import model_identity
from gpte_data.backends.reranking import COSINE
from gpte_data.backends.scored import Pair, Scored, Streaming
from gpte_data.backends.st_model import forward, load

MARGIN = 0.15
SCALE = COSINE
BLOCK = 256
"""Documents whose token vectors are held at a time."""


def identity(model: str) -> dict[str, str]:
    """Return the hash of the model's files."""
    return model_identity(model)


def open_reranker(model: str, options: Options) -> "MaxSim":
    """Return the reranker."""
    return MaxSim(model, options)


class MaxSim(Streaming):
    """Scores pairs by the token vectors of a SentenceTransformer."""

    def __init__(self, model: str, options: Options) -> None:
        self.model = load(model)
        self.tokens = options.batch_tokens

    def stream(self, pairs: Sequence[Pair]) -> Iterator[Scored]:
        """Yield the scores, in [-1, 1], document by document."""
        asked: dict[str, list[int]] = {}
        for i, (_, document) in enumerate(pairs):
            asked.setdefault(document, []).append(i)
        queries = self._token_vectors(sorted({query for query, _ in pairs}))
        documents = sorted(asked, key=lambda text: (len(text), text))
        for start in range(0, len(documents), BLOCK):
            block = self._token_vectors(documents[start : start + BLOCK])
            positions, parts = [], []
            for document, vectors in block.items():
                positions += asked[document]
                found = [queries[pairs[i][0]] for i in asked[document]]
                parts.append(_maxsim(found, vectors))
            yield Scored(positions, np.concatenate(parts))

    def _token_vectors(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return text -> unit vectors of its content tokens (tokens, dimension)."""
        found: dict[str, Any] = {}
        for positions, out, _ in forward(self.model, texts, self.tokens):
            states = out["token_embeddings"].float().cpu().numpy()
            mask = self._content(out)
            for row, position in enumerate(positions):
                vectors = states[row][mask[row]]
                lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
                found[texts[position]] = vectors / np.maximum(lengths, 1e-12)
        return found

    def _content(self, out: dict[str, Any]) -> Any:
        """Return which tokens count: no padding, and no special token where there are others."""
        ids = out["input_ids"].cpu().numpy()
        present = out["attention_mask"].cpu().numpy().astype(bool)
        special = np.isin(ids, self.model.tokenizer.all_special_ids)
        content = present & ~special
        empty = ~content.any(axis=1, keepdims=True)
        return np.where(empty, present, content)


def _maxsim(queries: Sequence[Any], document: Any) -> Any:
    """Return the scores of several queries (tokens, dimension) with a document, (n,)."""
    return np.array([(query @ document.T).max(axis=1).mean() for query in queries], np.float32)
