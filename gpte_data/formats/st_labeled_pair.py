"""sentence-transformers, a pair with a label: 1 for a positive, 0 for a negative; a row a document.

For CoSENTLoss, CosineSimilarityLoss, and a CrossEncoder's BinaryCrossEntropyLoss
(https://sbert.net/docs/cross_encoder/loss_overview.html).
"""

import numpy as np
import pyarrow as pa

from gpte_data.formats import Format
from gpte_data.formats.all_documents import all_documents, labels
from gpte_data.formats.block import Block, Columns

FORMAT = Format("parquet", per_document=True)


def columns(block: Block) -> Columns:
    """Return anchor, positive and label of each document, (m,)."""
    documents = all_documents(block)
    example = np.repeat(np.arange(len(block)), documents.counts())
    return {
        "anchor": block.query.take(pa.array(example)),
        "positive": documents.full,
        "label": labels(block).cast(pa.float32()),
    }
