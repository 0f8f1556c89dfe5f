"""NeMo Automodel (Nemotron's recipes) with ids in the rows and a corpus beside them.

One JSON document, which its loader reads at once; the corpus is a folder with merlin_metadata.json.
Without `cycle_positive_docs` only the first positive is read, so each is an example of its own
(https://docs.nvidia.com/nemo/automodel, retrieval_dataset.py).
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import beside_file, corpus_file, examples, lines, slug
from gpte_data.formats.block import Block, Columns, Documents
from gpte_data.table_files import TableFile, json_lines

FORMAT = Format(None, one_positive=True, texts=False, suffix=".json", looked_up=("document",))


def columns(block: Block) -> Columns:
    """Return question_id, question, pos_doc and neg_doc."""
    return {
        "question_id": block.query_id,
        "question": block.query,
        "pos_doc": _ids(block.positives),
        "neg_doc": _ids(block.negatives),
    }


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield the examples, the corpus and what is said about it."""
    for part in parts:
        yield from _beside(part)


def _beside(part: Emitted) -> Iterator[TableFile]:
    corpus_id, where = slug(part.folder), f"{part.path}corpus"
    about = json.dumps({"class": "TextQADataset", "corpus_id": corpus_id})
    document = partial(_document, part, corpus_id)
    yield beside_file(f"{part.path}{part.split}.json", document, examples(part))
    yield beside_file(f"{where}/merlin_metadata.json", lambda: iter([lines(iter([about]))]))
    yield corpus_file(part.used, f"{where}/train.parquet", "id", "text")


def _document(emitted: Emitted, corpus_id: str) -> Iterator[pa.Table]:
    yield lines(iter(['{"corpus":[{"path":"corpus/"}],"data":[']))
    comma = ""
    for block in emitted.blocks():
        found = []
        for row in pa.table(dict(columns(block))).to_pylist():
            found.append(comma + json_lines([row | {"corpus_id": corpus_id}]).decode().rstrip("\n"))
            comma = ","
        yield lines(iter(found))
    yield lines(iter(["]}"]))


def _ids(documents: Documents) -> pa.Array:
    return documents.structs(id=documents.doc_id)
