"""Batches: of one dataset, of neighbours, easy ones first; over shard borders, and after a kill."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE, cli, files, ok
from datasets_to_mix import emit, make, row, rows_of

from gpte_data import io
from gpte_data.errors import BadInput, BadOption


def batches(rows: list[Any], size: int) -> list[list[Any]]:
    """Return the full batches of rows."""
    return [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]


def names(batch: list[Any]) -> set[str]:
    return {one["dataset"] for one in batch}


def test_a_batch_is_of_one_dataset_over_shard_borders(tmp_path: Path) -> None:
    make(tmp_path, {"a": 100, "b": 61, "c": 3})
    out, result = emit(tmp_path, batch_size=8, batch_order="homogeneous", shard_rows=20)
    shards = [list(io.read(path)) for path in io.shards(out)]
    assert [len(rows) for rows in shards] == [16] * 10 + [4]  # whole batches in each
    found = rows_of(out)
    full = batches(found, 8)[: 12 + 7]
    assert all(len(names(batch)) == 1 for batch in full)
    order = [min(names(batch)) for batch in full]
    assert Counter(order) == {"a": 12, "b": 7}
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)
    assert len({one["query_id"] for one in found}) == 164
    assert [one["dataset"] for one in found[19 * 8 :]] == ["a"] * 4 + ["b"] * 5 + ["c"] * 3
    note = "examples put last, since each fills no batch of its own"
    assert result.ledger.notes[note] == 12


def test_what_fills_no_batch_may_be_dropped(tmp_path: Path) -> None:
    make(tmp_path, {"a": 100, "b": 61, "c": 3})
    options: dict[str, Any] = {"batch_size": 8, "batch_order": "homogeneous"}
    out, result = emit(tmp_path, last_batch="drop", **options)
    assert result.ledger.dropped == {"fills no batch of its own": 12}
    assert len(rows_of(out)) == 19 * 8
    with pytest.raises(BadInput, match="found nothing to write"):
        emit(tmp_path, "none", last_batch="drop", batch_order="homogeneous", batch_size=101)


def repeated(batch: list[Any]) -> int:
    """Return how many examples share a query or a positive with an earlier one of their batch."""
    queries = len(batch) - len({one["query_id"] for one in batch})
    texts = len(batch) - len({one["positives"][0] for one in batch})
    return max(queries, texts)


def test_one_query_and_one_document_stand_in_different_batches(tmp_path: Path) -> None:
    """Row i and i + 150 have one positive, and --total repeats each row four times."""
    make(tmp_path, {"a": 300})
    plain = rows_of(emit(tmp_path, "plain", total=1200)[0])
    assert sum(map(repeated, batches(plain, 32))) > 100
    out, result = emit(tmp_path, total=1200, batch_size=32)
    found = rows_of(out)
    assert sum(map(repeated, batches(found, 32))) == 0
    assert not [note for note in result.ledger.notes if "share a query" in note]
    key = lambda one: one["query_id"]  # noqa: E731
    assert sorted(map(key, found)) == sorted(map(key, plain))


def test_what_can_not_be_kept_apart_is_counted(tmp_path: Path) -> None:
    make(tmp_path, {"a": 3})
    out, result = emit(tmp_path, total=30, batch_size=10)
    left = sum(map(repeated, batches(rows_of(out), 10)))
    note = "examples that share a query or a positive with one of their batch"
    assert result.ledger.notes[note] == left == 21


def margin(one: Any) -> float:
    return float(one["positive_scores"][0] - max(one["negative_scores"]))


def test_a_curriculum_goes_from_easy_to_hard_in_steps(tmp_path: Path) -> None:
    make(tmp_path, {"a": 97, "b": 90})
    options: dict[str, Any] = {"batch_order": "curriculum", "scores": "teacher", "num_negatives": 3}
    out, _ = emit(tmp_path, batch_size=8, curriculum_steps=4, shard_rows=50, **options)
    found = [margin(one) for one in rows_of(out)]
    assert len(found) == 187
    steps = [found[start : start + 48] for start in range(0, 187, 48)]  # 23 batches, 6 a step
    for easier, harder in pairwise(steps):
        assert min(easier) >= max(harder)
        assert easier != sorted(easier, reverse=True)
    assert set(Counter(one["dataset"] for one in rows_of(out))) == {"a", "b"}
    one_step = [
        margin(one)
        for one in rows_of(emit(tmp_path, "x", batch_size=8, curriculum_steps=1, **options)[0])
    ]
    assert np.mean(one_step[:90]) == pytest.approx(np.mean(one_step[90:]), abs=0.05)


def test_an_example_without_scores_has_no_place_in_a_curriculum(tmp_path: Path) -> None:
    make(tmp_path, {"a": 1})
    bare = {k: v for k, v in row("a", 7).items() if k != "positive_scores"}
    io.write(tmp_path / "sets" / "a" / "00000.parquet", [row("a", i) for i in range(6)])
    io.write(tmp_path / "sets" / "a" / "00001.parquet", [bare])
    options: dict[str, Any] = {"batch_order": "curriculum", "scores": "teacher", "num_negatives": 3}
    _, result = emit(tmp_path, batch_size=2, **options)
    assert result.ledger.dropped == {"a document without a score": 1}
    assert result.ledger.rows_out == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_order": "homogeneous"}, "--batch-order homogeneous needs --batch-size"),
        ({"last_batch": "drop"}, "--last-batch drop needs --batch-size"),
        ({"batch_order": "cluster", "batch_size": 4}, "needs --teacher"),
        ({"batch_order": "curriculum", "batch_size": 4}, "needs negatives"),
        ({"batch_order": "curriculum", "batch_size": 4, "num_negatives": 2}, "on one scale"),
        ({"batch_size": 1}, "--batch-size 1 won't do"),
        ({"clusters": 3, "batch_size": 4}, "--clusters changes nothing"),
        ({"curriculum_steps": 3}, "--curriculum-steps changes nothing"),
    ],
)
def test_orders_that_lack_something_are_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    make(tmp_path, {"a": 9})
    with pytest.raises(BadOption, match=said):
        emit(tmp_path, **options)
    assert not (tmp_path / "out" / "00000.parquet").exists()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sample as a corpus and its pairs, in two shards and in one."""
    folder = tmp_path_factory.mktemp("sample")
    ok("ingest", SAMPLE, "-o", folder / "corpus")
    docs = [one["doc_id"] for one in io.read_all(folder / "corpus")]
    pairs = [
        {"query_id": f"q{i}", "query": f"q {i}", "positives": [docs[i % len(docs)]]}
        for i in range(len(docs) * 2)
    ]
    io.write(folder / "rows" / "00000.parquet", pairs[:100])
    io.write(folder / "rows" / "00001.parquet", pairs[100:])
    io.write(folder / "again" / "00000.parquet", pairs[::-1])
    return folder


