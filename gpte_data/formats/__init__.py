"""Trainers' formats: one file each, and a name in FORMATS.

A format's module has `FORMAT`, what its files are like, and `columns(block)`, what stands in them,
from examples as columns; where it needs other files beside (a corpus, counts), `beside(parts)`
yields them, from all parts (splits, datasets) that were written.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gpte_data.errors import BadOption
from gpte_data.table_files import Compression, Kind, TableFile

if TYPE_CHECKING:
    from gpte_data.formats.block import Block, Columns

FORMATS = {
    "sentence-transformers": "n-tuples: anchor, positive, negative_1 … negative_n; pairs, triplets",
    "st-labeled-pair": "anchor, positive, label; a row for each document",
    "st-labeled-list": "anchor, positive (all documents), labels; for a CrossEncoder",
    "st-margin-mse": "query, positive, negative_1 … negative_n, label: margins of a teacher",
    "st-kldiv": "query, positive, negative_1 … negative_n, label: scores of a teacher",
    "flagembedding": "query, pos, neg, pos_scores, neg_scores, prompt, type",
    "tevatron": "query_id, query, positive_passages, negative_passages; Tevatron 0.1",
    "tevatron-v2": "query_id, query_text, document ids, and a corpus; Tevatron 2",
    "pylate": "query, positive, negative_1 … negative_n; ColBERT by PyLate",
    "pylate-kd": "query_id, document_ids, scores, with queries and documents; PyLate",
    "ms-swift": "messages, positive_messages, negative_messages; ms-swift from 3.9 on",
    "ms-swift-3.8": "query, response, rejected_response; ms-swift up to 3.8",
    "contrastors": "query, document, negatives, metadata, with counts and byte offsets",
    "nemo": "query, pos_doc, neg_doc; NeMo Automodel, texts in the rows",
    "nemo-corpus": "question, ids of pos_doc and neg_doc, and a corpus; NeMo Automodel",
    "gpl": "hard-negatives.jsonl and gpl-training-data.tsv with margins; GPL",
    "beir": "corpus.jsonl, queries.jsonl, qrels; for evaluation",
    "mteb": "corpus, queries and qrels as MTEB's retrieval tasks read them",
    "webdataset": "a tar of examples, each a .json",
    "leaf": "sentence, label: a text and its teacher's vector; for MSELoss and LEAF",
    "ids": "query and ids of positives and negatives with scores; no text of documents",
}
"""Name -> what stands in a row."""


@dataclass(frozen=True)
class Format:
    """What the files of a format are like, and what they can't do without.

    Attributes:
        kind: How rows are written; None where all its files stand `beside`.
        one_positive: Whether each positive is an example of its own; else all stand in one.
        equal: Whether every row must have as many negatives.
        least: The fewest negatives it can be read with.
        most: The most it can hold, or None.
        scored: Whether each document must have a score.
        texts: Whether documents' texts stand in its rows.
        place: Where an instruction goes: a field of its own, or in front of the query.
        folder: Inside the output, where its rows go: PyLate's `train`.
        stem: How its shards are called, {number:05d} or {split}; where the split is in the name,
            splits have no folder of their own.
        suffix: How their names end, where not as their kind does.
        single: Whether all rows of a part go into one file.
        of: What `columns` is given: a Block of examples, or a TextBlock of texts and vectors.
        looked_up: What stands beside the rows and is found by its id, so that an id is one text's.
        judged: Whether it is for evaluation: judgements and the whole corpus, without negatives.
        compression: The only one that its loader reads, or None where it reads any.
    """

    kind: Kind | None
    one_positive: bool = False
    equal: bool = False
    least: int = 0
    most: int | None = None
    scored: bool = False
    texts: bool = True
    place: Literal["query", "field"] = "query"
    folder: str = ""
    stem: str = "{number:05d}"
    suffix: str = ""
    single: bool = False
    of: Literal["examples", "texts"] = "examples"
    looked_up: tuple[Literal["document", "query"], ...] = ()
    judged: bool = False
    compression: Compression | None = None


@dataclass(frozen=True)
class Emitted:
    """What a format may know of a part that was written, for the files that it puts beside.

    Attributes:
        folder: Of this part inside the output: "", or a split's and a dataset's.
        split: Its split, or "train" where there are none.
        dataset: Its dataset, where each has a folder of its own; else "".
        shards: Its files, in order.
        blocks: Yields its examples again, without texts of documents.
        passages: Yields all documents of its corpus as tables: doc_id, title, text.
        used: Yields only those that stand in its examples.
        output: The output folder; contrastors' files name it.
    """

    folder: str
    split: str
    dataset: str
    shards: list[TableFile]
    blocks: Callable[[], Iterator["Block"]]
    passages: Callable[[], Iterator[Any]]
    used: Callable[[], Iterator[Any]]
    output: Path = Path()

    @property
    def path(self) -> str:
        """Its folder as the beginning of a path: "" or `dev/`."""
        return f"{self.folder}/" if self.folder else ""


@dataclass(frozen=True)
class OpenFormat:
    """A format by its name, with what its module can do."""

    name: str
    of: Format
    columns: Callable[[Any], "Columns"]
    beside: Callable[[Sequence[Emitted]], Iterable[TableFile]]


def _nothing(parts: Sequence[Emitted]) -> Iterable[TableFile]:
    """Put no file beside."""
    return ()


def open_format(name: str) -> OpenFormat:
    """Return a format; raise BadOption if there is none of that name."""
    if name not in FORMATS:
        raise BadOption(
            f"there is no format {name!r}: --format takes one of {', '.join(FORMATS)}; "
            "--format list shows a row of each"
        )
    module = import_module(f"gpte_data.formats.{name.replace('-', '_').replace('.', '_')}")
    beside = getattr(module, "beside", _nothing)
    return OpenFormat(name, module.FORMAT, module.columns, beside)
