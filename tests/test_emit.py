"""Emission: the shards are what the trainers read, and a trainer trains on them."""

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gpte_data import io
from gpte_data.errors import BadInput, BadOption
from gpte_data.plan import RunOptions
from gpte_data.run import Result, run
from gpte_data.stages import load

WORDS = [
    "stone",
    "river",
    "light",
    "copper",
    "orbit",
    "yeast",
    "lease",
    "margin",
    "kernel",
    "valve",
]


def make(folder: Path, queries: int = 60) -> tuple[Path, Path]:
    """Write a corpus and filtered rows: two positives for every tenth, 3 to 9 negatives kept."""
    corpus, rows = folder / "corpus", folder / "rows"
    docs = [
        {"doc_id": f"d{i}", "text": f"{WORDS[i % 10]} {WORDS[i // 10 % 10]} {i}", "title": f"T{i}"}
        for i in range(200)
    ]
    io.write(corpus / "00000.parquet", docs[:90])
    io.write(corpus / "00001.parquet", docs[90:])
    io.write(rows / "00000.parquet", [_row(i) for i in range(queries // 2)])
    io.write(rows / "00001.parquet", [_row(i) for i in range(queries // 2, queries)])
    return corpus, rows


def _row(i: int) -> dict[str, Any]:
    positives = [f"d{i}", f"d{i + 100}"] if i % 10 == 0 else [f"d{i}"]
    candidates = [
        {"doc_id": f"d{(i + 7 * j) % 200}", "rank": j, "score": 0.9 - j / 20, "source": "st:t",
         "verdict": "drop" if j % 4 == 0 else "keep", "reason": "r"}
        for j in range(1, 5 + i % 8)
    ]  # fmt: skip
    return {
        "query_id": f"q{i}", "query": f"what is {i}?", "positives": positives, "recipe": "query",
        "generator": "extractive", "positive_scores": [0.95] * len(positives),
        "candidates": candidates,
    }  # fmt: skip


def emit(folder: Path, name: str = "train", **options: Any) -> tuple[Path, Result]:
    corpus, rows = (folder / "corpus", folder / "rows")
    if not corpus.exists():
        make(folder)
    stage = load("emit")
    cfg = stage.config.of({"corpus": (corpus,), **options})
    return folder / name, run(stage, cfg, str(rows), folder / name, RunOptions())


def test_columns_of_sentence_transformers_are_in_order_and_alone(tmp_path: Path) -> None:
    out, result = emit(tmp_path, num_negatives=3, shard_rows=20)
    names = ["anchor", "positive", "negative_1", "negative_2", "negative_3"]
    tables = [pq.read_table(path) for path in io.shards(out)]
    assert all(table.column_names == names for table in tables)
    assert all(table.num_rows == 20 for table in tables[:-1])
    assert sum(table.num_rows for table in tables) == result.ledger.rows_out
    for row in (row for table in tables for row in table.to_pylist()):
        number = int(row["anchor"].split()[2].rstrip("?"))
        kept = [hit for hit in _row(number)["candidates"] if hit["verdict"] == "keep"]
        expected = [int(hit["doc_id"][1:]) for hit in kept[:3]]
        assert [int(row[f"negative_{n}"].split()[-1]) for n in (1, 2, 3)] == expected
        assert int(row["positive"].split()[-1]) in (number, number + 100)
        assert row["positive"].startswith("T")


def test_short_queries_are_dropped_with_a_reason(tmp_path: Path) -> None:
    _, result = emit(tmp_path, num_negatives=5)
    short = sum(
        len([h for h in _row(i)["candidates"] if h["verdict"] == "keep"]) < 5 for i in range(60)
    )
    assert result.ledger.dropped == {"fewer than 5 negatives": short}
    assert result.ledger.rows_in == 60


def test_shuffle_is_seeded_and_does_not_depend_on_the_shards(tmp_path: Path) -> None:
    one, _ = emit(tmp_path, "one", num_negatives=2)
    rows = list(io.read_all(one))
    whole = tmp_path / "whole"
    io.write(whole / "00000.parquet", io.read_all(tmp_path / "rows"))
    (tmp_path / "rows").rename(tmp_path / "was")
    whole.rename(tmp_path / "rows")
    assert list(io.read_all(emit(tmp_path, "two", num_negatives=2)[0])) == rows
    other = list(io.read_all(emit(tmp_path, "three", num_negatives=2, seed=1)[0]))
    assert other != rows
    key = json.dumps
    assert sorted(map(key, other)) == sorted(map(key, rows))


def test_pairs_and_triplets(tmp_path: Path) -> None:
    pairs, result = emit(tmp_path, "pairs", num_negatives=0)
    assert pq.read_table(io.shards(pairs)[0]).column_names == ["anchor", "positive"]
    assert result.ledger.rows_out == 66
    triplets, _ = emit(tmp_path, "triplets", num_negatives=1)
    assert pq.read_table(io.shards(triplets)[0]).column_names == ["anchor", "positive", "negative"]


def test_flagembedding_keys_and_scores(tmp_path: Path) -> None:
    out, result = emit(tmp_path, format="flagembedding", num_negatives=2, prompt="Find: ")
    lines = [json.loads(line) for line in io.shards(out)[0].read_text().splitlines()]
    assert len(lines) == result.ledger.rows_out
    for line in lines:
        keys = ["query", "pos", "neg", "pos_scores", "neg_scores", "prompt", "type"]
        assert sorted(line) == sorted(keys)
        assert len(line["pos"]) == len(line["pos_scores"])
        assert len(line["neg"]) == len(line["neg_scores"]) == 2
        assert line["prompt"] == "Find: "
        assert line["type"] == "normal"
        assert all(isinstance(s, float) for s in line["pos_scores"] + line["neg_scores"])


@pytest.mark.parametrize("format_", ["sentence-transformers", "flagembedding"])
@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")
def test_the_folder_loads_as_a_dataset(tmp_path: Path, format_: str) -> None:
    from datasets import load_dataset

    out, result = emit(tmp_path, format=format_, num_negatives=2, shard_rows=25)
    dataset = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert list(dataset) == ["train"]
    assert dataset["train"].num_rows == result.ledger.rows_out
    card = (out / "README.md").read_text()
    assert f"{result.ledger.rows_out:,} examples" in card
    assert "extractive" in card


def test_what_can_not_be_written_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(BadOption, match="--format takes one of sentence-transformers"):
        emit(tmp_path, format="parquet")
    with pytest.raises(BadInput, match="found nothing to write"):
        emit(tmp_path, num_negatives=50)
    io.write(tmp_path / "corpus" / "00000.parquet", [{"doc_id": "x", "text": "x"}])
    with pytest.raises(BadInput, match="which is not in"):
        emit(tmp_path, num_negatives=2)
    assert not list((tmp_path / "train").glob("*.parquet"))


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_trains_on_the_shards(tmp_path: Path) -> None:
    """Ten steps of the real trainer on a tiny model; the loss goes down on what it has seen."""
    from datasets import load_dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )  # fmt: skip
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from tiny_models import tiny_embedder

    out, _ = emit(tmp_path, num_negatives=3)
    data = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    model = SentenceTransformer(str(tiny_embedder(tmp_path / "model")), device="cpu")
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=10, per_device_train_batch_size=8,
        learning_rate=1e-3, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, seed=1,
        disable_tqdm=True,
    )  # fmt: skip
    loss = MultipleNegativesRankingLoss(model)
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert trainer.state.global_step == len(losses) == 10
    assert sum(losses[-3:]) < sum(losses[:3])


def test_positives_of_one_query_are_shuffled_apart(tmp_path: Path) -> None:
    """Side by side in a batch they would be each other's false negatives."""
    out, _ = emit(tmp_path, num_negatives=0)
    anchors = [row["anchor"] for row in io.read_all(out)]
    twice = [anchor for anchor in set(anchors) if anchors.count(anchor) == 2]
    adjacent = sum(one == other for one, other in itertools.pairwise(anchors))
    assert len(twice) == 6
    assert adjacent < 3


def test_flagembedding_needs_a_negative(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="needs at least 1 negative"):
        emit(tmp_path, format="flagembedding", num_negatives=0)
