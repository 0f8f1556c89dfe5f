"""Train, dev and test: shares of queries, and no document on two sides."""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ok
from test_emit import emit, make

from gpte_data import io
from gpte_data.emission.components import components
from gpte_data.emission.shares import shares
from gpte_data.errors import BadInput, BadOption

SHARED = Path(os.environ.get("GPTE_SHARED_DATA", "../shared/data"))
SPLIT = "train=.7,dev=.15,test=.15"


def texts(folder: Path) -> set[str]:
    """Return all texts of documents of a split."""
    return {text for row in io.read_all(folder) for name, text in row.items() if name != "anchor"}


def bags(given: Iterable[str]) -> Any:
    """Return poor vectors of texts: which of 512 buckets their words fall into, (n, 512)."""
    found = []
    for text in given:
        buckets = [zlib.crc32(word.encode()) % 512 for word in text.lower().split()]
        found.append(np.bincount(buckets, minlength=512).astype(np.float32) ** 0.5)
    vectors = np.stack(found)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def anchors(folder: Path) -> list[str]:
    return [row["anchor"] for row in io.read_all(folder)]


def test_no_text_stands_on_two_sides(tmp_path: Path) -> None:
    out, result = emit(tmp_path, num_negatives=2, split=SPLIT, shortage="repeat")
    train, dev, test = (texts(out / name) for name in ("train", "dev", "test"))
    assert not train & dev and not train & test and not dev & test
    sides = [set(anchors(out / name)) for name in ("train", "dev", "test")]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert (
        sum(len(anchors(out / name)) for name in ("train", "dev", "test")) == result.ledger.rows_out
    )
    pairs, _ = emit(tmp_path, "pairs", num_negatives=0, split=SPLIT)
    assert [len(set(anchors(pairs / name))) for name in ("train", "dev", "test")] == [42, 9, 9]


def test_what_hangs_together_stays_together(tmp_path: Path) -> None:
    """Copies, chunks of one document and queries of one text drag each other along."""
    make(tmp_path)
    docs = list(io.read_all(tmp_path / "corpus"))
    copied = {f"d{i}": f"d{i + 100}" for i in range(40)}
    for doc in docs:
        number = int(doc["doc_id"][1:])
        if doc["doc_id"] in copied.values():
            doc |= {"text": docs[number - 100]["text"], "title": docs[number - 100]["title"]}
        if 40 <= number < 60:
            doc["source"] = f"book {number // 5}"
    for path in io.shards(tmp_path / "corpus"):
        path.unlink()
    io.write(tmp_path / "corpus" / "00000.parquet", docs)
    out, _ = emit(tmp_path, num_negatives=1, split=SPLIT, format="ids")
    side = {
        doc_id: name
        for name in ("train", "dev", "test")
        for row in io.read_all(out / name)
        for doc_id in (*row["positives"], *row["negatives"])
    }
    for one, other in copied.items():
        assert side.get(one, "-") == side.get(other, side.get(one, "-"))
    books: dict[str, set[str]] = {}
    for doc_id, name in side.items():
        if 40 <= int(doc_id[1:]) < 60:
            books.setdefault(f"book {int(doc_id[1:]) // 5}", set()).add(name)
    assert books and all(len(sides) == 1 for sides in books.values())


def test_the_split_is_seeded_and_does_not_hang_on_the_shards(tmp_path: Path) -> None:
    one, _ = emit(tmp_path, "one", num_negatives=1, split=SPLIT)
    first = {name: list(io.read_all(one / name)) for name in ("train", "dev", "test")}
    rows = list(io.read_all(tmp_path / "rows"))
    for path in io.shards(tmp_path / "rows"):
        path.unlink()
    io.write(tmp_path / "rows" / "00000.parquet", rows[::-1])
    two, _ = emit(tmp_path, "two", num_negatives=1, split=SPLIT)
    assert {name: list(io.read_all(two / name)) for name in first} == first
    three, _ = emit(tmp_path, "three", num_negatives=1, split=SPLIT, seed=1)
    assert anchors(three / "test") != anchors(one / "test")


