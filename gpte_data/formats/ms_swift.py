"""ms-swift from 3.9 on: messages; exactly one positive, as many negatives in every row.

The instruction is the query's system message; documents have none
(https://swift.readthedocs.io/en/latest/BestPractices/Embedding.html).
"""

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns
from gpte_data.formats.messages import document_messages, query_messages

FORMAT = Format("jsonl", one_positive=True, equal=True, place="field", compression="none")


def columns(block: Block) -> Columns:
    """Return messages, positive_messages and, with negatives, negative_messages."""
    found = {
        "messages": query_messages(block),
        "positive_messages": document_messages(block.positives),
    }
    if block.width:
        found["negative_messages"] = document_messages(block.negatives)
    return found
