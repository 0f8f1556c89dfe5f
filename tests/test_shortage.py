"""Queries with too few negatives, filled up with random documents."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, ok
from test_mining import corpus_of, given, pairs, unit

from gpte_data import io
from gpte_data.denoising.options import FilterConfig
from gpte_data.mining.mine_options import MineConfig
from gpte_data.records import kept
from gpte_data.stage import Context, Row
from gpte_data.stages.filter_negatives import filter_negatives
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import SelectConfig, select_negatives

SHORT = {"relative_margin": 0.3, "num_negatives": 6, "top_k": 12}
FILLED, TAKEN = "queries filled up with random documents", "random documents taken as negatives"


def case(folder: Path, teachers: int = 1, size: int = 400, **options: Any) -> tuple[Any, list[Row]]:
    """Return a config and queries, of which half have candidates below their positive."""
    random = np.random.default_rng(21)
    vectors, queries = unit(random, size), unit(random, 30)
    rows = pairs(*[[f"d{n:04d}"] for n in range(30)])
    queries[::2] += 1.5 * vectors[:30:2]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    corpus = corpus_of(folder / "corpus", [size // 2, size - size // 2])
    specs = [given(folder / "v", vectors, queries, rows)]
    for n in range(1, teachers):
        specs.append(given(folder / f"v{n}", unit(random, size), unit(random, 30), rows))
    told = {"corpus": (corpus,), "teacher": tuple(specs), **SHORT, **options}
    return MineConfig.of(told), rows


def mined(cfg: Any, rows: list[Row]) -> tuple[list[Row], Any]:
    ctx = Context()
    return list(mine_negatives.run(rows, cfg, ctx)), ctx.ledger.notes


@pytest.mark.parametrize("teachers", [1, 2])
def test_short_queries_are_filled_behind_what_they_have(tmp_path: Path, teachers: int) -> None:
    cfg, rows = case(tmp_path, teachers)
    partial, said = mined(cfg, rows)
    filled, notes = mined(cfg.model_copy(update={"shortage": "random"}), rows)
    short = [n for n, row in enumerate(partial) if len(kept(row)) < 6]
    assert 5 < len(short) < 30 and said["queries with fewer than 6 negatives"] == len(short)
    taken = [row | {"dropped_positives": [f"d{n:04d}" for n in range(30, 400)]} for row in rows]
    for row in mined(cfg.model_copy(update={"shortage": "random"}), taken)[0]:
        assert all(hit["doc_id"] < "d0030" for hit in row["candidates"]), "no former positive"
    assert notes[FILLED] == len(short) and "queries with fewer than 6 negatives" not in notes
    assert notes[TAKEN] == sum(6 - len(kept(partial[n])) for n in short)
    for n, (before, after) in enumerate(zip(partial, filled, strict=True)):
        old, new = list(before["candidates"]), list(after["candidates"])
        assert new[: len(old)] == old and len(kept(after)) == max(6, len(kept(before)))
        assert {k: v for k, v in after.items() if k != "candidates"} == {
            k: v for k, v in before.items() if k != "candidates"
        }
        drawn = new[len(old) :]
        assert (n in short) == bool(drawn)
        assert [hit["rank"] for hit in new] == list(range(1, len(new) + 1))
        for hit in drawn:
            assert (hit["source"], hit["reason"]) == ("random", "drawn at random")
            assert (
                hit["score"] <= after["positive_scores"][0] * 0.7 or after["positive_scores"][0] < 0
            )
            assert hit["choice"] > len(kept(before)) and hit.keys() == old[0].keys() | {"choice"}
        assert len({hit["doc_id"] for hit in new} | set(after["positives"])) == len(new) + 1


@pytest.mark.parametrize("options", [{}, {"relative_margin": None, "max_score": 0.2}])
def test_the_same_are_drawn_whatever_comes_along(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whatever the other queries are; another seed draws others."""
    cfg, rows = case(tmp_path, shortage="random", max_false_negatives=1.0, **options)
    together, notes = mined(cfg, rows)
    assert notes[TAKEN]
    one = {"price": 0.0, "offset": 0.0, "mixture": (0.0, 1.0), "own": {}, "said": ""}
    alone = [next(iter(mine_negatives.run([row], cfg, Context(shared=one)))) for row in rows[::7]]
    again = list(mine_negatives.run(rows, cfg, Context(shared=one)))[::7]
    assert alone == again
    other, _ = mined(cfg.model_copy(update={"seed": 5}), rows)
    assert [hit["doc_id"] for row in other for hit in row["candidates"]] != [
        hit["doc_id"] for row in together for hit in row["candidates"]
    ]