def test_rows_of_one_query_id_stay_together(tmp_path: Path) -> None:
    """Else the second would go where the first is, and leave its documents' other queries alone."""
    make(tmp_path, queries=20)
    twice = [
        {"query_id": query_id, "query": f"{query_id} {shift}?", "positives": [f"d{i + shift}"]}
        for i in range(60)
        for query_id, shift in ((f"q{i}", 0), (f"q{i}", 80), (f"z{i}", 80))
    ]
    for path in io.shards(tmp_path / "rows"):
        path.unlink()
    io.write(tmp_path / "rows" / "00000.parquet", twice)
    out, _ = emit(tmp_path, num_negatives=0, split="train=.5,test=.5", format="ids")
    train, test = (
        {doc_id for row in io.read_all(out / name) for doc_id in row["positives"]}
        for name in ("train", "test")
    )
    assert train and test and not train & test


def test_a_row_without_a_query_is_one_sentence(tmp_path: Path) -> None:
    make(tmp_path)
    last = [{"query_id": "x", "query": None, "positives": ["d1"]}]
    rows = [{"query_id": f"p{i}", "query": "?", "positives": ["d1"]} for i in range(2000)]
    io.write(tmp_path / "rows" / "00002.jsonl", rows + last)
    with pytest.raises(BadInput, match="'x' of the input has no query"):
        emit(tmp_path, num_negatives=1, split=SPLIT)


def test_one_component_as_large_as_all_goes_to_train(tmp_path: Path) -> None:
    make(tmp_path)
    rows = [row | {"positives": ["d0"], "positive_scores": [0.9]} for row in io.read_all(
        tmp_path / "rows")]  # fmt: skip
    for path in io.shards(tmp_path / "rows"):
        path.unlink()
    io.write(tmp_path / "rows" / "00000.parquet", rows)
    out, result = emit(tmp_path, num_negatives=1, split=SPLIT)
    assert len(anchors(out / "train")) == result.ledger.rows_out
    assert not (out / "test").exists()
    assert [result.ledger.notes[f"examples of {name}"] for name in ("train", "test")] == [
        result.ledger.rows_out, 0
    ]  # fmt: skip


@pytest.mark.parametrize(
    "spec",
    [
        "train=.9",
        "train=.5,dev=.2",
        "train=.9,dev=.1,dev=.1",
        "dev=.5,test=.5",
        "train=.9,valid=.1",
        "train",
        "train=2",
    ],
)
def test_shares_that_will_not_do(spec: str) -> None:
    with pytest.raises(BadOption, match="--split"):
        shares(spec)
    assert shares("train=.8,test=.2") == {"train": 0.8, "test": 0.2}
    assert shares("") == {}


def test_components_are_those_of_a_search() -> None:
    random = np.random.default_rng(3)
    for nodes, edges in ((1, 0), (50, 20), (200, 150), (200, 600)):
        ends = random.integers(0, nodes, (edges, 2))
        label = components(nodes, ends[:, 0], ends[:, 1])
        expected = list(range(nodes))
        for _ in range(nodes):
            for one, other in ends.tolist():
                expected[one] = expected[other] = min(expected[one], expected[other])
        assert label.tolist() == expected
    chain = np.arange(999)
    assert not components(1000, chain, chain + 1).any()


@pytest.mark.skipif(not SHARED.joinpath("scifact").is_dir(), reason="no GPTE_SHARED_DATA")
def test_scifact_has_no_text_of_dev_or_test_in_train(tmp_path: Path) -> None:
    ok("ingest", SHARED / "scifact", "-o", tmp_path / "corpus", "--pairs", tmp_path / "pairs")
    corpus, pairs = (list(io.read_all(tmp_path / name)) for name in ("corpus", "pairs"))
    (tmp_path / "v").mkdir()
    np.save(tmp_path / "v" / "documents.npy", bags(row["text"] for row in corpus))
    np.save(tmp_path / "v" / "queries.npy", bags(row["query"] for row in pairs))
    (tmp_path / "v" / "queries.txt").write_text("".join(f"{p['query_id']}\n" for p in pairs))
    ok(
        "mine-negatives", tmp_path / "pairs", "-o", tmp_path / "mined", "--corpus",
        tmp_path / "corpus", "--teacher", f"vectors:{tmp_path / 'v'}",
    )  # fmt: skip
    ok(
        "emit", tmp_path / "mined", "-o", tmp_path / "out", "--corpus", tmp_path / "corpus",
        "--split", "train=.8,dev=.1,test=.1", "--shortage", "repeat",
    )  # fmt: skip
    sides: dict[str, Any] = {
        name: texts(tmp_path / "out" / name) for name in ("train", "dev", "test")
    }
    assert not sides["train"] & (sides["dev"] | sides["test"])
    assert not sides["dev"] & sides["test"]
    assert len(anchors(tmp_path / "out" / "test")) >= 60