def test_batches_of_neighbours_are_nearer_than_chance(sample: Path) -> None:
    """On real vectors of real documents, all batches but the last ones; whatever the shards."""
    given = (
        sample / "rows",
        "--corpus",
        sample / "corpus",
        "--format",
        "ids",
        "--num-negatives",
        0,
    )
    cluster = ("--batch-size", 8, "--batch-order", "cluster", "--teacher", "st:all-MiniLM-L6-v2")
    said = cli("emit", *given, *cluster, "-o", sample / "early").sentence()
    assert "has no vectors of st:all-MiniLM-L6-v2 beside it" in said
    assert f"run gpte-data embed {sample / 'corpus'} --teacher st:all-MiniLM-L6-v2" in said
    assert not list((sample / "early").glob("*.parquet"))
    ok("embed", sample / "corpus")
    ok("emit", *given, *cluster, "-o", sample / "near", "--shard-rows", 50)
    ok("emit", *given, "--batch-size", 8, "-o", sample / "any")
    vectors = np.concatenate(
        [np.load(path).astype(np.float32) for path in sorted((sample / "corpus").rglob("*.npy"))]
    )
    place = {one["doc_id"]: n for n, one in enumerate(io.read_all(sample / "corpus"))}

    def likeness(out: Path) -> float:
        found = batches(rows_of(out), 8)
        assert sum(map(repeated, found)) <= 8
        held = [vectors[[place[one["positives"][0]] for one in batch]] for batch in found]
        return float(np.mean([(v @ v.T)[np.triu_indices(8, 1)].mean() for v in held]))

    assert likeness(sample / "near") > likeness(sample / "any") + 0.1
    ok("emit", sample / "again", *given[1:], *cluster, "-o", sample / "other")
    assert rows_of(sample / "other") == rows_of(sample / "near")


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL while shards are written; what is there stays, and all bytes are the same."""
    make(tmp_path, {"a": 3000, "b": 700}, b={"task": "clustering"})
    args = [
        "emit", tmp_path / "sets", "--corpus", tmp_path / "corpus", "--format", "flagembedding",
        "--num-negatives", 2, "--mix", "a=2,b=1,temperature=3", "--total", 6000, "--shard-rows", 64,
        "--batch-size", 16, "--batch-order", "homogeneous", "--per-dataset",
    ]  # fmt: skip
    ok(*args, "-o", tmp_path / "whole")
    cut = tmp_path / "cut"
    command = [sys.executable, "-m", "gpte_data", *map(str, args), "-o", str(cut)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(list(cut.glob("a/*.jsonl"))) < 5 and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    made = {path: path.stat().st_mtime_ns for path in cut.glob("*/*.jsonl")}
    assert 5 <= len(made) < 94
    ok(*args, "-o", cut)
    assert files(cut, "*/*.jsonl") == files(tmp_path / "whole", "*/*.jsonl")
    kept = [path for path, when in made.items() if path.stat().st_mtime_ns == when]
    assert len(kept) >= 4


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_trains_on_these_batches(tmp_path: Path) -> None:
    """With the sampler that the documentation shows, its loss sees our batches, in our order."""
    from datasets import load_dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )  # fmt: skip
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from tiny_models import tiny_embedder
    from torch.utils.data import SequentialSampler

    def in_order(dataset: Any, **options: Any) -> DefaultBatchSampler:
        return DefaultBatchSampler(SequentialSampler(dataset), **options)

    make(tmp_path, {"a": 40, "b": 40})
    options: dict[str, Any] = {"batch_size": 8, "batch_order": "homogeneous", "shard_rows": 32}
    out, _ = emit(tmp_path, format="sentence-transformers", **options)
    data = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    model = SentenceTransformer(str(tiny_embedder(tmp_path / "model")), device="cpu")
    seen = []

    class Watched(MultipleNegativesRankingLoss):  # type: ignore[misc]
        def forward(self, sentence_features: Any, labels: Any) -> Any:
            features = list(sentence_features)
            ids = features[0]["input_ids"].tolist()
            seen.append([model.tokenizer.decode(one, skip_special_tokens=True) for one in ids])
            return super().forward(features, labels)

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out2"), num_train_epochs=1, per_device_train_batch_size=8,
        batch_sampler=in_order, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=Watched(model))
    trainer.train()
    squeezed = ["".join(text.split()) for batch in seen for text in batch]
    assert squeezed == ["".join(text.split()) for text in data["anchor"]]
    assert len(seen) == 10
    assert all(len({text.strip()[0] for text in batch}) == 1 for batch in seen)
