"""Texts with a teacher's vectors: the teacher's own, each text once; a trainer trains on them."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import cli, files
from tiny_models import tiny_embedder

from gpte_data import io
from gpte_data.backends import Options
from gpte_data.corpus import open_corpus
from gpte_data.embedding import ensure_vectors
from gpte_data.errors import UserError
from gpte_data.ledger import Ledger
from gpte_data.plan import RunOptions
from gpte_data.records import full_text
from gpte_data.run import run
from gpte_data.stages import load
from gpte_data.teachers import open_model, open_teacher

PROMPT = "query: "


def pairs(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """Write twelve pairs: one is blank, one says the same as another, one as a document."""
    made = [{"query_id": f"q{n}", "query": f"What is salt {n}?", "positives": []} for n in range(9)]
    made += [
        {"query_id": "blank", "query": "  ", "positives": []},
        {"query_id": "again", "query": "What is salt 3?", "positives": []},
        {"query_id": "ünï", "query": "Was heißt „Öl“?", "positives": [], "instruction": "Find"},
    ]
    io.write(folder / "00000.parquet", rows or made)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"st:{tiny_embedder(tmp_path_factory.mktemp('teacher') / 'model')}"


@pytest.fixture
def embedded(few: Path, teacher: str) -> Path:
    """Thirty passages with the teacher's vectors."""
    model = open_model(teacher, Options())
    ensure_vectors(open_corpus((few,)), model.vector_spec, model.open)
    return few


def leaf(source: Path, corpus: Path, out: Path, teacher: str, **options: Any) -> Ledger:
    """Emit, in this process: the teacher is loaded once."""
    stage = load("emit")
    given = {"corpus": (str(corpus),), "format": "leaf", "teacher": teacher, **options}
    cfg = stage.config.of({"source": str(source), **given})
    return run(stage, cfg, str(source), out, RunOptions()).ledger


def read(folder: Path) -> dict[str, Any]:
    """Return sentence -> vector of all shards."""
    table = pa.concat_tables(pq.read_table(path) for path in io.shards(folder))
    assert table.column_names == ["sentence", "label"]
    found = dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    assert len(found) == table.num_rows
    return found


def test_each_text_has_the_vector_that_its_teacher_gives(
    embedded: Path, tmp_path: Path, teacher: str
) -> None:
    source, out = pairs(tmp_path / "pairs"), tmp_path / "out"
    books = leaf(source, embedded, out, teacher, query_prompt=PROMPT, shard_rows=16)
    assert (books.rows_in, books.expanded, books.rows_out) == (12, 30, 40)
    assert books.dropped == {"no text": 1, "the same text as another": 1}
    found = read(out)
    passages = [full_text(row) for row in io.read_all(embedded)]
    asked = [f"What is salt {n}?" for n in range(9)]
    asked.append("Instruct: Find\nQuery: Was heißt „Öl“?")
    assert set(found) == {*passages, *(PROMPT + query for query in asked)}
    model = open_teacher(teacher, Options(), PROMPT)
    expected = dict(zip(asked, model.queries([{"query": q} for q in asked]).vectors, strict=True))
    for query in asked:
        np.testing.assert_allclose(found[PROMPT + query], expected[query], atol=1e-2)
        assert np.dot(found[PROMPT + query], expected[query]) > 0.999
    vectors = np.concatenate([np.load(path) for path in sorted(embedded.glob("_vectors/*/*.npy"))])
    for passage, vector in zip(passages, vectors, strict=True):
        assert found[passage] == vector.tolist()
    schema = pq.read_schema(io.shards(out)[0])
    assert schema.field("label").type == pa.list_(pa.float16(), vectors.shape[1])
    assert "30 documents and 10 queries" in (out / "README.md").read_text()


def test_order_is_shuffled_by_the_seed_and_the_same_for_other_shards(
    embedded: Path, tmp_path: Path, teacher: str
) -> None:
    source = pairs(tmp_path / "pairs")
    outs = [tmp_path / name for name in ("one", "two", "three")]
    for out, options in zip(outs, [{}, {"shard_rows": 7}, {"seed": 1}], strict=True):
        leaf(source, embedded, out, teacher, **options)
    one, two, three = (list(read(out)) for out in outs)
    assert one == two != three and sorted(one) == sorted(three)
    kinds = ["salt" in text for text in one]
    assert sum(a != b for a, b in itertools.pairwise(kinds)) > 6
    small = tmp_path / "small"
    leaf(source, embedded, small, teacher, shard_size="4KB", vector_dtype="float32")
    tables = [pq.read_table(path) for path in io.shards(small)]
    sizes = [sum(len(t.encode()) + 128 for t in table["sentence"].to_pylist()) for table in tables]
    assert len(sizes) > 3 and max(sizes) <= 4000
    assert tables[0].schema.field("label").type.value_type == pa.float32()


def test_passages_alone(embedded: Path, tmp_path: Path, teacher: str) -> None:
    """A corpus as SOURCE, or some of it: its own texts, and no other of the corpus."""
    assert "30 in = 30 out" in leaf(embedded, embedded, tmp_path / "all", teacher).line()
    some = tmp_path / "some"
    rows = [*io.read_all(embedded)][:5]
    io.write(some / "00000.jsonl", [*rows, rows[0]])
    assert "6 in = 5 out + 1 dropped" in leaf(some, embedded, tmp_path / "part", teacher).line()
    whole, part = read(tmp_path / "all"), read(tmp_path / "part")
    assert part == {text: whole[text] for text in part} and len(part) == 5
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    piped = cli("emit", "-", "--corpus", embedded, "-o", "-", "--format", "leaf",
                "--teacher", teacher, input=lines)  # fmt: skip
    found = [json.loads(line) for line in piped.stdout.splitlines()]
    assert {row["sentence"]: row["label"] for row in found} == part


