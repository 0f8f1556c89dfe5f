"""sentence-transformers, a list of documents with labels: their grades, 0 for negatives.

For a CrossEncoder's LambdaLoss, ListNetLoss and the like, which read lists of any length
(https://sbert.net/docs/cross_encoder/loss_overview.html).
"""

from gpte_data.formats import Format
from gpte_data.formats.all_documents import all_documents
from gpte_data.formats.block import Block, Columns

FORMAT = Format("parquet", least=1)


def columns(block: Block) -> Columns:
    """Return anchor, positive (all documents) and labels."""
    documents = all_documents(block)
    return {
        "anchor": block.query,
        "positive": documents.lists(documents.full),
        "labels": documents.lists(documents.grade),
    }
