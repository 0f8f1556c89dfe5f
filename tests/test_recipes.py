"""Recipes are tests: each pipeline runs whole, as a user runs it, on a few documents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpte_data import io
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


def recipe(name: str, folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOCS": str(folder / "docs"),
        "RUN": str(folder / "run"),
        **options,
    }
    command = ["bash", str(ROOT / "pipelines" / name)]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def dirty(folder: Path) -> None:
    """Add to a BEIR folder what each filter finds: a copy, bad texts, a test query, a repeat."""
    docs = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    queries = {row["_id"]: row["text"] for row in map(json.loads, _lines(folder / "queries.jsonl"))}
    asked, answer = _lines(folder / "qrels" / "train.tsv")[1].split("\t")[:2]
    tested = _lines(SAMPLE / "qrels" / "test.tsv")[1]
    text = next(doc["text"] for doc in docs if doc["_id"] == answer)
    _append(
        folder / "corpus.jsonl",
        {"_id": "copy", "text": text.upper()},
        {"_id": "bad", "text": "lorem ipsum"},
        {"_id": "tea", "text": "In the cafÃ© at the old mill guests drink tea by the river."},
    )
    _append(
        folder / "queries.jsonl",
        {"_id": "x-again", "text": f"{queries[asked]}?!"},
        {"_id": "x-tested", "text": queries[tested.split("\t")[0]].upper()},
        {"_id": "x-bad", "text": "what do printers set where no text is"},
        {"_id": "x-tea", "text": "where do guests drink tea"},
        {"_id": "x-astray", "text": "how do bees find their way home"},
    )
    judged = (
        "x-again copy",
        "x-tested copy",
        "x-bad bad",
        "x-tea tea",
        "x-tea bad",
        "x-astray tea",
    )
    with (folder / "qrels" / "train.tsv").open("a") as train:
        train.writelines("\t".join([*one.split(), "1"]) + "\n" for one in judged)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{tested}\n")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _append(path: Path, *rows: dict[str, str]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_cleaned_tells_what_each_filter_has_dropped(tmp_path: Path) -> None:
    dirty(few(tmp_path / "docs"))
    ended = recipe("cleaned.sh", tmp_path, TOP="3")
    assert ended.returncode == 0, ended.stderr
    run = tmp_path / "run"
    gone = {
        path.parent.parent.name: {
            row.get("query_id", row.get("doc_id")): row["rules"] for row in io.read(path)
        }
        for path in sorted(run.glob("*/_rejected/*.jsonl"))
        if path.parent.parent.name != "20-pairs"
    }
    answer = _lines(tmp_path / "docs" / "qrels" / "train.tsv")[1].split("\t")[1]
    assert gone["11-sound"] == {"bad": ["placeholder text", "too few words"]}
    assert set(gone["12-distinct"]) < {answer, "copy"} and len(gone["12-distinct"]) == 1
    assert set(gone["21-distinct"]) == {"x-again"}
    assert set(gone["22-clean"]) == {"x-tested"}
    assert gone["23-good"]["x-bad"] == ["no positive in the corpus"]
    assert gone["23-good"]["x-astray"] == ["not among the best of the corpus for its query"]
    (tea,) = (row for row in io.read_all(run / "50-train") if row["anchor"].endswith("drink tea"))
    assert "café" in tea["positive"]
    for stage in gone:
        assert f"{run / stage} (" in ended.stdout
    assert "contaminated_by docs, eval_part query" in ended.stdout
    assert "duplicate_of " in ended.stdout
    again = recipe("cleaned.sh", tmp_path, TOP="3")
    assert again.stdout == ended.stdout
    assert all("nothing to do" in line for line in again.stderr.splitlines() if line)


@pytest.mark.parametrize("name", ["quickstart.sh", "own_queries.sh", "distil.sh"])
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


def test_distil_scores_every_candidate_and_every_text(tmp_path: Path) -> None:
    few(tmp_path / "docs")
    ended = recipe("distil.sh", tmp_path, TOP="12", NEGATIVES="6")
    assert ended.returncode == 0, ended.stderr
    run = tmp_path / "run"
    scored = {row["query"]: row for row in io.read_all(run / "40-scored")}
    rows = [json.loads(line) for path in io.shards(run / "50-lists") for line in _lines(path)]
    assert len(rows) == len(scored)
    for row in rows:
        candidates = sorted(scored[row["query"]]["candidates"], key=lambda hit: hit["rank"])
        expected = [hit["rerank_score"] for hit in candidates[:6]]
        assert row["neg_scores"] == expected, "by rank, dropped ones too"
        assert row["pos_scores"] == scored[row["query"]]["positive_rerank_scores"]
    dropped = [hit for row in scored.values() for hit in row["candidates"][:6]]
    assert any(hit["verdict"] == "drop" for hit in dropped)
    texts = {row["sentence"] for row in io.read_all(run / "51-leaf")}
    assert texts >= set(scored) and len(texts) == 40 + len(scored)


def test_every_recipe_is_run_by_a_test() -> None:
    here = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    for path in (ROOT / "pipelines").glob("*.sh"):
        assert f'"{path.name}"' in here, f"no test runs pipelines/{path.name}"
