"""What is told of examples once they are written: their numbers, their files, how these look.

Plain values for the data card; nothing is counted here that takes a look at texts again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data import io
from gpte_data.emission.gathered import Gathered
from gpte_data.emission.library import Library, Shelf
from gpte_data.formats import Emitted
from gpte_data.table_files import TableFile

SCAN = 1 << 20
"""Examples that are counted together."""
TEXT = 240
ITEMS = 3
"""Of the example that is shown: how much of a text, how many values of a list."""
LICENCE = "license"
"""The field of passages that says whose terms hold for them."""
NO_LICENCE = "not said"


def told(
    gathered: Gathered, library: Library, shelf: Shelf, emitted: Sequence[Emitted],
    datasets: Sequence[str], beside: Sequence[TableFile],
) -> dict[str, Any]:  # fmt: skip
    """Return plain values.

    Args:
        gathered: The examples.
        library: All documents.
        shelf: Those that stand in examples.
        emitted: The parts that were written, in the order of their numbers.
        datasets: Names by number.
        beside: The files that stand beside.
    """
    shards = [shard for part in emitted for shard in part.shards]
    looked = [*shards[:1], *beside]
    return {
        **_numbers(gathered, len(emitted), datasets),
        "documents": int(shelf.used.sum()),
        "corpus_documents": len(library),
        "licences": _licences(library, shelf.used),
        "parts": [
            {
                "split": part.split, "dataset": part.dataset, "folder": part.folder,
                "shards": [shard.name for shard in part.shards],
            }
            for part in emitted
        ],
        "schemas": {file.name: _schema(file) for file in looked if file.kind != "lines"},
        "example": _example(shards[0]) if shards else None,
    }  # fmt: skip


def told_of_texts(
    library: Library, used: Any, shards: Sequence[TableFile], vectors: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the same of texts with vectors.

    Args:
        library: All documents.
        used: Which of them were written, (documents,).
        shards: The files.
        vectors: How many documents and queries there are.
    """
    rows = sum(shard.rows for shard in shards)
    names = [shard.name for shard in shards]
    return {
        "queries": vectors["queries"], "positives": 0, "negatives": {},
        "examples": [{"part": 0, "dataset": "", "examples": rows}],
        "documents": vectors["documents"],
        "corpus_documents": len(library),
        "licences": _licences(library, used),
        "parts": [{"split": "", "dataset": "", "folder": "", "shards": names}],
        "schemas": {shard.name: _schema(shard) for shard in shards[:1]},
        "example": _example(shards[0]) if shards else None,
    }  # fmt: skip


def _numbers(gathered: Gathered, parts: int, datasets: Sequence[str]) -> dict[str, Any]:
    """Count examples by dataset and part, their queries and their documents."""
    examples = gathered.examples()
    by = np.zeros((parts, len(datasets)), dtype=np.int64)
    negatives: Counter[int] = Counter()
    positives, asked = 0, np.zeros(len(gathered.rows["query_id"]), dtype=bool)
    for start in range(0, len(examples), SCAN):
        block = examples[start : start + SCAN]
        block = block[block["part"] < parts]
        np.add.at(by, (block["part"], block["dataset"]), 1)
        values, counts = np.unique(block["negatives"], return_counts=True)
        negatives.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        positives += int(block["positives"].sum())
        asked[block["row"]] = True
    return {
        "queries": int(asked.sum()),
        "positives": positives,
        "negatives": {str(n): count for n, count in sorted(negatives.items())},
        "examples": [
            {"part": part, "dataset": name, "examples": int(by[part, n])}
            for part in range(parts)
            for n, name in enumerate(datasets)
            if by[part, n]
        ],
    }


def _licences(library: Library, used: Any) -> dict[str, int]:
    """Count the documents that stand in examples by the licence that they name, if any does."""
    found: Counter[str] = Counter()
    start = 0
    for path in (path for corpus in library.corpora for path in corpus.shards):
        rows = io.count(path) if path.suffix == ".parquet" else 0
        if not rows:  # of JSON lines, one field costs as much as all of them
            return {}
        if LICENCE in io.parquet_file(path).schema_arrow.names:
            column = io.read_column(path, LICENCE, pa.string()).fill_null(NO_LICENCE)
            mine = column.filter(pa.array(used[start : start + rows]))
            found.update(
                {one["values"]: one["counts"] for one in pc.value_counts(mine).to_pylist()}
            )
        else:
            found[NO_LICENCE] += int(used[start : start + rows].sum())
        start += rows
    known = {name: count for name, count in found.most_common() if count}
    return known if set(known) - {NO_LICENCE} else {}


def _schema(file: TableFile) -> list[list[Any]]:
    """Return names and types of a file's columns, in plain words."""
    schema = next(iter(file.tables())).schema
    return [[field.name, plain_type(field.type)] for field in schema]


def plain_type(type_: pa.DataType) -> Any:
    """Return a type as a word, {"list": its type} or {"struct": [[name, its type], …]}."""
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return {"list": plain_type(type_.value_type)}
    if pa.types.is_struct(type_):
        fields = (type_.field(n) for n in range(type_.num_fields))
        return {"struct": [[field.name, plain_type(field.type)] for field in fields]}
    return str(type_)


def _example(shard: TableFile) -> dict[str, Any]:
    """Return the first row of a shard, its long texts and lists cut short."""
    row: Mapping[str, Any] = next(iter(shard.tables())).slice(0, 1).to_pylist()[0]
    return {name: _short(value) for name, value in row.items()}


def _short(value: Any) -> Any:
    """Return a value that can be read at a glance."""
    if isinstance(value, str):
        return value if len(value) <= TEXT else value[:TEXT].rstrip() + " …"
    if isinstance(value, list):
        return _cut(map(_short, value), len(value))
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _cut(values: Iterable[Any], length: int) -> list[Any]:
    """Return the first values, and how many more there are."""
    found = list(values)[:ITEMS]
    return [*found, f"… {length - ITEMS} more"] if length > ITEMS else found
