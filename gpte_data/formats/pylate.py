"""PyLate: n-tuples for its Contrastive losses; `query` in a column's name makes it the query.

(https://lightonai.github.io/pylate/documentation/training/)
"""

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns
from gpte_data.formats.sentence_transformers import negatives

FORMAT = Format("parquet", one_positive=True, equal=True, least=1)


def columns(block: Block) -> Columns:
    """Return query, positive, negative_1 … negative_n."""
    return {"query": block.query, "positive": block.positives.full} | negatives(block)
