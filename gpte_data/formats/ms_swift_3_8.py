"""ms-swift up to 3.8: query, response, rejected_response.

A system message would stand before its documents too, so an instruction goes in front of the query
(https://swift.readthedocs.io/en/v3.8/BestPractices/Embedding.html).
"""

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns

FORMAT = Format("jsonl", one_positive=True, equal=True, least=1, compression="none")


def columns(block: Block) -> Columns:
    """Return query, response (the positive) and rejected_response (the negatives)."""
    return {
        "query": block.query,
        "response": block.positives.full,
        "rejected_response": block.negatives.lists(block.negatives.full),
    }
