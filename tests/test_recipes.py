"""Recipes are tests: each pipeline runs whole, as a user runs it, on a few documents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpte_data.inspection import survey

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample"


def few(folder: Path, count: int = 40) -> Path:
    """Return a BEIR folder with `count` documents of the sample and the queries they answer."""
    docs = [json.loads(line) for line in (SAMPLE / "corpus.jsonl").read_text().splitlines()][:count]
    ids = {doc["_id"] for doc in docs}
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    (folder / "queries.jsonl").write_text((SAMPLE / "queries.jsonl").read_text())
    header, *lines = (SAMPLE / "qrels" / "train.tsv").read_text().splitlines()
    answered = [line for line in lines if line.split("\t")[1] in ids]
    (folder / "qrels" / "train.tsv").write_text("\n".join([header, *answered]) + "\n")
    return folder


def recipe(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOCS": str(folder / "docs"),
        "RUN": str(folder / "run"),
    }
    command = ["bash", str(ROOT / "pipelines" / name)]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["quickstart.sh", "own_queries.sh"])
def test_recipe_runs_whole_and_a_second_run_does_nothing(name: str, tmp_path: Path) -> None:
    few(tmp_path / "docs")
    first = recipe(name, tmp_path)
    assert first.returncode == 0, first.stderr
    found = survey(tmp_path / "run")
    train = [dataset for dataset in found["datasets"] if dataset["stage"] == "emit"]
    assert train
    assert all(dataset["rows"] > 0 for dataset in train)
    for dataset in found["datasets"]:
        books = dataset["ledger"]
        gone = sum(books["dropped"].values()) + sum(books["failed"].values())
        assert books["in"] + books["expanded"] == books["out"] + gone
        assert books["out"] == dataset["rows"]
    assert str(tmp_path / "run") in first.stdout
    again = recipe(name, tmp_path)
    assert again.returncode == 0, again.stderr
    said = [line for line in again.stderr.splitlines() if line]
    assert said
    assert all("nothing to do" in line for line in said)
    assert again.stdout == first.stdout


def test_every_recipe_is_run_by_a_test() -> None:
    here = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    for path in (ROOT / "pipelines").glob("*.sh"):
        assert f'"{path.name}"' in here, f"no test runs pipelines/{path.name}"
