"""WebDataset: tar files, each example a `.json` member of its own.

(https://github.com/webdataset/webdataset)
"""

import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.formats import Format
from gpte_data.formats.block import Block, Columns

FORMAT = Format("tar", place="field")


def columns(block: Block) -> Columns:
    """Return __key__, the example's number, and json, all of it."""
    positives, negatives = block.positives, block.negatives
    example = {
        "query_id": block.query_id,
        "query": block.query,
        "instruction": block.instruction,
        "positives": positives.lists(positives.full),
        "negatives": negatives.lists(negatives.full),
        "positive_scores": positives.lists(positives.scored()),
        "negative_scores": negatives.lists(negatives.scored()),
    }
    key = pc.utf8_lpad(pa.array(block.number).cast(pa.string()), 9, "0")
    fields = pa.StructArray.from_arrays(list(example.values()), names=list(example))
    return {"__key__": key, "json": fields}