def test_copies_chunks_and_what_is_too_near_are_never_drawn(tmp_path: Path) -> None:
    """Of ten documents nine are the positive's chunks, copies or above its margin."""
    random = np.random.default_rng(22)
    vectors = unit(random, 10)
    vectors[3:6] = vectors[0]
    rows = [{"doc_id": f"d{n:04d}", "text": f"text {n}"} for n in range(10)]
    for n in (0, 1, 2):
        rows[n]["source"] = "book"
    io.write(tmp_path / "corpus" / "00000.parquet", rows)
    asked = pairs(["d0000"])
    query = (vectors[0] + vectors[6] + vectors[7])[None]
    vectors[8] = -query[0] / np.linalg.norm(query)
    vectors[9] = vectors[7]
    teacher = given(tmp_path / "v", vectors, query / np.linalg.norm(query), asked)
    cfg = MineConfig.of(
        {"corpus": (tmp_path / "corpus",), "teacher": (teacher,), "relative_margin": 0.5}
        | {"num_negatives": 3, "top_k": 1, "shortage": "random"}
    )
    (row,), notes = mined(cfg, asked)
    assert "d0008" in {hit["doc_id"] for hit in kept(row)}
    assert not {hit["doc_id"] for hit in kept(row)} & {f"d{n:04d}" for n in range(6)}
    assert notes["queries with fewer than 3 negatives"] == (len(kept(row)) < 3)


def test_chosen_again_drawn_ones_stay_behind(tmp_path: Path) -> None:
    cfg, rows = case(tmp_path, shortage="random")
    io.write(tmp_path / "mined" / "00000.parquet", mined(cfg, rows)[0])
    chosen = SelectConfig.of({"relative_margin": 0.3, "num_negatives": 6})
    again = list(select_negatives(io.read_all(tmp_path / "mined"), chosen))
    io.write(tmp_path / "again" / "00000.parquet", again)
    first, second = (tmp_path / name / "00000.parquet" for name in ("mined", "again"))
    assert first.read_bytes() == second.read_bytes()
    for flags in ({}, {"relative_margin": 0.2, "min_rank": 3}, {"sampling": "uniform"}):
        found = list(select_negatives(again, SelectConfig.of({"num_negatives": 6, **flags})))
        for row in found:
            sources = [hit["source"] == "random" for hit in kept(row)]
            assert sources == sorted(sources)
    assert any(hit["source"] == "random" for row in again for hit in kept(row))


def test_choosing_again_draws_nothing(tmp_path: Path) -> None:
    cfg, rows = case(tmp_path)
    io.write(tmp_path / "mined" / "00000.parquet", mined(cfg, rows)[0])
    done = cli(
        "select-negatives", tmp_path / "mined", "-o", tmp_path / "out", "--shortage", "random"
    )
    assert "select-negatives does not read: give it to mine-negatives" in done.sentence()
    assert not (tmp_path / "out").exists()


def test_each_positive_is_filled_up(tmp_path: Path) -> None:
    cfg, rows = case(tmp_path, shortage="random", margin_against="each", relative_margin=0.05)
    rows = [
        row | {"positives": [*row["positives"], f"d{n + 100:04d}"]} for n, row in enumerate(rows)
    ]
    for row in mined(cfg, rows)[0]:
        lowest = min(row["positive_ceilings"])
        assert sum(hit["score"] <= lowest for hit in kept(row)) >= 6 or lowest < 0


def test_a_reranker_looks_at_what_was_drawn(tmp_path: Path, sample: Path) -> None:
    texts = list(io.read_all(sample))[:60]
    asked = [
        {
            "query_id": f"q{n}",
            "query": " ".join(row["text"].split()[:6]),
            "positives": [row["doc_id"]],
        }
        for n, row in enumerate(texts[:8])
    ]
    io.write(tmp_path / "pairs" / "00000.parquet", asked)
    flags = ("--relative-margin", 0.8, "--top-k", 5, "--num-negatives", 4, "--shortage", "random")
    said = [
        ok(
            "mine-negatives", tmp_path / "pairs", "-o", tmp_path / f"mined{n}", "--corpus", sample,
            *flags, "--workers", n,
        )
        for n in (1, 2)
    ]  # fmt: skip
    assert FILLED in said[0] and TAKEN in said[1]
    rows = list(io.read_all(tmp_path / "mined1"))
    assert rows == list(io.read_all(tmp_path / "mined2"))
    filtered = list(filter_negatives(rows, FilterConfig.of({"corpus": (sample,)})))
    for before, after in zip(rows, filtered, strict=True):
        drawn = {hit["doc_id"] for hit in kept(before) if hit["source"] == "random"}
        assert drawn and all(
            "rerank_score" in hit for hit in after["candidates"] if hit["doc_id"] in drawn
        )
