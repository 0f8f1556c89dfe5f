"""sentence-transformers, MarginMSELoss: by how much a teacher scores the positive higher.

With one negative the label is that margin, with more a list of margins, one a negative
(https://sbert.net/docs/package_reference/sentence_transformer/losses.html#marginmseloss).
"""

import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns
from gpte_data.formats.sentence_transformers import negatives

FORMAT = Format("parquet", one_positive=True, equal=True, least=1, scored=True)


def columns(block: Block) -> Columns:
    """Return query, positive, negative_1 … negative_n and label."""
    texts = {"query": block.query, "positive": block.positives.full} | negatives(block)
    return texts | {"label": _margins(block)}


def _margins(block: Block) -> pa.Array:
    found = block.negatives
    positive = block.positives.scored().take(pc.list_parent_indices(found.lists(found.doc_id)))
    margins = pc.subtract(positive, found.scored())
    return margins if block.width == 1 else found.lists(margins)
