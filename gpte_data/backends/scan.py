"""A look at all documents, in float32 or in bfloat16, that provably misses none of the best.

Rounding a vector x to bfloat16 moves it by |x - x'|, which is measured, not assumed. By Cauchy and
Schwarz a score then differs from the true one by at most

    |q - q'| |d| + |q'| |d - d'| + what adding up in float32 rounds

so a document whose score is more than twice this bound below the k-th best score can't be among the
k best. In float32 only the last term is left. What remains, little more than k documents a query,
is scored again in float64 by the caller. A block's scores are never gone through one by one: the
maximum over every 16 documents is compared with the threshold that the query has reached, and few
groups pass it.
"""

import importlib.util
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data.backends.vectors_on_disk import Vectors

DOCUMENTS, QUERIES, GROUP = 8192, 1024, 16
"""Documents and queries multiplied at a time (their scores fit a processor's cache), and documents
under one maximum."""
STEP = 2.0**-7
"""Share of a score that rounding it, and the k-th, to bfloat16 changes at most (half a last bit
each, with as much to spare)."""
SUMS = 2.0**-23
"""What adding up one more product in float32 changes at most, of the product of both lengths."""
MOST = 8_000_000
"""Hits held at once; where there are more, queries are searched in halves."""
AT_ONCE = 1 << 14
"""Queries that a hit's number has room for."""
PLACES, SCORES = 34, 16
"""Bits of a hit's position and of its score."""


@cache
def has_torch() -> bool:
    """Tell whether torch is installed."""
    return importlib.util.find_spec("torch") is not None


@cache
def has_bf16() -> bool:
    """Tell whether torch is here, and a GPU or a processor with bfloat16 products.

    Loading torch takes seconds; on Linux without a GPU the processor's own list is enough.
    """
    if not has_torch():
        return False
    listed = Path("/proc/cpuinfo")
    if listed.is_file() and not any(map(os.path.exists, ("/dev/nvidia0", "/dev/kfd", "/dev/dxg"))):
        return bool(re.search(r"\b(amx_bf16|avx512_bf16)\b", listed.read_text()))
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


class TooMany(Exception):
    """More hits than are held at once."""


class Scan:
    """Looks through all vectors for what may be among the best of many queries.

    Args:
        vectors: Of the documents.
        rounded: In bfloat16 instead of float32.
    """

    def __init__(self, vectors: Vectors, *, rounded: bool) -> None:
        import torch

        self.vectors = vectors
        self.type = torch.bfloat16 if rounded else torch.float32
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda":  # sums in float32, which the bound counts on
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False

    def hits(self, queries: Any, k: int) -> list[Any]:
        """Return for each query the positions of all documents that may be among its k best."""
        if not len(queries):
            return []
        try:
            if len(queries) > AT_ONCE:
                raise TooMany
            return self._hits(queries, k)
        except TooMany:
            half = len(queries) // 2
            return self.hits(queries[:half], k) + self.hits(queries[half:], k)

    def _hits(self, queries: Any, k: int) -> list[Any]:
        import torch

        full = torch.from_numpy(queries).to(self.device)
        rounded = full.to(self.type)
        found = _Found(k, _lengths(full - rounded.float()), _lengths(rounded.float()))
        found.sums = SUMS * queries.shape[1]
        # One room for all scores: to be given new pages each time takes as long as the products.
        room = torch.empty(DOCUMENTS * QUERIES, dtype=self.type, device=self.device)
        due = 2 * DOCUMENTS
        for start, block in self.vectors.blocks(DOCUMENTS):
            rows = torch.from_numpy(block).to(self.device).float()
            documents = rows.to(self.type)
            found.see(_lengths(rows).max(), _lengths(rows - documents.float()).max())
            for first in range(0, len(queries), QUERIES):
                part = rounded[first : first + QUERIES]
                scores = room[: len(documents) * len(part)].view(len(documents), len(part))
                found.add(torch.mm(documents, part.T, out=scores), start, first)
            if start + len(block) >= due or found.held > MOST // 2:
                found.prune()
                due = 2 * (start + len(block))
        found.prune()
        return found.by_query()


def _lengths(vectors: Any) -> Any:
    return vectors.norm(dim=1).cpu().numpy()