def test_killed_and_run_again_gives_the_same_bytes(
    embedded: Path, tmp_path: Path, teacher: str
) -> None:
    rows = [{"query_id": f"q{n}", "query": f"How is soap {n} made?"} for n in range(3000)]
    source = pairs(tmp_path / "pairs", rows)
    whole, out = tmp_path / "whole", tmp_path / "out"
    leaf(source, embedded, whole, teacher, shard_rows=60)
    command = [
        sys.executable, "-m", "gpte_data", "emit", source, "--corpus", embedded, "-o", out,
        "--format", "leaf", "--teacher", teacher, "--shard-rows", "60",
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, env=os.environ)
    while len(list(out.glob("*.parquet"))) < 5 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in sorted(out.glob("*.parquet"))[:4]}
    assert 0 < len(list(out.glob("*.parquet"))) < len(list(whole.glob("*.parquet")))
    leaf(source, embedded, out, teacher, shard_rows=60)
    assert files(out, "*.parquet") == files(whole, "*.parquet")
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "make them first, gpte-data embed"),
        ({"doc_prompt": "p: ", "max_length": 9}, "--doc-prompt 'p: ' --max-length 9"),
        ({"num_negatives": 3}, "--num-negatives changes nothing with --format leaf"),
        ({"format": "flagembedding"}, "--teacher changes nothing with --format flagembedding"),
        ({"teacher": "bm25"}, "teacher"),
        ({"teacher": ""}, "--format leaf writes a teacher's vectors: give --teacher"),
    ],
)
def test_what_is_missing_or_useless_is_said(
    few: Path, tmp_path: Path, teacher: str, options: dict[str, Any], says: str
) -> None:
    given = {"teacher": teacher} | options
    with pytest.raises(UserError, match=says):
        leaf(pairs(tmp_path / "pairs"), few, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_rows_that_are_neither_pairs_nor_passages(
    embedded: Path, tmp_path: Path, teacher: str
) -> None:
    source, out = pairs(tmp_path / "odd", [{"text": "no id"}]), tmp_path / "out"
    with pytest.raises(UserError, match="neither query_id and query nor doc_id"):
        leaf(source, embedded, out, teacher)
    io.write(source / "00000.parquet", [{"doc_id": "nobody", "text": "lost"}])
    with pytest.raises(UserError, match="'nobody' is not in"):
        leaf(source, embedded, out, teacher)


def test_vectors_made_before_and_two_datasets(few: Path, tmp_path: Path) -> None:
    """By ids, in length 1; each of two datasets has a corpus of its own."""
    made, rng = tmp_path / "vectors", np.random.default_rng(0)
    made.mkdir()
    ids = [row["doc_id"] for row in io.read_all(few)]
    vectors = rng.standard_normal((len(ids) + 1, 8)).astype(np.float32)
    np.save(made / "documents.npy", vectors[1:])
    np.save(made / "queries.npy", vectors[:1])
    (made / "documents.txt").write_text("".join(f"{one}\n" for one in ids))
    (made / "queries.txt").write_text("q\n")
    row = {"query_id": "q", "query": "what is salt?"}
    source, out = pairs(tmp_path / "pairs", [row]), tmp_path / "out"
    spec = f"vectors:{made}"
    leaf(source, few, out, spec, vector_dtype="float32")
    found = read(out)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found["what is salt?"], unit[0], atol=1e-6)
    for vector, passage in zip(unit[1:], io.read_all(few), strict=True):
        np.testing.assert_allclose(found[full_text(passage)], vector, atol=1e-6)
    both, stage = f"asked={source},read={few}", load("emit")
    cfg = stage.config.of({"source": both, "corpus": (str(few),), "format": "leaf",
                           "teacher": spec, "vector_dtype": "float32"})  # fmt: skip
    books = run(stage, cfg, both, tmp_path / "both", RunOptions()).ledger
    assert (books.rows_in, books.expanded, books.rows_out) == (31, 0, 31)
    assert read(tmp_path / "both") == found
    (made / "queries.txt").write_text("other\n")
    with pytest.raises(UserError, match=r"queries\.txt has no line for the pair 'q'"):
        leaf(source, few, tmp_path / "none", spec)


@pytest.mark.filterwarnings("ignore")
def test_a_small_model_learns_the_teachers_vectors(
    embedded: Path, tmp_path: Path, teacher: str
) -> None:
    """The real trainer and MSELoss on the folder as it is; the loss goes down."""
    from datasets import load_dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )  # fmt: skip
    from sentence_transformers.sentence_transformer.losses import MSELoss

    leaf(pairs(tmp_path / "pairs"), embedded, tmp_path / "out", teacher)
    data = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    width = len(data[0]["label"])
    model = SentenceTransformer(str(tiny_embedder(tmp_path / "student")), device="cpu")
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "trained"), max_steps=12, per_device_train_batch_size=16,
        learning_rate=3e-3, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, seed=1,
        disable_tqdm=True,
    )  # fmt: skip
    loss = MSELoss(model, projection_dim=width)
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 12
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
