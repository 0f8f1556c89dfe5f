"""NeMo Automodel (Nemotron's recipes) with texts in the rows.

Without `cycle_positive_docs` only the first positive is read, so each is an example of its own
(https://docs.nvidia.com/nemo/automodel, retrieval_dataset_inline.py).
"""

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns

FORMAT = Format("jsonl", one_positive=True, compression="none")


def columns(block: Block) -> Columns:
    """Return question_id, query, pos_doc and neg_doc."""
    return {
        "question_id": block.query_id,
        "query": block.query,
        "pos_doc": block.positives.full,
        "neg_doc": block.negatives.lists(block.negatives.full),
    }
