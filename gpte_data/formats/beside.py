"""Files beside the shards that several formats need: a corpus, queries, judgements."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.errors import BadInput
from gpte_data.formats import Emitted
from gpte_data.formats.block import Block, Documents
from gpte_data.table_files import Kind, TableFile
from gpte_data.text_hashes import hashes

Tables = Callable[[], Iterator[Any]]


def corpus_file(passages: Tables, name: str, id_name: str, text_name: str) -> TableFile:
    """Return a file of documents, title and text in one column."""

    def tables() -> Iterator[pa.Table]:
        for table in passages():
            ids, title, text = (_array(table[column]) for column in ("doc_id", "title", "text"))
            full = Documents(None, ids, title, text, None, None).full
            yield pa.table({id_name: ids, text_name: full})

    return beside_file(name, tables)


def titled_corpus_file(passages: Tables, name: str, id_name: str) -> TableFile:
    """Return a file of documents with titles of their own (BEIR, MTEB)."""

    def tables() -> Iterator[pa.Table]:
        for table in passages():
            yield table.select(["doc_id", "title", "text"]).rename_columns(
                [id_name, "title", "text"]
            )

    return beside_file(name, tables)


def query_file(parts: Sequence[Emitted], name: str, id_name: str, text_name: str) -> TableFile:
    """Return a file of the queries of all parts, each once."""

    def blocks() -> Iterator[Block]:
        for part in parts:
            yield from part.blocks()

    def tables() -> Iterator[pa.Table]:
        first, start = _firsts(blocks()), 0
        for block in blocks():
            mask = pa.array(first[start : start + len(block)])
            start += len(block)
            yield pa.table({id_name: block.query_id, text_name: block.query}).filter(mask)

    return beside_file(name, tables)


def beside_file(name: str, tables: Tables, rows: int = 0) -> TableFile:
    """Return a file of a kind that its name tells; its rows count where they are told.

    Args:
        name: Its path in the output: .parquet and .jsonl are what they say, others are lines.
        tables: Makes it.
        rows: How many examples stand in it; 0 for what stands beside them.
    """
    kinds: dict[str, Kind] = {"parquet": "parquet", "jsonl": "jsonl"}
    kind = kinds.get(name.rsplit(".", 1)[-1], "lines")
    compression = "snappy" if kind == "parquet" else "gzip" if name.endswith(".gz") else "none"
    return TableFile(name, tables, rows, kind, compression, counted=bool(rows))  # type: ignore[arg-type]


def lines(texts: Iterator[str]) -> pa.Table:
    """Return lines of text as a table that is written as it stands."""
    return pa.table({"line": pa.array(texts, pa.string())})


def qrels(block: Block) -> dict[str, pa.Array]:
    """Return query-id, corpus-id and score, its grade, of each positive, (m,)."""
    ids = block.positives.doc_id
    query = block.query_id.take(pc.list_parent_indices(block.positives.lists(ids)))
    score = pa.array(block.positives.grade).cast(pa.int32())
    return {"query-id": query, "corpus-id": ids, "score": score}


def qrels_lines(block: Block) -> pa.Array:
    """Return BEIR's judgements: lines of a tab-separated file, its header before the first."""
    columns = qrels(block)
    check_tabs(columns["query-id"])
    check_tabs(columns["corpus-id"])
    joined = [columns["query-id"], columns["corpus-id"], columns["score"].cast(pa.string())]
    found = pc.binary_join_element_wise(*joined, "\t")
    if len(block) and block.number[0] == 0:
        header = pa.array(["\t".join(columns)], pa.string())
        found = pa.concat_arrays([header, found])
    return found


def by_folder(parts: Sequence[Emitted]) -> Iterator[tuple[str, list[Emitted]]]:
    """Yield parts that share a folder, with its path; splits do where their name is a file's."""
    for path in dict.fromkeys(part.path for part in parts):
        yield path, [part for part in parts if part.path == path]


def examples(emitted: Emitted) -> int:
    """Return how many examples there are."""
    return sum(len(block) for block in emitted.blocks())


def check_tabs(ids: Any) -> None:
    """Raise BadInput for an id that would fall apart in a tab-separated file."""
    broken = pc.match_substring_regex(ids, r"\t|\n|\r|^\s|\s$|\"")
    if pc.any(broken).as_py():
        found = ids.filter(broken)[0].as_py()
        raise BadInput(
            f"the id {found!r} can't stand in a tab-separated file: give ids without tabs, line "
            "ends, quotes, and blanks around them, or choose a format that is no .tsv"
        )


def _firsts(blocks: Iterator[Block]) -> np.ndarray:
    """Return which examples are the first of their query, (n,)."""
    keys = [hashes(block.query_id.to_pylist()) for block in blocks]
    found = np.concatenate(keys) if keys else np.zeros((0, 2), np.uint64)
    order = np.lexsort((found[:, 1], found[:, 0]))
    again = (found[order[1:]] == found[order[:-1]]).all(axis=1)
    first = np.ones(len(found), dtype=bool)
    first[order[1:][again]] = False
    return first


def _array(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def slug(folder: str) -> str:
    """Return a folder's path as a name: `train/a` is `train-a`, none is `corpus`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder) or "corpus"
