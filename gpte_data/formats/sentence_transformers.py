"""sentence-transformers: n-tuples in Parquet, read by position, so only texts and in this order.

Every row has the same number of negatives. With none it is the pair format, with one the triplet
format (https://sbert.net/docs/sentence_transformer/loss_overview.html).
"""

from typing import Any

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns

FORMAT = Format("parquet", one_positive=True, equal=True)


def columns(block: Block) -> Columns:
    """Return anchor, positive, negative_1 … negative_n."""
    texts = {"anchor": block.query, "positive": block.positives.full}
    return {**texts, **negatives(block)}


def negatives(block: Block) -> dict[str, Any]:
    """Return a column for each negative."""
    found, width = block.negatives, block.width
    names = ["negative"] if width == 1 else [f"negative_{n + 1}" for n in range(width)]
    return {name: found.nth(found.full, n) for n, name in enumerate(names)}
