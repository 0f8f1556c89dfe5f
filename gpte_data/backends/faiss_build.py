"""Approximate indexes made: centres and codes from a sample, then all vectors, block by block.

Vectors are read as they lie, so that what is in memory is the index and one block.
"""

from collections.abc import Callable
from typing import IO, Any

import numpy as np

from gpte_data.backends.faiss_index import signs
from gpte_data.backends.index_settings import Settings
from gpte_data.backends.vectors_on_disk import BLOCK, Vectors

ROUNDS, PER_CODE = 10, 64
"""Of training the codes of a part: rounds, and vectors for each of its 256 codes."""


def build(
    vectors: Vectors, settings: Settings, target: IO[bytes], tell: Callable[[int], None]
) -> None:
    """Make an index, block by block, and write it.

    Args:
        vectors: Unit vectors.
        settings: How to make it.
        target: Where it is written.
        tell: Takes how many vectors have been added since the last call.
    """
    import faiss

    index = _empty(settings)
    binary = settings.kind == "binary"
    if not index.is_trained:
        sample = vectors.sample(settings.sample)
        index.train(signs(sample) if binary else sample)
    for _, block in vectors.blocks(BLOCK):
        if not len(block):
            continue
        rows = np.ascontiguousarray(block, dtype=np.float32)
        index.add(signs(rows) if binary else rows)
        tell(len(rows))
    write = faiss.write_index_binary if binary else faiss.write_index
    library: Any = faiss  # whose stubs lack the writer
    write(index, library.PyCallbackIOWriter(target.write))


def _empty(settings: Settings) -> Any:
    """Return an index without vectors."""
    import faiss

    d, inner = settings.dimension, faiss.METRIC_INNER_PRODUCT
    if settings.kind == "binary":
        bits = -(-d // 8) * 8
        flat = faiss.IndexBinaryFlat(bits)
        return faiss.IndexBinaryIVF(flat, bits, settings.lists) if settings.lists else flat
    if settings.kind == "hnsw":
        graph: Any = faiss.index_factory(d, f"HNSW{settings.links}_SQfp16", inner)
        graph.hnsw.efConstruction = settings.built_with
        return graph
    centres = faiss.IndexFlatIP(d)
    if settings.kind == "ivf":
        half = faiss.ScalarQuantizer.QT_fp16
        return faiss.IndexIVFScalarQuantizer(centres, d, settings.lists, half, inner, False)
    codes = faiss.IndexIVFPQ(centres, d, settings.lists, settings.parts, 8, inner)
    codes.pq.cp.niter, codes.pq.cp.max_points_per_centroid = ROUNDS, PER_CODE
    return codes
