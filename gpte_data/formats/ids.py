"""ids: queries with the ids of their documents and all scores, for joining texts elsewhere."""

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns

FORMAT = Format("parquet", texts=False, place="field")


def columns(block: Block) -> Columns:
    """Return query_id, query, instruction, positives, negatives and the scores of both."""
    positives, negatives = block.positives, block.negatives
    return {
        "query_id": block.query_id,
        "query": block.query,
        "instruction": block.instruction,
        "dataset": block.dataset,
        "positives": positives.lists(positives.doc_id),
        "negatives": negatives.lists(negatives.doc_id),
        "positive_scores": positives.lists(positives.scored()),
        "negative_scores": negatives.lists(negatives.scored()),
    }
