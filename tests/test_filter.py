"""Filtering: verdicts by the reranker's own margin, and nothing unchecked passes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_cross_encoder

from gpte_data import io
from gpte_data.backends import Options, open_reranker
from gpte_data.errors import BadInput
from gpte_data.records import kept
from gpte_data.stages import load

DOCS = {
    "cat": "A cat sleeps on the warm windowsill in the afternoon.",
    "kitten": "In the afternoon the cat is asleep on the warm window ledge.",
    "dog": "A dog guards the yard at night.",
    "bond": "The bond's coupon is paid twice a year.",
    "dough": "Knead the dough until it is smooth.",
}


def corpus(folder: Path) -> Path:
    io.write(folder / "00000.parquet", [{"doc_id": d, "text": t} for d, t in DOCS.items()])
    return folder


def mined(**changes: Any) -> dict[str, Any]:
    candidates = [
        {
            "doc_id": d,
            "rank": i,
            "score": 0.5 - i / 10,
            "source": "t",
            "verdict": "keep",
            "reason": "r",
        }
        for i, d in enumerate(["kitten", "dog", "bond", "dough"], 1)
    ]
    row = {"query_id": "q", "query": "where does the cat sleep?", "positives": ["cat"]}
    return row | {"positive_scores": [0.7], "candidates": candidates} | changes


def run(row: dict[str, Any], folder: Path, **options: Any) -> dict[str, Any]:
    (out,) = load("filter-negatives")([row], corpus=(corpus(folder),), **options)
    return out


def test_maxsim_drops_the_paraphrase_and_keeps_the_rest(tmp_path: Path) -> None:
    out = run(mined(), tmp_path)
    verdicts = {hit["doc_id"]: hit["verdict"] for hit in out["candidates"]}
    assert verdicts == {"kitten": "drop", "dog": "keep", "bond": "keep", "dough": "keep"}
    assert out["candidates"][0]["reason"] == "reranker finds it as good as the positive"
    texts = [("where does the cat sleep?", DOCS[d]) for d in ("cat", "kitten", "dog")]
    scores = open_reranker("maxsim", Options()).score(texts, lambda n: None)
    assert out["positive_rerank_scores"][0] == pytest.approx(scores[0])
    assert out["candidates"][0]["rerank_score"] == pytest.approx(scores[1])
    assert scores[1] > scores[0] * 0.85 >= scores[2]


def test_margin_is_relative_to_the_positive(tmp_path: Path) -> None:
    """At margin 0 only what beats the positive goes; at .99 nearly all that scores above 0."""
    lax = run(mined(), tmp_path, margin=0.0)
    strict = run(mined(), tmp_path, margin=0.99)
    assert len(kept(lax)) > len(kept(strict))
    for out, margin in ((lax, 0.0), (strict, 0.99)):
        ceiling = out["positive_rerank_scores"][0] * (1 - margin)
        for hit in out["candidates"]:
            assert (hit["verdict"] == "keep") == (hit["rerank_score"] <= ceiling)


def test_cross_encoder_from_a_folder(tmp_path: Path) -> None:
    folder = tiny_cross_encoder(tmp_path / "ce")
    out = run(mined(), tmp_path / "corpus", reranker=f"st:{folder}", margin=0.5)
    assert all(0 < hit["rerank_score"] < 1 for hit in out["candidates"])


def test_beyond_the_depth_nothing_is_kept(tmp_path: Path) -> None:
    out = run(mined(), tmp_path, depth=2, margin=0.0)
    last = out["candidates"][2:]
    assert [hit["reason"] for hit in last] == ["beyond the reranked depth"] * 2
    assert [hit["verdict"] for hit in last] == ["drop"] * 2
    assert all("rerank_score" not in hit for hit in last)


def test_what_mining_dropped_stays_dropped_and_costs_nothing(tmp_path: Path) -> None:
    row = mined()
    row["candidates"][1] |= {"verdict": "drop", "reason": "too close to the positive's score"}
    out = run(row, tmp_path, depth=3)
    assert out["candidates"][1] == row["candidates"][1] | {"score": np.float32(0.3)}
    assert "rerank_score" in out["candidates"][3]


def test_rows_of_another_corpus_or_stage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"names 'gone', which is not in .*give the corpus"):
        run(mined(positives=["gone"]), tmp_path)
    with pytest.raises(BadInput, match="reads the output of mine-negatives"):
        run(mined(candidates="none"), tmp_path)
