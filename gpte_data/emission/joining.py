"""Examples as columns, with the texts of their queries and documents."""

from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.emission.gathered import Examples, Gathered
from gpte_data.emission.library import Shelf
from gpte_data.formats.block import Block, Documents


def joined(
    gathered: Gathered, shelf: Shelf, places: Any, first: int, datasets: list[str], *, texts: bool
) -> Block:
    """Return examples as a block.

    Args:
        gathered: Where they are.
        shelf: The texts of their documents.
        places: Which of them, (n,).
        first: The number of the first in its folder.
        datasets: Names by number.
        texts: Whether titles and texts are looked up too; else they are "".
    """
    found = gathered.at(places)
    rows = {name: column.take(found.table["row"]) for name, column in gathered.rows.items()}
    names = pa.array(datasets, pa.string()).take(pa.array(found.table["dataset"]))
    return Block(
        rows["query_id"], rows["query"], rows["instruction"], names,
        np.arange(first, first + len(places)),
        _documents(found, shelf, positives=True, texts=texts),
        _documents(found, shelf, positives=False, texts=texts),
    )  # fmt: skip


def _documents(found: Examples, shelf: Shelf, *, positives: bool, texts: bool) -> Documents:
    """Return one side of the examples."""
    places, offsets = found.side(positives=positives)
    numbers = found.document[places]
    none = pa.repeat("", len(numbers))
    title, text = (shelf.take(name, numbers) if texts else none for name in ("title", "text"))
    return Documents(
        offsets, shelf.take("doc_id", numbers), title, text, found.score[places],
        found.grade[places],
    )  # fmt: skip
