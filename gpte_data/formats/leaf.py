"""LEAF: texts with a teacher's vectors, from which a small model learns to give the same ones.

No labels, no negatives (2509.12539). The columns are those that MSELoss and EmbedDistillLoss of
sentence-transformers read (https://sbert.net/docs/package_reference/sentence_transformer/losses.html).
"""

import pyarrow as pa

from gpte_data.formats import Format
from gpte_data.formats.block import Columns, TextBlock

FORMAT = Format("parquet", of="texts")


def columns(block: TextBlock) -> Columns:
    """Return sentence and label, a list of as many numbers in each row."""
    numbers = pa.array(block.vector.reshape(-1))
    label = pa.FixedSizeListArray.from_arrays(numbers, block.vector.shape[1])
    return {"sentence": block.text, "label": label}
