"""What is measured of datasets: against plain Python, numpy and scipy, and in whatever blocks."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

from gpte_data import io, manifest
from gpte_data.ledger import Ledger
from gpte_data.measures import frequent
from gpte_data.measures.chain import ordered
from gpte_data.measures.columns import blocks, words
from gpte_data.measures.depth import depths, rank_sum
from gpte_data.measures.distributions import distribution
from gpte_data.measures.hits import Hits
from gpte_data.measures.nearest import nearest, told
from gpte_data.measures.sampling import Sample
from gpte_data.measures.texts import Queries
from gpte_data.scripts import count_words


def unit(seed: int, n: int, shift: float = 0.0) -> Any:
    """Return vectors of length 1 that spread more in some directions than in others."""
    vectors = np.random.default_rng(seed).normal(size=(n, 24)) * np.linspace(2, 0.2, 24)
    vectors[:, 0] += shift
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_depth_is_two_minus_the_mean_cosine_distance() -> None:
    x, reference = unit(1, 7), unit(2, 11)
    for found, one in zip(depths(x, reference), x, strict=True):
        distances = [1 - float(one @ other) for other in reference]
        assert found == pytest.approx(2 - sum(distances) / len(distances), abs=1e-12)


@pytest.mark.parametrize("digits", [1, 6])
def test_the_rank_sum_is_that_of_scipy_and_of_counting(digits: int) -> None:
    draws = np.random.default_rng(3)
    x, y = np.round(draws.normal(size=80), digits), np.round(draws.normal(0.3, 1, 60), digits)
    found = rank_sum(x, y)
    below = sum((one < other) + (one == other) / 2 for one in x for other in y)
    assert found.q == pytest.approx(below / (len(x) * len(y)))
    expected = mannwhitneyu(y, x, use_continuity=False, method="asymptotic")
    assert found.p == pytest.approx(float(expected.pvalue))


def share(alike: bool, left_out: bool = False) -> float:
    """Return how often p is below .05 in 300 pairs of samples."""
    low = 0
    for seed in range(300):
        real, other = unit(2 * seed, 120, 0.0 if alike else 1.0), unit(2 * seed + 1, 120)
        if left_out:
            own = 1 + (real @ real.sum(axis=0) - 1) / (len(real) - 1)
            low += rank_sum(own, depths(other, real)).p < 0.05
        else:
            low += rank_sum(depths(real[60:], real[:60]), depths(other, real[:60])).p < 0.05
    return low / 300


def test_corpora_that_are_alike_are_found_different_in_one_of_twenty() -> None:
    assert 0.02 < share(alike=True) < 0.08
    assert share(alike=True, left_out=True) > 0.08  # why half of the real texts is the reference
    assert share(alike=False) > 0.5


def test_equal_and_single_values_say_nothing() -> None:
    same = rank_sum(np.ones(5), np.ones(9))
    assert (same.q, same.w, same.p) == (0.5, 0.0, 1.0)
    assert rank_sum(np.ones(1), np.zeros(1)).q == 0.0


def test_the_nearest_is_that_of_all_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(5, 50).astype(np.float32)
    vectors[40] = vectors[3]
    monkeypatch.setattr("gpte_data.measures.nearest.BLOCK", 7)
    cosines, places = nearest(vectors)
    for n, one in enumerate(vectors):
        others = {m: float(one @ other) for m, other in enumerate(vectors) if m != n}
        assert cosines[n] == pytest.approx(max(others.values()), abs=1e-6)
        assert others[int(places[n])] == pytest.approx(float(cosines[n]), abs=1e-6)
    found = told([f"text {n}" for n in range(50)], vectors)
    assert found["pairs"][0] == {"cosine": 1.0, "text": "text 3", "other": "text 40"}
    assert found["at_least"]["0.99"] == 2


def test_a_sample_is_the_same_in_any_blocks() -> None:
    texts = [f"query {n}" for n in range(1000)]
    samples = []
    for size in (1, 37, 1000):
        sample = Sample(20)
        for start in range(0, 1000, size):
            sample.add(pa.array(texts[start : start + size]))
        samples.append(sample.texts())
    assert samples[0] == samples[1] == samples[2]
    assert len(set(samples[0])) == 20
    places = [int(text.split()[1]) for text in samples[0]]
    assert min(places) < 250 and max(places) > 750
    few = Sample(20)
    few.add(pa.array(["one", "two"]))
    assert sorted(few.texts()) == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "one", "two  words\n", "it's state-of-the-art - really", "naïve café – und Bär",
        "日本語の文章です。", "ไทยไม่มีช่องว่าง", "한국어 문장 입니다", "a\u00a0b\u2003c", "1 – 2",
    ],
)  # fmt: skip
def test_words_are_those_of_scripts(text: str) -> None:
    assert words(pa.array([text])).tolist() == [count_words(text)]


def test_distinct_texts_are_counted_and_beyond_a_limit_estimated() -> None:
    exact, rough = frequent.Distinct(), frequent.Distinct(smallest=500)
    for start in range(0, 20_000, 100):
        texts = [f"text {n % 15_000}" for n in range(start, start + 100)]
        exact.add(texts)
        rough.add(texts)
    assert (exact.count(), exact.exact) == (15_000, True)
    assert rough.count() == pytest.approx(15_000, rel=0.15)
    assert not rough.exact


def test_frequent_names_stay_when_rare_ones_are_forgotten() -> None:
    counter = frequent.Frequent(capacity=10)
    for n in range(1000):
        counter.add({"often": 5, f"once {n}": 1})
    assert counter.most(1) == {"often": 5000}
    assert len(counter.counts) <= 21 and not counter.whole


def test_lengths_have_whole_bins_and_a_last_one_for_the_rest() -> None:
    counts: dict[float, int] = dict.fromkeys(range(1, 33), 10)
    counts[5000] = 1
    found = distribution(counts)
    assert (found["min"], found["width"], found["max"]) == (1, 2, 5000)
    assert found["histogram"] == [20] * 15 + [21]
    assert distribution({7: 3})["histogram"] == [3]


def test_first_words_questions_and_copies() -> None:
    found = Queries()
    texts = ["What is it?", "“what” now", "¿Qué es?", "Why", "Why", "?!", "为什么？"]
    found.add(pa.array(texts))
    told = found.to_json()
    assert told["first_words"]["what"] == told["first_words"]["why"] == 2
    assert told["first_words"]["qué"] == 1
    assert (told["count"], told["distinct"], told["ending in a question mark"]) == (7, 6, 3)


def mined(n: int) -> list[dict[str, Any]]:
    """Return rows whose candidates have all that is counted, or lack it."""
    draws = np.random.default_rng(n)
    rows = []
    for number in range(n):
        hits = []
        for rank in range(int(draws.integers(0, 9))):
            keep = bool(draws.random() < 0.6)
            hit = {"doc_id": f"d{rank}", "rank": rank + 1, "score": float(draws.random())}
            hit["source"] = ["written", "st:a", "bm25"][int(draws.integers(3))]
            hit["false_negative"] = float(draws.random())
            hit["verdict"] = "keep" if keep else "drop"
            hit["reason"] = f"rule {int(draws.integers(3))}"
            if keep:
                hit["choice"] = int(draws.integers(1, 100))
            hits.append(hit)
        rows.append({"query_id": f"q{number}", "query": "a b", "positives": ["p"],
                     "candidates": hits})  # fmt: skip
    return rows


@pytest.mark.parametrize("name", ["00000.parquet", "00000.jsonl"])
def test_candidates_are_counted_as_row_by_row(tmp_path: Path, name: str) -> None:
    from gpte_data.records import kept

    rows = mined(60)
    io.write(tmp_path / name, rows)
    hits = Hits()
    for block in blocks(tmp_path / name):
        hits.add(block.columns["candidates"], np.full(block.rows, "r", dtype=object))
    found = hits.to_json()
    all_ = [hit for row in rows for hit in row["candidates"]]
    assert found["verdicts"] == Counter(hit["verdict"] for hit in all_)
    assert found["reasons"] == Counter(f"{hit['verdict']}: {hit['reason']}" for hit in all_)
    taken = [kept(row)[:3] for row in rows]
    third = found["hardness"]["by_number"][2]
    flat = [hit for some in taken for hit in some]
    assert third["queries"] == sum(len(some) == 3 for some in taken)
    assert third["score"] == pytest.approx(np.mean([hit["score"] for hit in flat]), abs=1e-5)
    assert third["false_negative"] == pytest.approx(
        np.mean([hit["false_negative"] for hit in flat]), abs=1e-5
    )
    own = [hit for hit in all_ if hit["verdict"] == "keep" and hit["source"] == "bm25"]
    assert found["scores_by_source"]["bm25"]["negatives"]["count"] == len(own)
    one = [hit["score"] for hit in all_ if (hit["verdict"], hit["reason"]) == ("drop", "rule 1")]
    by_reason = found["hardness"]["by_reason"]["drop: rule 1"]
    assert by_reason["score"] == pytest.approx(np.mean(one), abs=1e-5)


def test_outputs_stand_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("c", "a", "b")]
    content = "0" * 64
    for n, folder in enumerate(folders):
        identity = {"stage": "x", "input": content}
        content = str(n + 1) * 64
        output = {"name": "00000.parquet", "sha256": content}
        manifest.write_mark(folder, "00000", manifest.Mark(identity, Ledger(), output))
    found = [(folder.name, inputs) for folder, inputs in ordered(sorted(folders))]
    assert found == [("c", []), ("a", ["c"]), ("b", ["a"])]
