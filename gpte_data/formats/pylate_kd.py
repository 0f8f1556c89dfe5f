"""PyLate, distillation: ids and a teacher's scores, with queries and documents beside.

KDProcessing takes the first `n_ways` documents of a row, 32 where nothing is said, and an empty
text for an id that it does not find (https://lightonai.github.io/pylate/documentation/training/).
"""

from collections.abc import Iterator, Sequence

from gpte_data.formats import Emitted, Format
from gpte_data.formats.all_documents import all_documents
from gpte_data.formats.beside import corpus_file, query_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(
    "parquet", one_positive=True, equal=True, least=1, scored=True, texts=False, folder="train",
    looked_up=("document", "query"),
)  # fmt: skip


def columns(block: Block) -> Columns:
    """Return query_id, document_ids (the positive first) and scores."""
    documents = all_documents(block)
    return {
        "query_id": block.query_id,
        "document_ids": documents.lists(documents.doc_id),
        "scores": documents.lists(documents.scored()),
    }


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield queries and documents."""
    for part in parts:
        yield query_file([part], f"{part.path}queries/00000.parquet", "query_id", "text")
        where = f"{part.path}documents/00000.parquet"
        yield corpus_file(part.used, where, "document_id", "text")
