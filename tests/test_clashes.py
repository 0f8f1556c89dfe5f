"""Ids that two datasets share: no text takes the place of another where texts are looked up.

And ids that a row names twice.
"""

from pathlib import Path
from typing import Any

import pytest
from conftest import cli, ok

from gpte_data import io
from gpte_data.formats import FORMATS, open_format

LOOKED_UP = [name for name in FORMATS if open_format(name).of.looked_up]
QUERIES = [name for name in LOOKED_UP if "query" in open_format(name).of.looked_up]


def dataset(folder: Path, name: str, *, query_id: str = "q") -> list[Any]:
    """Write rows and a corpus, all of whose ids another dataset may have too."""
    docs = [{"doc_id": f"d{i}", "title": "", "text": f"{name} {i}"} for i in range(8)]
    rows = [
        {
            "query_id": f"{query_id}{i}", "query": f"{name} {i}?", "positives": [f"d{i}"],
            "positive_scores": [0.9],
            "candidates": [
                {"doc_id": f"d{i + j}", "rank": j, "score": 0.5, "source": "s", "verdict": "keep"}
                for j in (1, 2)
            ],
        }
        for i in range(5)
    ]  # fmt: skip
    io.write(folder / "corpora" / name / "00000.parquet", docs)
    io.write(folder / "rows" / name / "00000.parquet", rows)
    return ["--corpus", f"{name}={folder / 'corpora' / name}"]


@pytest.mark.parametrize("name", LOOKED_UP)
def test_ids_of_two_datasets_are_not_mistaken(name: str, tmp_path: Path) -> None:
    words = ["emit", tmp_path / "rows", *dataset(tmp_path, "a"), *dataset(tmp_path, "b")]
    words += ["--format", name, "--num-negatives", 2]
    said = cli(*words, "-o", tmp_path / "mixed").sentence()
    assert "the doc_id 'd0' stands for documents of two datasets" in said
    assert not (tmp_path / "mixed").exists()
    ok(*words, "-o", tmp_path / "apart", "--per-dataset")
    for one in "ab":
        folder = tmp_path / "apart" / one
        found = [p for where in ("corpus", "documents") for p in folder.rglob(f"{where}*/**/*")]
        files = [*found, *folder.rglob("corpus.jsonl")]
        texts = [
            row["text"] for path in files if path.suffix in (".jsonl", ".parquet")
            for row in io.read(path)
        ]  # fmt: skip
        assert texts and all(text.startswith(one) for text in texts)


@pytest.mark.parametrize("name", QUERIES)
def test_two_queries_of_one_id_are_not_mistaken(name: str, tmp_path: Path) -> None:
    corpus = dataset(tmp_path, "a")[1].partition("=")[2]
    rows = list(io.read_all(tmp_path / "rows" / "a"))
    io.write(tmp_path / "rows" / "a" / "00001.parquet", [rows[0] | {"query": "another?"}])
    words = ["emit", tmp_path / "rows" / "a", "--corpus", corpus, "--format", name]
    said = cli(*words, "--num-negatives", 2, "-o", tmp_path / "out").sentence()
    assert "the query_id 'q0' stands for two queries" in said
    io.write(tmp_path / "rows" / "a" / "00001.parquet", [rows[0]])
    ok(*words, "--num-negatives", 2, "-o", tmp_path / "out")


@pytest.mark.parametrize("name", ["beir", "mteb"])
def test_judgements_need_no_negatives(name: str, tmp_path: Path) -> None:
    corpus = dataset(tmp_path, "a")[1].partition("=")[2]
    words = ["emit", tmp_path / "rows" / "a", "--corpus", corpus, "--format", name]
    assert "5 in = 5 out" in ok(*words, "-o", tmp_path / "out")


@pytest.mark.parametrize("candidates", ["kept", "all"])
def test_a_positive_is_no_negative_and_counts_once(candidates: str, tmp_path: Path) -> None:
    """Rows of other tools may name a document twice; an example would say yes and no of it."""
    dataset(tmp_path, "a")
    hits = [
        {"doc_id": f"d{i}", "rank": i + 1, "score": 0.5, "source": "s", "verdict": "keep"}
        for i in range(6)
    ]
    io.write(
        tmp_path / "rows" / "00000.jsonl",
        [
            {"query_id": "m", "query": "mined?", "positives": ["d1", "d0", "d1"],
             "positive_scores": [0.9, 0.8, 0.9], "candidates": hits},
            {"query_id": "o", "query": "other?", "positives": ["d2"], "candidates": hits},
            {"query_id": "w", "query": "written?", "positives": ["d3"],
             "negatives": ["d3", "d4", "d4", "d5"]},
        ],
    )  # fmt: skip
    words = ["emit", tmp_path / "rows" / "00000.jsonl", "--corpus", tmp_path / "corpora" / "a"]
    words += ["--candidates", candidates, "--num-negatives", 2]
    ok(*words, "--format", "ids", "-o", tmp_path / "ids")
    found = {row["query_id"]: row for row in io.read_all(tmp_path / "ids")}
    assert found["m"]["positives"] == ["d1", "d0"]
    assert [round(one, 2) for one in found["m"]["positive_scores"]] == [0.9, 0.8]
    negatives = {query_id: row["negatives"] for query_id, row in found.items()}
    assert negatives == {"m": ["d2", "d3"], "o": ["d0", "d1"], "w": ["d4", "d5"]}
    assert "3 + 1 expanded in = 4 out" in ok(*words, "-o", tmp_path / "tuples")


@pytest.mark.parametrize("name", ["positives", "negatives", "candidates"])
def test_a_document_without_an_id_is_one_sentence(name: str, tmp_path: Path) -> None:
    dataset(tmp_path, "a")
    none: list[Any] = [{"doc_id": None, "score": 0.5}] if name == "candidates" else [None]
    row = {"query_id": "q", "query": "?", "positives": ["d1"], name: none}
    io.write(tmp_path / "rows" / "00000.jsonl", [row])
    words = ["emit", tmp_path / "rows" / "00000.jsonl", "--corpus", tmp_path / "corpora" / "a"]
    said = cli(*words, "--num-negatives", 0, "-o", tmp_path / "out").sentence()
    assert f"row 'q' of the input has one without a doc_id among its {name}" in said
    assert not (tmp_path / "out").exists()


def test_datasets_of_mteb_have_configs_as_its_loader_names_them(tmp_path: Path) -> None:
    words = ["emit", tmp_path / "rows", *dataset(tmp_path, "a"), *dataset(tmp_path, "b")]
    ok(*words, "--format", "mteb", "--per-dataset", "-o", tmp_path / "out")
    said = (tmp_path / "out" / "README.md").read_text()
    for name in "ab":
        for kind in ("corpus", "queries", "qrels"):
            assert f"- config_name: {name}-{kind}\n" in said
