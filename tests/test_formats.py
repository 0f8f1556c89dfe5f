"""Formats alone: their keys, what they refuse, and the files that stand beside their shards."""

import csv
import gzip
import io as streams
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from collection import Collection, make
from conftest import cli, files

from gpte_data import io
from gpte_data.errors import BadInput, BadOption
from gpte_data.formats import FORMATS, open_format

OF_EXAMPLES = [name for name in FORMATS if open_format(name).of.of == "examples"]
"""Those that write texts alone have tests of their own."""
TUPLE = ["positive", "negative_1", "negative_2", "negative_3"]
KEYS = {
    "sentence-transformers": ["anchor", *TUPLE],
    "st-labeled-pair": ["anchor", "positive", "label"],
    "st-labeled-list": ["anchor", "positive", "labels"],
    "st-margin-mse": ["query", *TUPLE, "label"],
    "st-kldiv": ["query", *TUPLE, "label"],
    "flagembedding": ["query", "pos", "neg", "pos_scores", "neg_scores", "prompt", "type"],
    "tevatron": ["query_id", "query", "positive_passages", "negative_passages"],
    "tevatron-v2": [
        "query_id", "query_text", "query_image", "positive_document_ids", "negative_document_ids",
    ],
    "pylate": ["query", *TUPLE],
    "pylate-kd": ["query_id", "document_ids", "scores"],
    "ms-swift": ["messages", "positive_messages", "negative_messages"],
    "ms-swift-3.8": ["query", "response", "rejected_response"],
    "contrastors": [
        "query", "document", "negatives", "document_score", "negatives_scores", "metadata",
    ],
    "nemo": ["question_id", "query", "pos_doc", "neg_doc"],
    "nemo-corpus": ["question_id", "question", "pos_doc", "neg_doc", "corpus_id"],
    "gpl": ["qid", "pos", "neg"],
    "beir": ["query-id", "corpus-id", "score"],
    "mteb": ["query-id", "corpus-id", "score"],
    "webdataset": [
        "query_id", "query", "instruction", "positives", "negatives", "positive_scores",
        "negative_scores",
    ],
    "ids": [
        "query_id", "query", "instruction", "dataset", "positives", "negatives",
        "positive_scores", "negative_scores",
    ],
}  # fmt: skip
"""Format -> keys of a row, in order."""
FIRST = {
    "gpl": "hard-negatives.jsonl", "beir": "qrels/train.tsv", "mteb": "qrels/train.parquet",
    "nemo-corpus": "train.json", "pylate-kd": "train/00000.parquet", "webdataset": "00000.tar",
    "contrastors": "shard-00000.jsonl.gz",
}  # fmt: skip
"""Format -> its first file, where that is not 00000.parquet or 00000.jsonl."""


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return make(tmp_path_factory.mktemp("collection"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of any kind."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            members = (tar.extractfile(name) for name in tar.getnames())
            return [json.load(member) for member in members if member]
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if path.suffix == ".tsv":
        return list(csv.DictReader(streams.StringIO(text), delimiter="\t"))
    if path.suffix == ".json":
        return list(json.loads(text)["data"])
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_keys(name: str, collection: Collection, tmp_path: Path) -> None:
    out = collection.emit(tmp_path / "out", name)
    suffix = open_format(name).of.kind
    first = rows_of(out / FIRST.get(name, f"00000.{suffix}"))
    assert {tuple(row) for row in first} == {tuple(KEYS[name])}


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_the_same_bytes_again(name: str, collection: Collection, tmp_path: Path) -> None:
    kinds = ("**/*.parquet", "**/*.jsonl*", "**/*.tar", "**/*.tsv", "*.json", "*.yaml")
    first = files(collection.emit(tmp_path / "one" / "out", name), *kinds)
    assert first
    assert files(collection.emit(tmp_path / "two" / "out", name), *kinds).keys() == first.keys()
    if name != "contrastors":  # whose counts name the folder above
        assert files(tmp_path / "two" / "out", *kinds) == first


@pytest.mark.parametrize("name", [n for n in OF_EXAMPLES if open_format(n).of.equal])
def test_unequal_negatives_are_refused(name: str, collection: Collection, tmp_path: Path) -> None:
    ended = refused(collection, tmp_path / "out", name, shortage="keep")
    assert f"{name} needs as many negatives in every row: --shortage drop or repeat" in ended
    assert not [path for path in (tmp_path / "out").rglob("*.*") if "_" not in path.parent.name]


@pytest.mark.parametrize("name", [n for n in OF_EXAMPLES if open_format(n).of.least])
def test_no_negatives_are_refused(name: str, collection: Collection, tmp_path: Path) -> None:
    ended = refused(collection, tmp_path / "out", name, num_negatives=0)
    assert f"{name} needs at least 1 negative: --num-negatives 1 or more" in ended
    assert not [path for path in (tmp_path / "out").rglob("*.*") if "_" not in path.parent.name]


def refused(collection: Collection, out: Path, name: str, **options: Any) -> str:
    """Emit what can't be; return the sentence that says so."""
    with pytest.raises((BadInput, BadOption)) as raised:
        collection.emit(out, name, **options)
    return str(raised.value)


@pytest.mark.parametrize("name", [n for n in OF_EXAMPLES if not open_format(n).of.least])
def test_pairs_alone(name: str, collection: Collection, tmp_path: Path) -> None:
    out = collection.emit(tmp_path / "out", name, num_negatives=0)
    suffix = open_format(name).of.kind
    rows = rows_of(out / FIRST.get(name, f"00000.{suffix}"))
    assert rows
    assert not any("negative_1" in row or row.get("negatives") for row in rows)


@pytest.mark.parametrize("name", [n for n in OF_EXAMPLES if open_format(n).of.scored])
def test_distillation_needs_scores(name: str, collection: Collection, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    rows = [
        {"query_id": f"q{i}", "query": "q?", "positives": [f"d{i}"], "negatives": [f"d{i + 1}"]}
        for i in range(3)
    ]
    io.write(bare / "00000.parquet", rows)
    words = ["emit", bare, "--corpus", collection.corpora[0], "-o", tmp_path / "out"]
    said = cli(*words, "--format", name, "--num-negatives", 1).sentence()
    assert "score" in said
    assert not list((tmp_path / "out").glob("**/*.parquet"))


@pytest.mark.parametrize("name", ["flagembedding", "contrastors", "tevatron", "ms-swift"])
def test_a_compression_that_no_loader_reads_is_refused(
    name: str, collection: Collection, tmp_path: Path
) -> None:
    said = refused(collection, tmp_path / "out", name, compression="zstd")
    assert "is read with --compression" in said


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_tar_that_no_loader_reads_is_refused(
    compression: str, collection: Collection, tmp_path: Path
) -> None:
    said = refused(collection, tmp_path / "out", "webdataset", compression=compression)
    assert f"--compression none or gzip, not {compression}" in said


def test_offsets_of_contrastors_are_of_bytes(collection: Collection, tmp_path: Path) -> None:
    out = collection.emit(tmp_path / "parent" / "out", "contrastors")
    offsets = json.loads(gzip.decompress((out / "offsets.json.gz").read_bytes()))
    counts = json.loads((out / "counts.json").read_text())
    shards = sorted(out.glob("shard-*.jsonl.gz"))
    names = [f"parent/out/{path.name}" for path in shards]
    assert list(offsets) == list(counts["count_per_file"]) == names
    assert len(shards) > 1
    for path, name in zip(shards, names, strict=True):
        data = gzip.decompress(path.read_bytes())
        lines = data.splitlines(keepends=True)
        assert len(data.decode()) < len(data)  # or characters would do as well
        places = [offsets[name][str(n)] for n in range(len(lines))]
        assert [data[start:end] for start, end in places] == lines
        assert counts["count_per_file"][name] == len(lines)
    assert counts["total_count"] == sum(counts["count_per_file"].values())


def test_queries_and_documents_stand_once(collection: Collection, tmp_path: Path) -> None:
    out = collection.emit(tmp_path / "out", "pylate-kd")
    train = [row for path in sorted((out / "train").iterdir()) for row in rows_of(path)]
    queries = [row["query_id"] for row in rows_of(out / "queries" / "00000.parquet")]
    documents = [row["document_id"] for row in rows_of(out / "documents" / "00000.parquet")]
    assert len(train) > len(queries) == len(set(queries))
    assert set(queries) == {row["query_id"] for row in train}
    assert len(documents) == len(set(documents))
    assert set(documents) == {doc_id for row in train for doc_id in row["document_ids"]}


def test_ids_with_tabs_are_refused_where_files_have_tabs(tmp_path: Path) -> None:
    rows = [{"query_id": "q\t1", "query": "q?", "positives": ["d"]}]
    io.write(tmp_path / "rows" / "00000.parquet", rows)
    io.write(tmp_path / "corpus" / "00000.parquet", [{"doc_id": "d", "title": "", "text": "x"}])
    words = ["emit", tmp_path / "rows", "--corpus", tmp_path / "corpus", "-o", tmp_path / "out"]
    said = cli(*words, "--format", "beir", "--num-negatives", 0).sentence()
    assert "the id 'q\\t1' can't stand in a tab-separated file" in said


def test_instructions_of_ms_swift_are_system_messages(
    collection: Collection, tmp_path: Path
) -> None:
    out = collection.emit(tmp_path / "out", "ms-swift")
    rows = [row for path in sorted(out.glob("*.jsonl")) for row in rows_of(path)]
    roles = {tuple(message["role"] for message in row["messages"]) for row in rows}
    assert roles == {("user",), ("system", "user")}
    systems = {row["messages"][0]["content"] for row in rows if len(row["messages"]) == 2}
    assert systems == {"Find a passage"}
    assert {len(row["positive_messages"]) for row in rows} == {1}
    assert {len(row["negative_messages"]) for row in rows} == {3}
