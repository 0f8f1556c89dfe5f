"""sentence-transformers, DistillKLDivLoss: a teacher's scores, the positive's first.

Scores as they are; the loss has a temperature for them
(https://sbert.net/docs/package_reference/sentence_transformer/losses.html#distillkldivloss).
"""

from gpte_data.formats import Format
from gpte_data.formats.all_documents import all_documents
from gpte_data.formats.block import Block, Columns
from gpte_data.formats.sentence_transformers import negatives

FORMAT = Format("parquet", one_positive=True, equal=True, least=1, scored=True)


def columns(block: Block) -> Columns:
    """Return query, positive, negative_1 … negative_n and label, a list of n + 1 scores."""
    documents = all_documents(block)
    texts = {"query": block.query, "positive": block.positives.full} | negatives(block)
    return texts | {"label": documents.lists(documents.scored())}
