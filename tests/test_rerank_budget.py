"""A reranker's scores as evidence under a budget of false negatives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import files, ok

from gpte_data import io
from gpte_data.denoising.budget import Budget, fitted, log_odds
from gpte_data.errors import BadInput, BadOption
from gpte_data.records import kept
from gpte_data.stage import Row
from gpte_data.stages.filter_negatives import filter_negatives
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import select_negatives

SAID = "river clay sand moon bread oven cell gene train steel law court bee hive star price"
WORDS = SAID.split()


def queries(seed: int) -> list[Any]:
    """Return candidates of 200 queries of which some are hidden positives, as a reranker sees."""
    dice = np.random.default_rng(seed)
    found = []
    for _ in range(200):
        likely = dice.beta(0.5, 2, size=20)
        hidden = dice.random(20) < likely
        teacher = 0.4 + 0.2 * likely + dice.normal(scale=0.05, size=20)
        found.append((teacher, likely, dice.normal(size=20) + 1.5 * hidden, hidden))
    return found


def leak(found: list[Any], budget: Budget) -> tuple[float, float]:
    """Return how many of the five taken are hidden positives, and their mean score."""
    hidden, scores = [], []
    for teacher, estimated, rerank, truth in found:
        order, _ = budget.choose(teacher, budget.likely(estimated, rerank))
        hidden += truth[order[:5]].tolist()
        scores += teacher[order[:5]].tolist()
    return float(np.mean(hidden)), float(np.mean(scores))


def test_a_budget_holds_and_negatives_are_harder_with_a_reranker_that_knows() -> None:
    found = queries(1)
    plain = [one[:3] for one in found]
    alone, _ = fitted(plain, 5, 0.05, 0.0)
    both, expected = fitted(plain, 5, 0.05, 1.5)
    assert expected["false_negatives"] <= 0.05 < expected["unchecked"]
    (leak_alone, hard_alone), (leak_both, hard_both) = leak(found, alone), leak(found, both)
    assert leak_alone < 0.08 and leak_both < 0.08
    assert hard_both > hard_alone + 0.01


def test_hidden_positives_are_counted_as_before() -> None:
    plain = [one[:3] for one in queries(2)]
    budget, _ = fitted(plain, 5, 0.1, 2.0)
    before = sum(one[1].sum() for one in plain)
    after = sum(budget.likely(one[1], one[2]).sum() for one in plain)
    assert after == pytest.approx(before, rel=1e-6)
    nothing, _ = fitted(plain, 5, 0.1, 0.0)
    assert np.allclose(nothing.likely(plain[0][1], plain[0][2]), plain[0][1], atol=1e-6)
    assert np.isfinite(log_odds([0, 1])).all()


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    """Return the options of a corpus of 60 texts, with vectors of their words."""
    dice = np.random.default_rng(3)
    texts = [" ".join(dice.choice(WORDS, size=8)) for _ in range(60)]
    rows = [{"doc_id": f"d{n:02}", "text": text} for n, text in enumerate(texts)]
    io.write(tmp_path / "corpus" / "00000.parquet", rows)
    (tmp_path / "v").mkdir()
    bags = np.array([[text.split().count(w) + 0.01 for w in WORDS] for text in texts])
    np.save(tmp_path / "v" / "documents.npy", bags)
    np.save(tmp_path / "v" / "queries.npy", bags[:20] + 0.3)
    pairs = [
        {"query_id": f"q{n:02}", "query": texts[n][:20], "positives": [f"d{n:02}"]}
        for n in range(20)
    ]
    io.write(tmp_path / "pairs" / "00000.parquet", pairs[:12])
    io.write(tmp_path / "pairs" / "00001.parquet", pairs[12:])
    return {"corpus": (tmp_path / "corpus",), "teacher": (f"vectors:{tmp_path / 'v'}",)}


def mined(place: dict[str, Any], tmp_path: Path) -> list[Row]:
    pairs = list(io.read_all(tmp_path / "pairs"))
    return list(mine_negatives(pairs, **place, top_k=20, max_false_negatives=1.0, num_negatives=3))


def test_choosing_anew(place: dict[str, Any], tmp_path: Path) -> None:
    rows = mined(place, tmp_path)
    options: dict[str, Any] = {"corpus": place["corpus"], "max_false_negatives": 1e-6}
    options |= {"num_negatives": 3, "depth": 10, "rerank_weight": 3.0}
    found = list(filter_negatives(rows, **options))
    assert list(filter_negatives(found, **options)) == found, "twice is once"
    changed = 0
    for before, after in zip(rows, found, strict=True):
        hits = [hit for hit in after["candidates"] if "rerank_score" in hit]
        assert hits and all(0 <= hit["reranked_false_negative"] <= 1 for hit in hits)
        assert sorted(hit["choice"] for hit in hits) == list(range(1, len(hits) + 1))
        assert {hit.get("reason") for hit in kept(after)} == {
            "within the budget of false negatives, reranked"
        }
        changed += [h["doc_id"] for h in kept(before)[:3]] != [h["doc_id"] for h in kept(after)[:3]]
        for hit in hits[3:]:
            if hit["reranked_false_negative"] > 0.5 and hit["choice"] > 3:
                assert hit["verdict"] == "drop"
    assert changed
    again = list(filter_negatives(rows, **options | {"rerank_weight": 0.0}))
    assert again != found
    assert list(select_negatives(found, relative_margin=0.0))


def test_shards_workers_and_order(place: dict[str, Any], tmp_path: Path) -> None:
    common = ["--corpus", place["corpus"][0], "--num-negatives", 3]
    ok("mine-negatives", tmp_path / "pairs", "-o", tmp_path / "mined", "--teacher",
       place["teacher"][0], "--top-k", 20, *common)  # fmt: skip
    command = ["filter-negatives", tmp_path / "mined", "--max-false-negatives", 0.1, *common]
    said = ok(*command, "-o", tmp_path / "one")
    assert "are expected to be positives that nobody labelled" in said
    ok(*command, "-o", tmp_path / "two", "--workers", 2)
    one, two = (files(tmp_path / name, "*.parquet") for name in ("one", "two"))
    assert one and one == two


def test_what_is_refused(place: dict[str, Any], tmp_path: Path) -> None:
    rows = mined(place, tmp_path)
    corpus = place["corpus"]
    for row in rows:
        row["candidates"] = [
            {n: v for n, v in hit.items() if n != "false_negative"} for hit in row["candidates"]
        ]
    with pytest.raises(BadInput, match="without false_negative, which --max-false-negatives needs"):
        list(filter_negatives(rows, corpus=corpus, max_false_negatives=0.1))
    with pytest.raises(BadOption, match="--rerank-weight does nothing without"):
        list(filter_negatives(rows, corpus=corpus, rerank_weight=2.0))
    with pytest.raises(BadOption, match="--promote makes positives of what a rule on scores drops"):
        list(filter_negatives(rows, corpus=corpus, max_false_negatives=0.1, promote=True))
