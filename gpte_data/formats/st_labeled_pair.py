"""sentence-transformers, a pair with a label: 1 for a positive, 0 for a negative.

Each document of an example is a row, so there are more rows than examples.

For CoSENTLoss, CosineSimilarityLoss, and a CrossEncoder's BinaryCrossEntropyLoss
(https://sbert.net/docs/cross_encoder/loss_overview.html).
"""

import numpy as np
import pyarrow as pa

from gpte_data.formats import Format
from gpte_data.formats.all_documents import all_documents
from gpte_data.formats.block import Block, Columns

FORMAT = Format("parquet")


def columns(block: Block) -> Columns:
    """Return anchor, positive and label of each document, (m,)."""
    documents = all_documents(block)
    example = np.repeat(np.arange(len(block)), documents.counts())
    return {
        "anchor": block.query.take(pa.array(example)),
        "positive": documents.full,
        "label": pa.array((documents.grade > 0).astype(np.float32)),
    }
