"""Mutual neighbours and lengths: against the slow way, by hand, and on real passages."""

from pathlib import Path

import numpy as np
import pytest
from conftest import ok
from test_rules import said

from gpte_data import io
from gpte_data.mining.lengths import lengths
from gpte_data.mining.near import near
from gpte_data.mining.rules import Rules
from gpte_data.mining.terms import words

NEAREST = "nearest neighbours with a positive"


def slow(candidates: np.ndarray, positives: np.ndarray) -> list[int]:
    """Return reciprocal ranks from two sorted lists of neighbours for each pair."""
    every = np.concatenate([candidates, positives])
    similar = (every @ every.T).astype(np.float64)

    def rank(of: int, to: int) -> int:
        others = [n for n in range(len(every)) if n not in (of, to)]
        return 1 + sum(bool(similar[of, n] > similar[of, to] + 1e-6) for n in others)

    own = range(len(candidates), len(every))
    return [min(max(rank(c, p), rank(p, c)) for p in own) for c in range(len(candidates))]


@pytest.mark.parametrize(("count", "positives"), [(1, 1), (12, 1), (12, 4), (3, 7), (0, 2)])
def test_reciprocal_ranks_are_those_of_sorted_lists(count: int, positives: int) -> None:
    random = np.random.default_rng(count + positives)
    vectors = random.normal(size=(5, count + positives, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    found = near(vectors[:, :count], vectors[:, count:]).reciprocal_ranks()
    assert found.dtype == np.int32 and found.shape == (5, count)
    for one, ranks in zip(vectors, found, strict=True):
        assert ranks.tolist() == slow(one[:count], one[count:])


def test_copies_are_as_near_as_what_they_copy() -> None:
    """Of copies of the positive each is its nearest neighbour, in whatever order."""
    random = np.random.default_rng(3)
    vectors = random.normal(size=(1, 9, 384)).astype(np.float32)
    vectors[:, 2:6] = vectors[:, :1]
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    assert near(vectors[:, 1:], vectors[:, :1]).reciprocal_ranks()[0, 1:5].tolist() == [1] * 4


def test_mutual_neighbours_are_dropped() -> None:
    told = said(Rules(min_reciprocal_rank=4), [0.5] * 4, reciprocal_rank=[1, 3, 4, 9])
    assert told == [NEAREST, NEAREST, "", ""]
    assert said(Rules(), [0.5], reciprocal_rank=[1]) == [""]
    rules = Rules(min_reciprocal_rank=4)
    assert said(rules, [0.5], reciprocal_rank=[1], written=[True]) == [""]


def test_lengths_are_held_against_every_positive() -> None:
    found = lengths([40, 41, 5, 4, 0], [10, 20])
    rules = Rules(max_length_ratio=2)
    told = said(rules, [0.5] * 5, longer=found["longer"], shorter=found["shorter"])
    longer, shorter = "longer than 2 times every positive", "shorter than every positive, 2 times"
    assert told == ["", longer, "", shorter, shorter]
    wordless = lengths([0, 1, 3], [0])
    told = said(rules, [0.5] * 3, longer=wordless["longer"], shorter=wordless["shorter"])
    assert told == ["", "", longer]


def test_mining_counts_words_and_neighbours(sample: Path, tmp_path: Path) -> None:
    """With a real teacher, through Parquet and JSONL, in mining and when choosing again."""
    texts = {
        row["doc_id"]: f"{row.get('title') or ''} {row['text']}" for row in io.read_all(sample)
    }
    pairs = [
        {"query_id": f"q{n}", "query": " ".join(text.split()[:6]), "positives": [doc_id]}
        for n, (doc_id, text) in enumerate(list(texts.items())[:20])
    ]
    io.write(tmp_path / "pairs" / "00000.parquet", pairs)
    rules = ("--max-length-ratio", 1.1, "--min-reciprocal-rank", 6, "--num-negatives", 3)
    ok("mine-negatives", tmp_path / "pairs", "-o", tmp_path / "mined", "--corpus", sample, *rules)
    reasons = set()
    for row in io.read_all(tmp_path / "mined"):
        (own,) = row["positive_words"]
        assert own == len(words(texts[row["positives"][0]]))
        for hit in row["candidates"]:
            assert hit["words"] == len(words(texts[hit["doc_id"]]))
            reasons.add(hit["reason"])
            if hit["verdict"] == "keep":
                assert own / 1.1 <= hit["words"] <= own * 1.1 and hit["reciprocal_rank"] >= 6
    assert {NEAREST, "longer than 1.1 times every positive"} <= reasons
    ok("select-negatives", tmp_path / "mined", "-o", tmp_path / "again", *rules)
    mined, again = (tmp_path / name / "00000.parquet" for name in ("mined", "again"))
    assert mined.read_bytes() == again.read_bytes()
    lines = b"".join(map(io.to_line, io.read_all(tmp_path / "mined")))
    (tmp_path / "mined.jsonl").write_bytes(lines)
    ok("select-negatives", tmp_path / "mined.jsonl", "-o", tmp_path / "third", *rules)
    assert list(io.read_all(tmp_path / "third")) == list(io.read_all(tmp_path / "mined"))
