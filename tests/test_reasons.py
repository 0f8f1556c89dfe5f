"""`inspect --reasons`: counts are those of the rows, each alone and all together."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_inspect import inspect

from gpte_data import io, manifest

CASES = [["short", "loud"], ["short"], ["loud"], ["loud", "short"], ["loud"]]


def rejected(n: int, rules: list[str] | None) -> dict[str, Any]:
    row = {"doc_id": f"d{n}", "text": f"[bold]text[/] {n} " * 20, "share": n / 7}
    told = {} if rules is None else {"rules": rules}
    return row | told | {"rejected": "dropped", "reason": rules[0] if rules else "old"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "good"
    lines: list[dict[str, Any]] = [rejected(n, rules) for n, rules in enumerate([*CASES, None])]
    lines.append({"doc_id": "f", "rejected": "failed", "reason": "no answer"})
    io.write(out / manifest.REJECTED / "00000.jsonl", lines[:3])
    io.write(out / manifest.REJECTED / "00001.jsonl", lines[3:])
    (out / manifest.DONE).mkdir()
    keep = {"doc_id": "k", "verdict": "keep", "reason": "fine", "score": 0.1}
    drop = {"doc_id": "x", "verdict": "drop", "reason": "near", "score": 0.5}
    row: dict[str, Any] = {"query_id": "q", "query": "a query", "positives": ["p"]}
    lost = {"dropped_positives": ["a", "b"], "dropped_rules": [["far"], ["low", "far"]]}
    rows: list[dict[str, Any]] = [
        row | lost | {"candidates": [keep, drop | {"rules": ["near", "copy"]}]},
        row
        | {"contaminated_positives": ["c", "d"], "relabelled_from": ["e"]}
        | {"candidates": [drop | {"reason": "old"}, drop | {"rules": ["near"]}]},
    ]
    io.write(out / "00000.parquet", rows)
    return out


def test_counts_first_all_and_alone(folder: Path) -> None:
    (found,) = json.loads(inspect(folder, "--reasons", "--json"))["datasets"]
    counted = {
        kind: {
            one["rule"]: (one["first"], one["all"], one["alone"]) for one in found[kind]["rules"]
        }
        for kind in ("rows", "candidates", "positives")
    }
    assert counted == {
        "rows": {
            "loud": (3, 4, 2), "short": (2, 3, 1),
            "old": (1, None, None), "failed: no answer": (1, None, None),
        },
        "candidates": {"near": (2, 2, 1), "copy": (0, 1, 0), "old": (1, None, None)},
        "positives": {
            "far": (1, 2, 1), "low": (1, 1, 0),
            "evaluation text": (2, None, None), "a judge found a better positive": (1, None, None),
        },
    }  # fmt: skip
    assert [found[kind]["together"] for kind in counted] == [7, 3, 5]
    loud = next(one for one in found["rows"]["rules"] if one["rule"] == "loud")
    assert [row["doc_id"] for row in loud["examples"]] == ["d2", "d3"]
    assert loud["examples"][0]["share"] == round(2 / 7, 4)


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_fit_the_terminal(folder: Path, columns: int) -> None:
    shown = inspect(folder, "--reasons", "--examples", "1", columns=columns)
    assert max(map(len, shown.splitlines()[1:])) <= columns
    assert "[bold]text[/] 0" in shown
    assert "all together" in shown
    assert shown.count("share") == 3  # of loud, short and old: one example each
    assert inspect(folder, "--reasons", "--examples", "0").count("share") == 0


def test_a_run_of_several_stages(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none" / manifest.DONE).mkdir(parents=True)
    found = json.loads(inspect(tmp_path, "--reasons", "--json"))["datasets"]
    assert [Path(one["folder"]).name for one in found] == ["good", "none"]
    assert "rows" not in found[1]
    assert "no rule removed anything" in inspect(tmp_path, "--reasons")
