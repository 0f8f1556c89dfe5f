"""What was said of candidates before stays true when they are judged again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data import io
from gpte_data.stage import Context
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import SelectConfig, select_negatives

Row = dict[str, Any]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """Return options that mine 12 queries in 240 chunks of 60 documents."""
    folder = tmp_path_factory.mktemp("again")
    random = np.random.default_rng(0)
    centres = random.standard_normal((60, 16))
    documents = np.repeat(centres, 4, axis=0) + 0.4 * random.standard_normal((240, 16))
    (folder / "v").mkdir()
    np.save(folder / "v" / "documents.npy", documents.astype(np.float32))
    np.save(folder / "v" / "queries.npy", centres[:12].astype(np.float32))
    rows = [{"doc_id": f"c{n}", "text": f"text {n}", "source": f"d{n // 4}"} for n in range(240)]
    io.write(folder / "corpus" / "00000.parquet", rows)
    return {"corpus": (folder / "corpus",), "teacher": (f"vectors:{folder / 'v'}",), "top_k": 20}


@pytest.fixture(scope="module")
def mined(options: Row) -> list[Row]:
    """Return 12 queries with candidates."""
    pairs = [
        {"query_id": f"q{n}", "query": f"query {n}", "positives": [f"c{4 * n}"]} for n in range(12)
    ]
    return list(mine_negatives(pairs, **options))


def kept(row: Row) -> list[str]:
    """Return the documents that no rule dropped."""
    return [hit["doc_id"] for hit in row["candidates"] if hit["verdict"] == "keep"]


def test_what_a_reranker_dropped_is_no_negative(mined: list[Row]) -> None:
    """Stored choices of dropped candidates, as older filters left them, don't count either."""
    judged = []
    for n, row in enumerate(mined):
        hits = [dict(hit, rerank_score=0.9) for hit in row["candidates"]]
        for hit in hits[: 20 if n % 2 else 1]:
            hit |= {"verdict": "drop", "reason": "reranker", "choice": 1}
        judged.append(row | {"candidates": hits})
    cfg = SelectConfig.of({"shortage": "drop", "max_score": 1.0, "max_false_negatives": 1.0})
    ctx = Context()
    found = list(select_negatives.run(judged, cfg, ctx))
    assert len(found) == 6 and ctx.ledger.dropped == {"fewer than 5 negatives": 6}
    for row in found:
        assert len(kept(row)) >= 5
        assert all("choice" not in hit for hit in row["candidates"] if hit["verdict"] == "drop")


@pytest.mark.parametrize(
    "first", [{"same_text": 0.3}, {"max_queries_per_document": 1}, {"max_score": 0.1}]
)
def test_a_chunk_of_the_positives_document_never_comes_back(mined: list[Row], first: Row) -> None:
    again = list(select_negatives(select_negatives(mined, **first)))
    siblings = {row["query_id"]: {f"c{4 * n + m}" for m in range(4)} for n, row in enumerate(mined)}
    for row in again:
        assert not siblings[row["query_id"]] & set(kept(row))
    assert [kept(row) for row in again] == [kept(row) for row in mined]


def test_random_documents_are_not_carried_into_the_next_mining(
    options: Row, mined: list[Row], tmp_path: Path
) -> None:
    pairs = [{name: row[name] for name in ("query_id", "query", "positives")} for row in mined]
    short = {**options, "max_score": 0.2, "num_negatives": 18, "shortage": "random"}
    first = list(mine_negatives(pairs, **short))
    assert any(hit["source"] == "random" for row in first for hit in row["candidates"])
    io.write(tmp_path / "first" / "00000.parquet", first)
    second = list(mine_negatives(pairs, **options, earlier=(tmp_path / "first",)))
    sources = {hit["source"] for row in second for hit in row["candidates"]}
    assert "random" not in sources
    assert list(select_negatives(second)) == second


def test_rules_on_neighbours_hold_for_what_is_drawn(options: Row, mined: list[Row]) -> None:
    pairs = [{name: row[name] for name in ("query_id", "query", "positives")} for row in mined]
    wanted: Row = {"num_negatives": 19, "shortage": "random", "absolute_margin": 0.3}
    for row in mine_negatives(pairs, **options, **wanted, min_reciprocal_rank=12):
        drawn = [hit for hit in row["candidates"] if hit["source"] == "random"]
        assert drawn and all(hit["verdict"] == "keep" for hit in drawn)