class _Found:
    """The hits of all queries so far, and below which score a document is out of the question.

    A hit is one integer: the query, its rounded score from the best down, its position. Sorting the
    integers sorts the hits.
    """

    def __init__(self, k: int, moved: Any, lengths: Any) -> None:
        self.k, self.moved, self.lengths = k, moved, lengths
        self.longest = self.documents_moved = self.sums = 0.0
        self.kth = np.full(len(moved), -np.inf, dtype=np.float32)
        self.parts: list[Any] = []
        self.held = 0

    def see(self, longest: float, moved: float) -> None:
        """Take note of how long documents are, and how far rounding has moved them."""
        self.longest = max(self.longest, float(longest))
        self.documents_moved = max(self.documents_moved, float(moved))

    def thresholds(self, part: slice) -> Any:
        """Return the least score with which a document may be among the k best."""
        import torch

        kth = self.kth[part]
        bound = self.moved[part] * self.longest + self.lengths[part] * self.documents_moved
        bound += self.sums * self.lengths[part] * self.longest
        least = kth - STEP * np.abs(np.where(np.isfinite(kth), kth, 0)) - 2 * bound
        return torch.from_numpy(least.astype(np.float32))

    def add(self, scores: Any, start: int, first: int) -> None:
        """Keep of a block's scores (documents, queries) what reaches the threshold."""
        part = slice(first, first + scores.shape[1])
        whole = len(scores) // GROUP * GROUP
        groups = scores[:whole].view(-1, GROUP, scores.shape[1])
        if len(groups) >= self.k and np.isneginf(self.kth[part]).any():
            kth = groups.amax(1).float().topk(self.k, dim=0).values[-1].cpu().numpy()
            self.kth[part] = np.maximum(self.kth[part], kth)
        least = self.thresholds(part).to(scores)
        group, query = (_highest(groups, least) >= least).nonzero(as_tuple=True)
        inside = groups[group, :, query]
        hit, member = (inside >= least[query, None]).nonzero(as_tuple=True)
        self._keep(query[hit], group[hit] * GROUP + member, inside[hit, member], start, first)
        if whole < len(scores):
            member, query = (scores[whole:] >= least).nonzero(as_tuple=True)
            self._keep(query, member + whole, scores[whole + member, query], start, first)

    def _keep(self, query: Any, document: Any, score: Any, start: int, first: int) -> None:
        hits = (query.cpu().numpy().astype(np.uint64) + np.uint64(first)) << np.uint64(50)
        hits |= _falling(score).astype(np.uint64) << np.uint64(PLACES)
        hits |= document.cpu().numpy().astype(np.uint64) + np.uint64(start)
        self.parts.append(hits)
        self.held += len(hits)

    def prune(self) -> None:
        """Find the k-th score of each query among its hits, and drop what is out of the question.

        Raises:
            TooMany: Too many hits are left, as where thousands of documents are the same.
        """
        hits = np.sort(np.concatenate(self.parts)) if self.parts else np.zeros(0, dtype=np.uint64)
        query = (hits >> np.uint64(PLACES + SCORES)).astype(np.int64)
        starts = np.searchsorted(query, np.arange(len(self.kth) + 1))
        reached = np.flatnonzero(np.diff(starts) >= self.k)
        kth = _score(hits[starts[reached] + self.k - 1])
        self.kth[reached] = np.maximum(self.kth[reached], kth)
        least = self.thresholds(slice(None)).numpy()
        hits = hits[_score(hits) >= least[query]]
        self.parts, self.held = [hits], len(hits)
        if self.held > MOST // 2 and len(self.kth) > 1:
            raise TooMany

    def by_query(self) -> list[Any]:
        """Return the positions of the hits of each query."""
        (hits,) = self.parts
        ends = np.searchsorted(hits >> np.uint64(PLACES + SCORES), np.arange(1, len(self.kth)))
        places = (hits & np.uint64(2**PLACES - 1)).astype(np.int64)
        return np.split(places, ends)


def _highest(groups: Any, least: Any) -> Any:
    """Return the highest score of each group, or one below zero where all are.

    Positive numbers in bfloat16 stand in the order of their bits, and the highest integer is found
    six times faster.
    """
    import torch

    if groups.dtype != torch.bfloat16 or not bool((least > 0).all()):
        return groups.amax(1)
    return groups.view(torch.int16).amax(1).view(torch.bfloat16)


def _falling(scores: Any) -> Any:
    """Return scores, rounded to bfloat16, as 16-bit integers that grow as scores fall."""
    import torch

    bits = scores.bfloat16().cpu().view(torch.int16).numpy().view(np.uint16)
    return np.where(bits & 0x8000, bits, ~bits & 0x7FFF).astype(np.uint16)


def _score(hits: Any) -> Any:
    """Return the score of packed hits, in float32."""
    packed = ((hits >> np.uint64(PLACES)) & np.uint64(2**SCORES - 1)).astype(np.uint16)
    bits = np.where(packed & 0x8000, packed, ~packed & 0x7FFF).astype(np.uint32)
    return (bits << np.uint32(16)).view(np.float32)
