"""Of each example its positives and then its negatives, as one list."""

import numpy as np
import pyarrow as pa

from gpte_data.formats.block import Block, Documents


def all_documents(block: Block) -> Documents:
    """Return the documents of both kinds, in the order in which they stand."""
    positives, negatives = block.positives, block.negatives
    counts = positives.counts() + negatives.counts()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    example = np.concatenate([_examples(positives), _examples(negatives)])
    # Stable: of one example the positives stand first, each kind in its own order.
    order = pa.array(np.argsort(example, kind="stable"))
    ids, titles, texts = (
        pa.concat_arrays([getattr(positives, name), getattr(negatives, name)]).take(order)
        for name in ("doc_id", "title", "text")
    )
    score = np.concatenate([positives.score, negatives.score])[order.to_numpy()]
    grade = np.concatenate([positives.grade, negatives.grade])[order.to_numpy()]
    return Documents(offsets, ids, titles, texts, score, grade)


def _examples(documents: Documents) -> np.ndarray:
    """Return of each document the number of its example, (m,)."""
    return np.repeat(np.arange(len(documents.offsets) - 1), documents.counts())
