"""FlagEmbedding: one JSON object a query, its positives and negatives in lists, with scores.

Its loader reads a folder of .jsonl files; scores are read where `knowledge_distillation` is on. A
pair that nobody scored has 1 for its positives and 0 for its negatives.
"""

import numpy as np
import pyarrow as pa

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns, Documents

FORMAT = Format("jsonl", least=1, place="field", compression="none")


def columns(block: Block) -> Columns:
    """Return query, pos, neg, pos_scores, neg_scores, prompt and type."""
    return {
        "query": block.query,
        "pos": block.positives.lists(block.positives.full),
        "neg": block.negatives.lists(block.negatives.full),
        "pos_scores": _scores(block.positives, 1.0),
        "neg_scores": _scores(block.negatives, 0.0),
        "prompt": block.instruction,
        "type": block.constant("normal"),
    }


def _scores(documents: Documents, unscored: float) -> pa.Array:
    filled = np.nan_to_num(documents.score, nan=unscored)
    return documents.lists(pa.array(filled))
