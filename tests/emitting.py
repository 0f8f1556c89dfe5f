"""Examples as blocks and their files in a folder, for tests of formats alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.formats import Emitted, open_format
from gpte_data.formats.block import Block, Documents
from gpte_data.table_files import TableFile, ending, write_file

Doc = tuple[str, str, str, float]
"""doc_id, title, text and score."""


@dataclass(frozen=True)
class Example:
    """A query with its documents."""

    query_id: str
    query: str
    positives: list[Doc]
    negatives: list[Doc]
    instruction: str = ""


def documents(lists: Sequence[Sequence[Doc]]) -> Documents:
    """Return the documents of several examples."""
    flat = [doc for docs in lists for doc in docs]
    offsets = np.cumsum([0, *(len(docs) for docs in lists)]).astype(np.int32)
    texts = [pa.array([doc[n] for doc in flat], pa.string()) for n in range(3)]
    return Documents(offsets, *texts, np.array([doc[3] for doc in flat], np.float32))


def block(examples: Sequence[Example], start: int = 0) -> Block:
    """Return examples as columns."""
    names = [pa.array([getattr(one, name) for one in examples], pa.string())
             for name in ("query_id", "query", "instruction")]  # fmt: skip
    dataset = pa.array([""] * len(examples), pa.string())
    number = np.arange(start, start + len(examples))
    return Block(
        *names, dataset, number,
        documents([one.positives for one in examples]),
        documents([one.negatives for one in examples]),
    )  # fmt: skip


def parted(examples: Sequence[Example]) -> list[Example]:
    """Return an example for each positive."""
    return [
        Example(one.query_id, one.query, [positive], one.negatives, one.instruction)
        for one in examples
        for positive in one.positives
    ]


def write(
    folder: Path, name: str, examples: Sequence[Example], shard_rows: int = 3, size: int = 2
) -> list[Example]:
    """Write examples in a format; return those that stand in it.

    Args:
        folder: Where.
        name: Of the format.
        examples: What.
        shard_rows: Examples in a shard.
        size: Examples in a block.
    """
    format_ = open_format(name)
    if format_.of.one_positive:
        examples = parted(examples)
    if format_.of.place == "query":
        examples = [instructed(one) for one in examples]
    shards = list(_shards(format_, examples, shard_rows, size))
    documents = {doc[0]: doc for one in examples for doc in [*one.positives, *one.negatives]}

    def passages() -> Iterator[pa.Table]:
        columns = zip(*documents.values(), strict=True)
        yield pa.table(dict(zip(("doc_id", "title", "text"), map(list, columns), strict=False)))

    emitted = Emitted(
        "", "train", shards, lambda: _blocks(examples, size), passages, passages, folder
    )
    for file in [*shards, *format_.beside(emitted)]:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            write_file(target, file)
    return list(examples)


def instructed(one: Example) -> Example:
    """Return an example with its instruction in front of the query."""
    return Example(one.query_id, one.instruction + one.query, one.positives, one.negatives)


def _blocks(examples: Sequence[Example], size: int) -> Iterator[Block]:
    for start in range(0, len(examples), size):
        yield block(examples[start : start + size], start)


def _shards(
    format_: Any, examples: Sequence[Example], shard_rows: int, size: int
) -> Iterator[TableFile]:
    if format_.of.kind is None:
        return
    compression = format_.of.compression or "none"
    for n, start in enumerate(range(0, len(examples), shard_rows)):
        some = examples[start : start + shard_rows]
        rows = sum(len(one.positives) + len(one.negatives) for one in some)
        place = f"{format_.of.folder}/" if format_.of.folder else ""

        def tables(some: Sequence[Example] = some) -> Iterator[pa.Table]:
            for part in _blocks(some, size):
                yield pa.table(dict(format_.columns(part)))

        yield TableFile(
            f"{place}{format_.of.stem.format(n)}{ending(format_.of.kind, compression)}",
            tables,
            rows if format_.of.per_document else len(some),
            format_.of.kind,
            compression,
        )
