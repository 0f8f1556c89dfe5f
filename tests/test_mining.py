"""Mining against an oracle in numpy, and the rule's edges."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data import io
from gpte_data.backends import Embedded
from gpte_data.backends.flat_index import FlatIndex
from gpte_data.corpus import Corpus
from gpte_data.mining import Miner
from gpte_data.stage import Context
from gpte_data.stages import load

DIMENSION = 16


class Given:
    """An embedder whose vectors are given."""

    def __init__(self, vectors: dict[str, Any]) -> None:
        self.vectors = vectors

    def embed(self, texts: Sequence[str], prompt: str) -> Embedded:
        return Embedded(np.stack([self.vectors[text] for text in texts]), 0)


def unit(random: np.random.Generator, count: int) -> Any:
    vectors = random.normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus_of(folder: Path, sizes: list[int]) -> Corpus:
    number = 0
    for shard, size in enumerate(sizes):
        rows = [{"doc_id": f"d{number + i:04d}", "text": f"text {number + i}"} for i in range(size)]
        io.write(folder / f"{shard:05d}.parquet", rows)
        number += size
    return Corpus((folder,))


def mine(
    corpus: Corpus, arrays: list[Any], queries: Any, rows: list[Any], **options: Any
) -> list[Any]:
    texts = {row["query"]: vector for row, vector in zip(rows, queries, strict=True)}
    miner = Miner(
        corpus=corpus,
        arrays=arrays,
        embedder=Given(texts),
        query_prompt="",
        source="given",
        top_k=options.get("top_k", 20),
        relative_margin=options.get("margin", 0.05),
    )
    return list(miner.mine(rows, Context()))


def oracle(
    vectors: Any, query: Any, positives: list[int], top_k: int, margin: float
) -> list[tuple[str, float, str]]:
    """Return (doc_id, score, verdict) the slow and obvious way."""
    scores = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    lowest = min(float(scores[p]) for p in positives)
    ceiling = lowest - abs(lowest) * margin
    order = sorted(range(len(vectors)), key=lambda i: (-scores[i], f"d{i:04d}"))
    hits = [i for i in order if i not in positives][:top_k]
    return [
        (f"d{i:04d}", float(scores[i]), "keep" if scores[i] <= ceiling else "drop") for i in hits
    ]


@pytest.mark.parametrize("sizes", [[300], [100, 1, 0, 199]])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.5])
def test_mining_is_what_the_oracle_says(tmp_path: Path, sizes: list[int], margin: float) -> None:
    random = np.random.default_rng(7)
    corpus = corpus_of(tmp_path, sizes)
    vectors = unit(random, 300)
    arrays = np.split(vectors, np.cumsum(sizes)[:-1])
    rows, queries = [], unit(random, 40)
    for i in range(40):
        positives = [int(p) for p in random.choice(300, size=1 + i % 4, replace=False)]
        rows.append(
            {
                "query_id": f"q{i}",
                "query": f"query {i}",
                "positives": [f"d{p:04d}" for p in positives],
            }
        )
    for row, query, mined in zip(
        rows, queries, mine(corpus, arrays, queries, rows, margin=margin), strict=True
    ):
        own = [int(doc_id[1:]) for doc_id in row["positives"]]
        expected = oracle(vectors, query, own, 20, margin)
        found = [(h["doc_id"], h["score"], h["verdict"]) for h in mined["candidates"]]
        assert found == expected
        assert [h["rank"] for h in mined["candidates"]] == list(range(1, 21))
        assert not {h["doc_id"] for h in mined["candidates"]} & set(row["positives"])
        exact = (vectors[own].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        assert mined["positive_scores"] == exact.tolist()


def test_equal_scores_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [30, 30])
    one, other = np.eye(DIMENSION, dtype=np.float32)[:2]
    vectors = np.stack([one] + [other] * 59)
    rows = [{"query_id": "q", "query": "q", "positives": ["d0000"]}]
    query = np.stack([(one + other * 0.5) / np.float32(np.sqrt(1.25))])
    (mined,) = mine(corpus, [vectors[:30], vectors[30:]], query, rows, top_k=10)
    assert [h["doc_id"] for h in mined["candidates"]] == [f"d{i:04d}" for i in range(1, 11)]


def test_margin_holds_for_negative_scores(tmp_path: Path) -> None:
    """With a positive at -0.5, the ceiling is below it, not above (abs in the margin)."""
    corpus = corpus_of(tmp_path, [4])
    axis = np.eye(DIMENSION, dtype=np.float32)
    make = [(-0.5, 1), (-0.49, 2), (-0.51, 3), (-0.6, 4)]
    vectors = np.stack(
        [axis[0] * np.float32(s) + axis[i] * np.float32(np.sqrt(1 - s * s)) for s, i in make]
    )
    rows = [{"query_id": "q", "query": "q", "positives": ["d0000"]}]
    (mined,) = mine(corpus, [vectors], axis[:1], rows)
    verdicts = {h["doc_id"]: h["verdict"] for h in mined["candidates"]}
    assert verdicts == {"d0001": "drop", "d0002": "drop", "d0003": "keep"}


def test_a_copy_of_the_positive_is_no_negative(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [50])
    random = np.random.default_rng(3)
    vectors = unit(random, 50)
    vectors[17] = vectors[4]
    rows = [{"query_id": "q", "query": "q", "positives": ["d0004"]}]
    (mined,) = mine(corpus, [vectors], unit(random, 1), rows, top_k=49)
    (copy,) = [h for h in mined["candidates"] if h["doc_id"] == "d0017"]
    assert (copy["verdict"], copy["reason"]) == ("drop", "same text as a positive")


def test_corpus_smaller_than_k_and_a_corpus_of_one(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for size in (1, 2, 7):
        corpus = corpus_of(tmp_path / str(size), [size])
        vectors = unit(random, size)
        rows = [{"query_id": "q", "query": "q", "positives": ["d0000"]}]
        (mined,) = mine(corpus, [vectors], unit(random, 1), rows, top_k=100)
        assert len(mined["candidates"]) == size - 1


def test_flat_index_equals_one_matrix_product() -> None:
    random = np.random.default_rng(11)
    vectors, queries = unit(random, 1000), unit(random, 33)
    scores, positions = FlatIndex(np.split(vectors, [10, 11, 600])).search(queries, 25)
    exact = queries @ vectors.T
    expected = np.sort(exact, axis=1)[:, ::-1][:, :25]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(exact, positions, 1), expected, atol=1e-6)


def test_flat_index_marks_what_is_missing() -> None:
    vectors = unit(np.random.default_rng(1), 3)
    scores, positions = FlatIndex([vectors]).search(vectors[:1], 5)
    assert positions[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(scores[0, 3:]).all()


def test_minilm_finds_the_neighbours(tmp_path: Path) -> None:
    """With the real teacher: near texts rank first, and the function equals itself on rerun."""
    docs = {
        "cat": "A cat sleeps on the warm windowsill.",
        "kitten": "A kitten naps on a sunny window ledge.",
        "bond": "The bond's coupon is paid twice a year.",
        "dough": "Knead the dough until it is smooth.",
    }
    io.write(tmp_path / "00000.parquet", [{"doc_id": d, "text": t} for d, t in docs.items()])
    rows = [{"query_id": "q", "query": "where do cats sleep?", "positives": ["cat"]}]
    mine_negatives = load("mine-negatives")
    first, again = (list(mine_negatives(rows, corpus=(tmp_path,))) for _ in range(2))
    assert first == again
    assert first[0]["candidates"][0]["doc_id"] == "kitten"
    assert first[0]["candidates"][0]["source"] == "st:all-MiniLM-L6-v2"
    assert len(list((tmp_path / "_vectors").glob("*/00000.npy"))) == 1


@pytest.mark.parametrize("queries", [1, 5, 64])
def test_copies_at_the_boundary_are_kept_by_their_ids(tmp_path: Path, queries: int) -> None:
    """Sixty copies of one text, ten places: which are kept is not for the other queries to say."""
    random = np.random.default_rng(0)
    vectors = unit(random, 360)
    asked = unit(random, queries)
    vectors[300:] = asked[0] * np.float32(0.9) + vectors[300] * np.float32(0.1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.concatenate([np.arange(300), np.arange(359, 299, -1)])
    io.write(tmp_path / "00000.parquet", [{"doc_id": f"d{i:04d}", "text": "x"} for i in order])
    rows = [{"query_id": f"q{i}", "query": f"q{i}", "positives": ["d0000"]} for i in range(queries)]
    corpus = Corpus((tmp_path,))
    first = mine(corpus, [vectors[order]], asked, rows, top_k=10)[0]
    assert [hit["doc_id"] for hit in first["candidates"]] == [f"d{i:04d}" for i in range(300, 310)]


def test_chunks_of_a_positive_s_document_are_no_negatives(tmp_path: Path) -> None:
    chunks = [
        {"doc_id": f"d{i}#{j}", "text": f"text {i} {j}", "source": f"d{i}"}
        for i in range(10)
        for j in range(4)
    ]
    io.write(tmp_path / "00000.parquet", chunks)
    random = np.random.default_rng(5)
    rows = [{"query_id": "q", "query": "q", "positives": ["d3#1"]}]
    (mined,) = mine(Corpus((tmp_path,)), [unit(random, 40)], unit(random, 1), rows, top_k=39)
    siblings = {h["doc_id"]: h for h in mined["candidates"] if h["doc_id"].startswith("d3#")}
    assert siblings.keys() == {"d3#0", "d3#2", "d3#3"}
    for hit in siblings.values():
        assert (hit["verdict"], hit["reason"]) == ("drop", "chunk of a positive's document")
