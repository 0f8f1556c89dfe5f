"""Examples as columns: what a format is given, joined with texts, many queries at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Documents:
    """The positives, or the negatives, of n examples; of all of them together, m documents.

    Attributes:
        offsets: Where each example's documents start, and the last one's end, (n + 1,) in int32.
        doc_id: (m,) strings, as are title and text; a title is "" where there is none.
        score: How well each answers its query, (m,) in float32; NaN where nobody scored it.
        grade: How relevant each is by judgements, (m,) in int32: 1 for a positive where no grades
            were given, 0 for a negative.
    """

    offsets: Any
    doc_id: Any
    title: Any
    text: Any
    score: Any
    grade: Any

    @cached_property
    def full(self) -> Any:
        """Title and text as models read them (BEIR: joined by a space), (m,)."""
        return full(self.title, self.text)

    def lists(self, values: Any) -> Any:
        """Return one value a document, (m,), as a list for each example, (n,)."""
        array = values if isinstance(values, pa.Array) else pa.array(values)
        return pa.ListArray.from_arrays(pa.array(self.offsets), array)

    def structs(self, **fields: Any) -> Any:
        """Return a list of structs for each example, (n,); each field is (m,)."""
        arrays = [v if isinstance(v, pa.Array) else pa.array(v) for v in fields.values()]
        return self.lists(pa.StructArray.from_arrays(arrays, names=list(fields)))

    def nth(self, values: Any, place: int) -> Any:
        """Return the values of the document at a place in each example, which all have, (n,)."""
        return values.take(pa.array(self.offsets[:-1] + place))

    def counts(self) -> Any:
        """Return how many documents each example has, (n,)."""
        return np.diff(self.offsets)

    def scored(self) -> Any:
        """Return the scores as an Arrow array, null where nobody scored."""
        return pa.array(self.score, from_pandas=True)


@dataclass(frozen=True)
class Block:
    """Examples: n queries with their documents.

    Attributes:
        query_id: (n,) strings, as are query, instruction ("" where there is none) and dataset.
        number: The place of each example among all of its shards' folder, (n,) in int64.
    """

    query_id: Any
    query: Any
    instruction: Any
    dataset: Any
    number: Any
    positives: Documents
    negatives: Documents

    def __len__(self) -> int:
        return len(self.query_id)

    @property
    def width(self) -> int:
        """How many negatives each example has, where all have as many; else the most."""
        return int(self.negatives.counts().max(initial=0))

    def instructed(self, template: str) -> "Block":
        """Return the block with each instruction in front of its query, as the template says."""
        return replace(self, query=instructed(self.query, self.instruction, template))

    def silent(self) -> "Block":
        """Return the block without instructions."""
        return replace(self, instruction=self.constant(""))

    def constant(self, value: str) -> Any:
        """Return one text for each example, (n,)."""
        return pa.repeat(pa.scalar(value), len(self))


@dataclass(frozen=True)
class TextBlock:
    """Texts with a teacher's vectors, for formats that have no examples.

    Attributes:
        text: (n,) strings, as the teacher has read them, its prompts included.
        vector: (n, dimension) in float16 or float32.
    """

    text: Any
    vector: Any


def full(title: Any, text: Any) -> Any:
    """Return titles and texts joined by a space, (m,); the text where there is no title."""
    if not pc.any(pc.greater(pc.binary_length(title), 0)).as_py():
        return text
    return pc.if_else(pc.equal(title, ""), text, pc.binary_join_element_wise(title, text, " "))


def instructed(query: Any, instruction: Any, template: str) -> Any:
    """Return queries with their instructions in front, (n,), as a template says."""
    before, between = template.split("{instruction}", 1)
    middle, after = between.split("{query}", 1)
    parts = [pa.scalar(before), instruction, pa.scalar(middle), query, pa.scalar(after)]
    return pc.if_else(pc.equal(instruction, ""), query, pc.binary_join_element_wise(*parts, ""))


Columns = Mapping[str, Any]
"""Column name -> Arrow array, (n,), in the order in which they are written."""
