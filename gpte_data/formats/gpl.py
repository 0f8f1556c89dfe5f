"""GPL: hard negatives and margins of a teacher, which its training takes as they are.

The folder has all that `gpl.train` would make by itself, so that it starts at its last step: the
corpus, `qgen` queries and judgements, hard-negatives.jsonl, gpl-training-data.tsv. There the first
negative of each query comes first, then the second of each, and so on: GPL doesn't shuffle
(https://github.com/UKPLab/gpl).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import (
    beside_file,
    check_tabs,
    qrels_lines,
    query_file,
    titled_corpus_file,
)
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(
    "jsonl", least=1, scored=True, texts=False, stem="hard-negatives", single=True,
    compression="none", looked_up=("document", "query"),
)  # fmt: skip
MINER = "gpte-data"


def columns(block: Block) -> Columns:
    """Return qid, pos and neg, the negatives under the name of who found them."""
    negatives = block.negatives.lists(block.negatives.doc_id)
    return {
        "qid": block.query_id,
        "pos": block.positives.lists(block.positives.doc_id),
        "neg": pa.StructArray.from_arrays([negatives], names=[MINER]),
    }


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield what else GPL reads."""
    for part in parts:
        yield from _beside(part)


def _beside(part: Emitted) -> Iterator[TableFile]:
    def judgements() -> Iterator[pa.Table]:
        for block in part.blocks():
            yield pa.table({"line": qrels_lines(block)})

    path = part.path
    yield beside_file(f"{path}gpl-training-data.tsv", lambda: _margins(part))
    yield titled_corpus_file(part.used, f"{path}corpus.jsonl", "_id")
    yield query_file([part], f"{path}qgen-queries.jsonl", "_id", "text")
    yield beside_file(f"{path}qgen-qrels/train.tsv", judgements)


def _margins(emitted: Emitted) -> Iterator[pa.Table]:
    """Yield lines of query, positive, negative and margin; the first negatives come first."""
    widest = max((block.width for block in emitted.blocks()), default=0)
    for place in range(widest):
        for block in emitted.blocks():
            yield pa.table({"line": _lines(block, place)})


def _lines(block: Block, place: int) -> pa.Array:
    """Return a line for each positive and the negative at a place, where there is one."""
    has = block.negatives.counts() > place
    example = np.repeat(np.arange(len(block)), block.positives.counts())
    mask = has[example]
    positive, example = np.flatnonzero(mask), example[mask]
    negative = block.negatives.offsets[:-1][example] + place
    margin = block.positives.score[positive] - block.negatives.score[negative]
    found = [
        block.query_id.take(pa.array(example)),
        block.positives.doc_id.take(pa.array(positive)),
        block.negatives.doc_id.take(pa.array(negative)),
    ]
    for ids in found:
        check_tabs(ids)
    return pc.binary_join_element_wise(*found, pa.array(margin).cast(pa.string()), "\t")
