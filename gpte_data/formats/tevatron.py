"""Tevatron with texts in the rows: what 0.1 (PyPI) reads, and 2 still does.

Its preprocessor joins title and text by a space. `score` is read by the distillation of version 2
(https://github.com/texttron/tevatron).
"""

import pyarrow as pa

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns, Documents

FORMAT = Format("jsonl", compression="none")


def columns(block: Block) -> Columns:
    """Return query_id, query, positive_passages and negative_passages."""
    return {
        "query_id": block.query_id,
        "query": block.query,
        "positive_passages": _passages(block.positives),
        "negative_passages": _passages(block.negatives),
    }


def _passages(documents: Documents) -> pa.Array:
    return documents.structs(
        docid=documents.doc_id,
        title=documents.title,
        text=documents.text,
        score=documents.scored(),
    )
