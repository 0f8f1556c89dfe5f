"""Each positive with its own margin: what mining says of it, and what examples make of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ok

from gpte_data import io
from gpte_data.mining.rules import Rules
from gpte_data.stage import Row
from gpte_data.stages import load

SCORES = {"a": 0.9, "b": 0.5, "c1": 0.8, "c2": 0.7, "c3": 0.45, "c4": 0.4, "c5": 0.3, "c6": 0.2}
"""Cosines to the query, of which a and b are the positives."""


def folders(folder: Path) -> Path:
    """Make a corpus whose documents have SCORES, and nothing else in common."""
    ids = list(SCORES)
    vectors = np.zeros((len(ids), len(ids) + 1), dtype=np.float32)
    for n, score in enumerate(SCORES.values()):
        vectors[n, 0], vectors[n, n + 1] = score, np.sqrt(1 - score**2)
    query = np.zeros((1, len(ids) + 1), dtype=np.float32)
    query[0, 0] = 1
    (folder / "v").mkdir(parents=True)
    np.save(folder / "v" / "documents.npy", vectors)
    np.save(folder / "v" / "queries.npy", query)
    rows = [{"doc_id": doc_id, "text": f"text {doc_id}"} for doc_id in ids]
    io.write(folder / "corpus" / "00000.parquet", rows)
    pair = {"query_id": "q", "query": "a query", "positives": ["a", "b"]}
    io.write(folder / "pairs" / "00000.parquet", [pair])
    return folder


def mine(folder: Path, *flags: object) -> Row:
    ok(
        "mine-negatives", folder / "pairs", "-o", folder / "mined", "--corpus", folder / "corpus",
        "--teacher", f"vectors:{folder / 'v'}", "--margin-against", "each", *flags,
    )  # fmt: skip
    (row,) = io.read_all(folder / "mined")
    return row


def emitted(folder: Path, *flags: object) -> tuple[dict[str, list[str]], str]:
    """Return the negatives of each positive, and what the command said."""
    said = ok("emit", folder / "mined", "-o", folder / "out", "--corpus", folder / "corpus", *flags)
    found = {}
    for row in io.read_all(folder / "out"):
        values = [str(text).removeprefix("text ") for text in row.values()]
        found[values[1]] = values[2:]
    return found, said


def test_ceilings_part_scores_as_the_margins_do() -> None:
    random = np.random.default_rng(0)
    for margins in ((0.05, None), (None, 0.1), (0.3, 0.02)):
        rules = Rules(margins[0], margins[1], against="each")
        positives = random.uniform(-1, 1, 200).astype(np.float32)
        ceilings = rules.ceilings(positives)
        assert ceilings.dtype == np.float32 and rules.ceiling(positives) >= ceilings.max()
        for one, ceiling in zip(positives, ceilings, strict=True):
            exact = Rules(*margins).ceiling([one])
            near = np.float32(exact)
            for score in (near, np.nextafter(near, np.float32(-2)), np.nextafter(near, 2)):
                assert (score <= ceiling) == (float(score) <= exact)
    assert Rules(against="each").ceilings([0.5]) is None
    assert Rules(0.05, against="min").ceilings([0.5]) is None


def test_a_candidate_stays_if_one_positive_leaves_it(tmp_path: Path) -> None:
    row = mine(folders(tmp_path), "--relative-margin", 0.05, "--num-negatives", 3)
    verdicts = {hit["doc_id"]: hit["verdict"] for hit in row["candidates"]}
    assert verdicts == dict.fromkeys(["c1", "c2", "c3", "c4", "c5", "c6"], "keep")
    assert row["positive_ceilings"] == pytest.approx([0.855, 0.475])
    mined = mine(tmp_path, "--absolute-margin", 0.15, "--num-negatives", 3, "--force")
    assert [hit["doc_id"] for hit in mined["candidates"] if hit["verdict"] == "drop"] == ["c1"]


def test_each_positive_gets_what_is_below_it(tmp_path: Path) -> None:
    mine(folders(tmp_path), "--relative-margin", 0.05, "--num-negatives", 3)
    found, _ = emitted(tmp_path, "--num-negatives", 3)
    assert found == {"a": ["c1", "c2", "c3"], "b": ["c3", "c4", "c5"]}


def test_a_positive_that_goes_short_is_left_out_alone(tmp_path: Path) -> None:
    mine(folders(tmp_path), "--relative-margin", 0.05, "--num-negatives", 5)
    found, said = emitted(tmp_path, "--num-negatives", 5)
    assert found == {"a": ["c1", "c2", "c3", "c4", "c5"]}
    assert "1 out + 1 dropped (positive with too few negatives below its margin: 1)" in said
    assert "from 1 query and" in (tmp_path / "out" / "README.md").read_text()
    found, said = emitted(tmp_path, "--num-negatives", 5, "--shortage", "repeat", "--force")
    assert found["b"] == ["c3", "c4", "c5", "c6", "c3"] and len(found) == 2
    assert "examples that repeat negatives: 1" in said


def test_with_all_positives_in_one_example_the_lowest_counts(tmp_path: Path) -> None:
    mine(folders(tmp_path), "--relative-margin", 0.05, "--num-negatives", 3)
    ok(
        "emit", tmp_path / "mined", "-o", tmp_path / "out", "--corpus", tmp_path / "corpus",
        "--format", "flagembedding", "--num-negatives", 3,
    )  # fmt: skip
    (row,) = io.read_all(tmp_path / "out")
    assert row["neg"] == ["text c3", "text c4", "text c5"]


def test_chosen_again_by_another_rule_a_row_has_no_ceilings(tmp_path: Path) -> None:
    mine(folders(tmp_path), "--relative-margin", 0.05, "--num-negatives", 3)
    ok("select-negatives", tmp_path / "mined", "-o", tmp_path / "again", "--relative-margin", 0.05)
    (row,) = io.read_all(tmp_path / "again")
    assert "positive_ceilings" not in row
    assert [hit["doc_id"] for hit in row["candidates"] if hit["verdict"] == "drop"] == ["c1", "c2"]


@pytest.mark.parametrize("shortage", ["drop", "repeat"])
def test_what_is_taken_of_few(tmp_path: Path, shortage: str) -> None:
    hits: Any = [{"doc_id": name, "source": "t", "score": 0.5} for name in "abc"]
    row = {"query_id": "q", "query": "what", "positives": ["p"], "candidates": hits}
    io.write(tmp_path / "00000.parquet", [{"doc_id": name, "text": name} for name in "abcpw"])

    def names(row: Row, negatives: int) -> str | None:
        cfg: Any = {"format": "ids", "num_negatives": negatives, "shortage": shortage}
        found = list(load("emit")([row], corpus=(tmp_path,), **cfg))
        return "".join(found[0]["negatives"]) if found else None

    assert [names(row, 0), names(row, 2), names(row, 3)] == ["", "ab", "abc"]
    assert names(row, 7) == ("abcabca" if shortage == "repeat" else None)
    assert names(row | {"candidates": []}, 1) is None
    written = {"doc_id": "w", "source": "written", "score": 0.9}
    low = row | {"positives": ["p", "a"], "positive_ceilings": [0.9, 0.4]}
    assert names(low | {"candidates": [*hits[1:], written]}, 1) == "w"
