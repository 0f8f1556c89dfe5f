"""Trainers' formats: one file each, and a name in FORMATS.

Each module has `output(negatives)`, how its rows are written, `parts(row)`, the examples that one
query becomes, and `examples(anchor, negatives)`, an example as it is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from gpte_data.errors import BadOption

FORMATS = {
    "sentence-transformers": "Parquet n-tuples: anchor, positive, negative_1 … negative_n.",
    "flagembedding": "JSONL: query, pos, neg, pos_scores, neg_scores, prompt, type.",
}


@dataclass(frozen=True)
class Document:
    """A document's text and how well it answers the query."""

    text: str
    score: float


@dataclass(frozen=True)
class Anchor:
    """A query with all that a format may need."""

    query: str
    positives: Sequence[Document]
    negatives: Sequence[Document]
    prompt: str


def format_module(name: str) -> ModuleType:
    """Return the module of a format; raise BadOption if there is none."""
    if name not in FORMATS:
        raise BadOption(f"there is no format {name!r}: --format takes one of {', '.join(FORMATS)}")
    return import_module(f"gpte_data.formats.{name.replace('-', '_')}")
