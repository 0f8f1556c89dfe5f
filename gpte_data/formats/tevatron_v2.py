"""Tevatron 2 with ids in the rows and a corpus beside them.

Its training reads a document's `text` alone, its encoding puts a `title` in front where there is
one (https://github.com/texttron/tevatron, retriever/dataset.py): so that both see the same, our
corpus has titles inside `text` and no column for them.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import corpus_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format("jsonl", texts=False, compression="none", looked_up=("document",))


def columns(block: Block) -> Columns:
    """Return query_id, query_text, query_image, positive_ and negative_document_ids."""
    return {
        "query_id": block.query_id,
        "query_text": block.query,
        "query_image": pa.nulls(len(block)),
        "positive_document_ids": block.positives.lists(block.positives.doc_id),
        "negative_document_ids": block.negatives.lists(block.negatives.doc_id),
    }


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield the corpus: docid and text."""
    for part in parts:
        yield corpus_file(part.used, f"{part.path}corpus/corpus.jsonl", "docid", "text")
