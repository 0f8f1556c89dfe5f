"""Exact search: both passes against numpy, whatever the blocks, the ties and the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data.backends import flat_index, scan
from gpte_data.backends.flat_index import FlatIndex, Pass
from gpte_data.backends.scan import Scan
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors

PASSES: list[Pass] = ["faiss", "float32", "bfloat16"]

both = pytest.mark.parametrize("first_pass", PASSES)


def unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def some(seed: int, count: int, dimension: int = 24) -> Any:
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)))


def oracle(vectors: Any, queries: Any, k: int) -> tuple[Any, Any]:
    """Return scores and positions of the k best, the slow and obvious way."""
    exact = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(exact, order, 1), order


def check(vectors: Vectors, whole: Any, queries: Any, k: int, first_pass: Pass) -> None:
    """Hold a search to the oracle: the same positions and the same bits of scores."""
    scores, positions = FlatIndex(vectors, first_pass).search(queries, k)
    expected, order = oracle(whole, queries, k)
    assert scores.dtype == np.float32 and positions.dtype == np.int64
    assert (positions[:, : order.shape[1]] == order).all()
    assert (scores[:, : order.shape[1]] == expected).all()
    assert (positions[:, order.shape[1] :] == -1).all()
    assert np.isneginf(scores[:, order.shape[1] :]).all()


@both
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("sizes", [[2000], [10, 1, 0, 1289, 700], [0, 2000, 0]])
def test_search_is_what_the_oracle_says(sizes: list[int], dtype: str, first_pass: Pass) -> None:
    whole = some(1, 2000).astype(dtype)
    vectors = Vectors.of(np.split(whole, np.cumsum(sizes)[:-1]))
    check(vectors, whole, some(2, 37), 17, first_pass)


@both
@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_vectors_are_searched_where_they_lie_on_disk(
    tmp_path: Path, dtype: str, first_pass: Pass
) -> None:
    whole = some(3, 900).astype(dtype)
    parts = np.split(whole, [400, 400, 401])
    for number, part in enumerate(parts):
        np.save(tmp_path / f"{number}.npy", part)
    vectors = Vectors([VectorFile(tmp_path / f"{number}.npy") for number in range(len(parts))])
    check(vectors, whole.astype(np.float32), some(4, 20), 30, first_pass)


@both
def test_an_order_of_its_own_is_searched_like_any_other(first_pass: Pass) -> None:
    whole = some(5, 500)
    order = np.random.default_rng(5).permutation(500)
    check(Vectors.of([whole]).reordered(order), whole[order], some(6, 11), 20, first_pass)


@both
@pytest.mark.parametrize("seed", range(12))
def test_chance_finds_no_difference(seed: int, first_pass: Pass) -> None:
    """Few or many dimensions, spread or crowded, near the query or opposite to it."""
    random = np.random.default_rng(seed)
    dimension = int(random.integers(1, 130))
    centre = random.normal(size=dimension) * random.choice([0, 1, 10, -10])
    whole = unit(centre + random.normal(size=(int(random.integers(1, 1500)), dimension)))
    queries = unit(random.normal(size=dimension) * 3 + random.normal(size=(9, dimension)))
    check(Vectors.of([whole]), whole, queries, int(random.integers(1, 60)), first_pass)


@both
@pytest.mark.parametrize("side", [1, -1])
def test_scores_that_are_nearly_equal_are_told_apart(side: int, first_pass: Pass) -> None:
    """Two thousand scores within 1e-4 of one another: bfloat16 can't tell any two of them apart."""
    random = np.random.default_rng(8)
    query = some(9, 1, 64)
    near = unit(query * 10 * side + random.normal(size=(1, 64)))
    whole = unit(near + random.normal(size=(2000, 64)) * 2e-6)
    exact = whole.astype(np.float64) @ query[0].astype(np.float64)
    assert np.ptp(exact) < 1e-4 and len(set(exact.astype(np.float32))) > 50
    check(Vectors.of([whole]), whole, query, 25, first_pass)


