"""`inspect`: its numbers are those of the rows, its tables fit the terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data import corpus, io, manifest
from gpte_data.commands.embed import embed
from gpte_data.errors import BadInput, UserError
from gpte_data.inspection import distribution, survey
from gpte_data.ledger import Ledger


def rows() -> list[dict[str, Any]]:
    keep = {"doc_id": "d2", "rank": 1, "score": 0.4, "verdict": "keep", "reason": "a"}
    drop = {"doc_id": "d3", "rank": 2, "score": 0.3, "verdict": "drop", "reason": "b"}
    return [
        {
            "query_id": f"q{i}",
            "query": f"[bold]query[/] {i} with [brackets]",
            "positives": ["d1"],
            "positive_scores": [0.5 + i / 100],
            "candidates": [hit | {"source": "t"} for hit in (keep, drop)],
        }
        for i in range(30)
    ]


def inspect(folder: Path, *flags: str, columns: int = 80) -> str:
    command = [sys.executable, "-m", "gpte_data", "inspect", str(folder), *flags]
    environment = os.environ | {"COLUMNS": str(columns)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_numbers_are_those_of_the_rows(tmp_path: Path) -> None:
    io.write(tmp_path / "00000.parquet", rows()[:10])
    io.write(tmp_path / "00001.parquet", rows()[10:])
    (found,) = json.loads(inspect(tmp_path, "--json"))["datasets"]
    assert found["rows"] == 30
    assert found["shards"] == 2
    assert found["verdicts"] == {"keep": 30, "drop": 30}
    assert found["reasons"] == {"keep: a": 30, "drop: b": 30}
    scores = found["scores"]["positives, teacher"]
    assert scores["count"] == 30
    assert scores["mean"] == pytest.approx(0.645, abs=1e-3)
    assert found["scores"]["negatives, teacher"]["quantiles"]["0.5"] == pytest.approx(0.4)
    assert len(found["examples"]) == 3


def test_distribution_agrees_with_numpy() -> None:
    values = np.round(np.random.default_rng(2).normal(size=5000), 3)
    unique, counts = np.unique(values, return_counts=True)
    found = distribution(dict(zip(unique.tolist(), counts.tolist(), strict=True)))
    assert found["count"] == sum(found["histogram"]) == 5000
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-4)
    for name, value in found["quantiles"].items():
        assert value == pytest.approx(np.quantile(values, float(name)), abs=0.01)


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_fit_the_terminal_and_show_text_as_it_is(tmp_path: Path, columns: int) -> None:
    io.write(tmp_path / "00000.parquet", rows())
    shown = inspect(tmp_path, columns=columns)
    assert max(map(len, shown.splitlines()[:-1])) <= columns
    assert "[bold]query[/] 0 with [brackets]" in shown
    assert "30 rows in 1 shard" in shown.splitlines()[-1]
    assert str(tmp_path) in shown.splitlines()[-1]


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        survey(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="holds no dataset"):
        survey(tmp_path)


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    io.write(tmp_path / "00000.parquet", rows())
    script = f"{sys.executable} -m gpte_data inspect {tmp_path} --examples 30 | head -1"
    command = ["bash", "-c", f"set -o pipefail; {script}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


def test_outputs_that_are_not_finished_are_shown_with_the_others(tmp_path: Path) -> None:
    manifest.begin(tmp_path / "a")
    for name in ("b", "c"):
        manifest.begin(tmp_path / name)
        io.write(tmp_path / name / "00000.parquet", rows())
    manifest.finish(tmp_path / "c")
    found = json.loads(inspect(tmp_path, "--json"))["datasets"]
    assert [(d["shards"], d["rows"]) for d in found] == [(0, 0), (1, 30), (1, 30)]
    assert [d["unfinished"] for d in found] == [True, True, False]
    assert inspect(tmp_path).count("unfinished") == 2
    assert "0 rows in 0 shards" in inspect(tmp_path / "a")


def test_the_stage_of_an_unfinished_output_is_seen_at_80_columns(tmp_path: Path) -> None:
    mark = manifest.Mark({"stage": "filter-negatives"}, Ledger(20_000, 0, 20_000), {}, 1234.5)
    folder = tmp_path / "filtered"
    manifest.begin(folder)
    manifest.write_mark(folder, "00000", mark)
    shown = inspect(folder)
    assert "filter-negatives," in shown
    assert "unfinished" in shown


def test_scores_that_are_not_finite_and_lists_are_counted(tmp_path: Path) -> None:
    odd = {"positive_scores": [float("nan")], "positive_rerank_scores": [float("inf")]}
    io.write(tmp_path / "00000.parquet", [row | odd for row in rows()])
    found = survey(tmp_path)["datasets"][0]
    assert found["ledger"]["notes"] == {"scores that are not finite": 60}
    assert set(found["scores"]) == {"negatives, teacher", "dropped, teacher"}
    assert "scores that are not finite: 60" in inspect(tmp_path)
    (tmp_path / "00000.parquet").unlink()
    io.write(tmp_path / "00000.jsonl", [row | {"language": ["en", "de"]} for row in rows()])
    assert survey(tmp_path)["datasets"][0]["fields"]["language"] == {"['en', 'de']": 30}


def test_embed_says_what_is_wrong_with_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folders: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "_vectors"))

    monkeypatch.setattr(corpus, "open_corpus", refused)
    with pytest.raises(UserError, match="_vectors can't be used"):
        embed(tmp_path)
    manifest.begin(tmp_path)
    with pytest.raises(BadInput, match="is not finished"):
        embed(tmp_path)