@both
@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("queries", [1, 20])
def test_of_thousands_of_copies_the_first_are_found(k: int, queries: int, first_pass: Pass) -> None:
    whole = some(10, 6000)
    copies = np.sort(np.random.default_rng(11).permutation(6000)[:5000])
    whole[copies] = whole[0]
    asked = np.concatenate([whole[:1], some(12, queries - 1)]) if queries > 1 else whole[:1]
    check(Vectors.of([whole]), whole, asked, k, first_pass)


@both
def test_all_documents_are_one(first_pass: Pass) -> None:
    whole = np.repeat(some(13, 1), 700, axis=0)
    check(Vectors.of([whole[:3], whole[3:]]), whole, some(14, 5), 40, first_pass)


@both
def test_vectors_of_one_number(first_pass: Pass) -> None:
    whole = np.random.default_rng(15).choice([-1, 1], size=(400, 1)).astype(np.float32)
    check(Vectors.of([whole]), whole, np.array([[1], [-1]], dtype=np.float32), 250, first_pass)


@both
def test_k_larger_than_the_corpus(first_pass: Pass) -> None:
    whole = some(16, 7)
    check(Vectors.of([whole]), whole, some(17, 3), 100, first_pass)


@both
def test_a_corpus_of_one(first_pass: Pass) -> None:
    whole = some(18, 1)
    for k in (1, 5):
        check(Vectors.of([whole]), whole, some(19, 3), k, first_pass)


@both
def test_no_queries_have_no_hits(first_pass: Pass) -> None:
    scores, positions = FlatIndex(Vectors.of([some(20, 30)]), first_pass).search(some(20, 1)[:0], 5)
    assert scores.shape == positions.shape == (0, 5)


@both
@pytest.mark.parametrize(
    ("documents", "queries", "group", "block"),
    [(64, 7, 16, 64), (100, 5, 3, 33), (17, 1024, 32, 1), (8192, 9, 1, 5000), (9, 13, 16, 7)],
)
def test_blocks_do_not_matter(
    documents: int,
    queries: int,
    group: int,
    block: int,
    first_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "DOCUMENTS", documents)
    monkeypatch.setattr(scan, "QUERIES", queries)
    monkeypatch.setattr(scan, "GROUP", group)
    monkeypatch.setattr(flat_index, "BLOCK", block)
    whole = some(21, 701)
    whole[300:350] = whole[20]
    vectors = Vectors.of(np.split(whole, [100, 101, 101, 400]))
    check(vectors, whole, np.concatenate([whole[20:21], some(22, 22)]), 12, first_pass)


def test_where_hits_are_too_many_queries_are_searched_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "MOST", 2000)
    monkeypatch.setattr(scan, "DOCUMENTS", 256)
    together: list[int] = []
    hits = Scan._hits

    def counted(self: Scan, queries: Any, k: int) -> list[Any]:
        together.append(len(queries))
        return hits(self, queries, k)

    monkeypatch.setattr(Scan, "_hits", counted)
    whole = some(23, 3000)
    whole[1000:] = whole[7]
    asked = unit(whole[7] + np.random.default_rng(24).normal(size=(9, 24)) * 0.05)
    check(Vectors.of([whole]), whole, asked, 20, "bfloat16")
    assert together[0] == 9 and together.count(1) == 9, together


@both
def test_twenty_thousand_queries_at_once(first_pass: Pass) -> None:
    whole, asked = some(25, 300, 8), some(26, 20_000, 8)
    check(Vectors.of([whole]), whole, asked, 3, first_pass)


def test_hits_hold_the_best_and_little_more() -> None:
    """What the second look costs: a few documents more than are wanted."""
    whole, asked = some(27, 20_000, 64), some(28, 50, 64)
    for first_pass in PASSES:
        found = FlatIndex(Vectors.of([whole]), first_pass).hits(asked, 100)
        for hits, best in zip(found, oracle(whole, asked, 100)[1], strict=True):
            assert set(best) <= set(hits.tolist()) and len(set(hits.tolist())) == len(hits)
            assert len(hits) < 400
