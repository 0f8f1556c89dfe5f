"""Emission as a whole: its order, its shards, what it refuses, and what a killed run leaves."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import cli, ok
from test_emit import emit, make

from gpte_data import io
from gpte_data.emission import ordering, writing
from gpte_data.emission.gathered import EXAMPLE
from gpte_data.emission.options import shard_bytes
from gpte_data.errors import BadInput, BadOption, Changed
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stages import load
from gpte_data.table_files import Compression, TableFile, ending, write_file


def files(folder: Path) -> dict[str, bytes]:
    """Return all files that are no marks, by their paths."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "_done" not in path.parts
    }


def refused(*args: object) -> str:
    """Run `gpte-data`, which must refuse; return its sentence."""
    return cli(*args).sentence()


@pytest.mark.parametrize("limit", [1, 7, 100, 10**6])
def test_ranges_of_keys_make_one_order(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "RANGE", limit)
    monkeypatch.setattr(ordering, "SCAN", 13)
    examples = np.zeros(500, dtype=EXAMPLE)
    examples["key"] = np.random.default_rng(1).integers(0, 2**64, 500, dtype=np.uint64)
    examples["key"][100:140] = examples["key"][7]
    examples["part"] = np.arange(500) % 3
    for part in range(3):
        found = np.concatenate(list(ordering.shuffled(examples, part)))
        mine = np.flatnonzero(examples["part"] == part)
        expected = mine[np.argsort(examples["key"][mine], kind="stable")]
        assert found.tolist() == expected.tolist()


def test_the_shuffle_is_uniform(tmp_path: Path) -> None:
    """Over 300 seeds every query is as often in each sixth of the order (chi-squared, p > 1e-4)."""
    make(tmp_path)
    rows = list(io.read_all(tmp_path / "rows"))
    counts, follows = np.zeros((60, 6)), 0
    for seed in range(300):
        found = load("emit")(
            rows, corpus=(tmp_path / "corpus",), format="ids", num_negatives=0, seed=seed
        )
        order = [int(row["query_id"][1:]) for row in found]
        counts[order, np.arange(60) // 10] += 1
        follows += sum(b == a + 1 for a, b in pairwise(order))
    assert ((counts - 50) ** 2 / 50).sum() < 398
    assert abs(follows - 300 * 59 / 60) < 5 * 300**0.5


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    make(tmp_path, queries=100)
    flags = ("--corpus", tmp_path / "corpus", "--num-negatives", 2, "--shard-rows", 1,
             "--split", "train=.8,test=.2", "--format", "flagembedding")  # fmt: skip
    ok("emit", tmp_path / "rows", "-o", tmp_path / "whole", *flags)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "gpte_data", "emit", tmp_path / "rows", "-o", out, *flags]
    killed = 0
    for wanted in (1, 20, 45):
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.rglob("0*.jsonl"))) < wanted:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    before = {path: path.stat().st_mtime_ns for path in out.rglob("0*.jsonl")}
    marks = {path: (out / "_done" / path.relative_to(out)).with_suffix(".json") for path in before}
    done = {path for path, mark in marks.items() if mark.exists()}
    ok("emit", tmp_path / "rows", "-o", out, *flags)
    assert files(out) == files(tmp_path / "whole")
    assert done and all(path.stat().st_mtime_ns == before[path] for path in done)
    assert "nothing to do" in ok("emit", tmp_path / "rows", "-o", out, *flags)


def test_shards_of_so_many_bytes(tmp_path: Path) -> None:
    rows = list(io.read_all(emit(tmp_path, "all", num_negatives=2)[0]))
    sizes = [sum(len(text.encode()) for text in row.values()) for row in rows]
    out, _ = emit(tmp_path, num_negatives=2, shard_size="300", shard_rows=3)
    shards = [list(io.read(path)) for path in io.shards(out)]
    assert [row for shard in shards for row in shard] == rows
    lengths = [sum(sizes[sum(map(len, shards[:n])) :][: len(s)]) for n, s in enumerate(shards)]
    assert max(lengths) <= 320 and max(map(len, shards)) == 3 and len(shards) > 10
    one, _ = emit(tmp_path, "one", num_negatives=2, shard_size="150", shard_rows=9)
    assert {len(list(io.read(path))) for path in io.shards(one)} <= {1, 2}
    tiny, _ = emit(tmp_path, "tiny", num_negatives=2, shard_size="1")
    assert len(io.shards(tiny)) == len(rows)
    assert [shard_bytes(size) for size in ("", "12", "1.5K", "500MB", "2gb")] == [
        None, 12, 1500, 500_000_000, 2_000_000_000
    ]  # fmt: skip


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_files_may_be_compressed(tmp_path: Path, compression: Compression) -> None:
    plain = list(io.read_all(emit(tmp_path, "plain", format="ids", num_negatives=2)[0]))
    out, _ = emit(tmp_path, "coded", format="ids", num_negatives=2, compression=compression)
    assert list(io.read_all(out)) == plain
    codec = pq.ParquetFile(out / "00000.parquet").metadata.row_group(0).column(0).compression
    assert codec == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
    table = pa.table({"text": ["a", "é"] * 500})
    file = TableFile("x", lambda: iter([table, table]), 2000, "jsonl", compression)
    path = tmp_path / f"x{ending('jsonl', compression)}"
    with path.open("wb") as target:
        write_file(target, file)
    assert [row["text"] for row in io.read(path)] == ["a", "é"] * 1000


def test_a_compression_that_a_loader_can_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="is read with --compression none alone"):
        emit(tmp_path, format="flagembedding", compression="gzip")
    out, _ = emit(tmp_path, format="contrastors", num_negatives=2)
    first = json.loads(gzip.decompress((out / "shard-00000.jsonl.gz").read_bytes()).splitlines()[0])
    assert {"query", "document", "negatives"} <= set(first)


def test_several_datasets_each_with_its_corpus(tmp_path: Path) -> None:
    """The same ids may stand for other documents in another dataset."""
    make(tmp_path / "a", queries=20)
    make(tmp_path / "b", queries=30)
    docs = [row | {"text": f"other {row['doc_id']}"} for row in io.read_all(tmp_path / "b/corpus")]
    for path in io.shards(tmp_path / "b" / "corpus"):
        path.unlink()
    io.write(tmp_path / "b" / "corpus" / "00000.parquet", docs)
    source = f"one={tmp_path / 'a/rows'},two={tmp_path / 'b/rows'}"
    one, two = tmp_path / "a" / "corpus", tmp_path / "b" / "corpus"
    corpora = ("--corpus", f"one={one}", "--corpus", f"two={two}")
    out = tmp_path / "out"
    ok("emit", source, "-o", out, *corpora, "--num-negatives", 1)
    rows = list(io.read_all(out))
    assert sum("other" in row["positive"] for row in rows) > sum(
        "other" not in row["positive"] for row in rows
    )
    assert all(("other" in row["positive"]) == ("other" in row["negative"]) for row in rows)
    both = tmp_path / "both"
    for name in ("a", "b"):
        (both / name).parent.mkdir(exist_ok=True)
        (both / name).symlink_to(tmp_path / name / "rows")
    said = refused("emit", both, "-o", tmp_path / "x", "--corpus", f"a={one}")
    assert "--corpus is missing for 'b'" in said
    said = refused("emit", source, "-o", tmp_path / "x", "--corpus", "c=none")
    assert "there is no dataset 'c', found one, two" in said
    ok("emit", both, "-o", tmp_path / "same", "--num-negatives", 1, "--corpus",
       f"a={one}", "--corpus", f"b={two}")  # fmt: skip
    assert sorted(map(str, io.read_all(tmp_path / "same"))) == sorted(map(str, rows))


def test_an_instruction_stands_in_front_where_there_is_no_field(tmp_path: Path) -> None:
    out, _ = emit(tmp_path, num_negatives=1, prompt="Find it")
    anchors = [row["anchor"] for row in io.read_all(out)]
    assert all(anchor.startswith("Instruct: Find it\nQuery: what is") for anchor in anchors)
    out, _ = emit(tmp_path, "b", num_negatives=1, prompt="F", template="{instruction}: {query}")
    assert all(row["anchor"].startswith("F: what is") for row in io.read_all(out))
    with pytest.raises(BadOption, match="--template must hold"):
        emit(tmp_path, "c", template="{query}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"query_id": [1, 2]}, "query_id must hold strings, found int64"),
        ({"positives": [[1], [2]]}, "positives must hold strings"),
        ({"query": ["a", None]}, "row 'b' of the input has no query"),
        ({"positives": [["d1"], ["nowhere"]]}, "row 'b' names 'nowhere', which is not in"),
        ({"positive_scores": [[0.5, 0.4], [0.5]]}, "has 1 positives and 2 positive_scores"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    make(tmp_path)
    columns = {"query_id": ["a", "b"], "query": ["x", "y"], "positives": [["d1"], ["d2"]]}
    (tmp_path / "rows.parquet").unlink(missing_ok=True)
    pq.write_table(pa.table(columns | change), tmp_path / "rows.parquet")
    said = refused("emit", tmp_path / "rows.parquet", "-o", tmp_path / "out",
        "--corpus", tmp_path / "corpus", "--num-negatives", 0,
    )  # fmt: skip
    assert sentence in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, " ", ""])
def test_a_document_without_text_is_named(tmp_path: Path, text: str | None) -> None:
    make(tmp_path)
    docs = [row | ({"text": text, "title": None} if row["doc_id"] == "d7" else {}) for row in
            io.read_all(tmp_path / "corpus")]  # fmt: skip
    for path in io.shards(tmp_path / "corpus"):
        path.unlink()
    io.write(tmp_path / "corpus" / "00000.parquet", docs)
    with pytest.raises(BadInput, match="the document 'd7' has no text, and examples hold it"):
        emit(tmp_path, num_negatives=1)
    assert not (tmp_path / "train").exists()


def test_long_texts_make_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of examples together no more bytes are held than MOST; the rows are the same."""
    rows = list(io.read_all(emit(tmp_path, "one", num_negatives=2)[0]))
    monkeypatch.setattr(writing, "MOST", 150)
    out, _ = emit(tmp_path, "two", num_negatives=2)
    assert list(io.read_all(out)) == rows
    groups = pq.ParquetFile(out / "00000.parquet").metadata
    held = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert set(held) <= {1, 2} and sum(held) == len(rows)


def test_a_folder_of_another_format_or_of_others_is_left_alone(tmp_path: Path) -> None:
    out, _ = emit(tmp_path, num_negatives=2)
    before = files(out)
    with pytest.raises(Changed, match="format: sentence-transformers -> flagembedding"):
        emit(tmp_path, format="flagembedding", num_negatives=2)
    assert files(out) == before
    other = tmp_path / "other"
    (other / "dev").mkdir(parents=True)
    (other / "dev" / "mine.jsonl").write_text("{}\n")
    with pytest.raises(Changed, match=r"dev/mine\.jsonl"):
        emit(tmp_path, "other", num_negatives=2)
    assert (other / "dev" / "mine.jsonl").read_text() == "{}\n"


def test_force_makes_again_what_another_format_left(tmp_path: Path) -> None:
    out, _ = emit(tmp_path, num_negatives=2, split="train=.8,test=.2")
    stage = load("emit")
    cfg = stage.config.of({"corpus": (tmp_path / "corpus",), "format": "flagembedding"})
    run(stage, cfg, str(tmp_path / "rows"), out, RunOptions(force=True))
    assert [path.name for path in out.rglob("0*") if "_done" not in path.parts] == ["00000.jsonl"]


def test_equal_counts_are_asked_for_where_they_are_needed(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="needs as many negatives in every row"):
        emit(tmp_path, shortage="keep")
    kept, _ = emit(tmp_path, "kept", format="flagembedding", shortage="keep", num_negatives=6)
    lengths = {len(row["neg"]) for row in io.read_all(kept)}
    assert max(lengths) == 6 and min(lengths) >= 1 and len(lengths) > 2


def test_scores_are_of_one_scale(tmp_path: Path) -> None:
    """Where the reranker did not score all documents of an example, the teacher's stand there."""
    make(tmp_path)
    rows = list(io.read_all(tmp_path / "rows"))
    for number, row in enumerate(rows):
        row["positive_rerank_scores"] = [7.0] * len(row["positives"])
        row["candidates"] = [
            hit | ({"rerank_score": 3.0} if number % 2 else {}) for hit in row["candidates"]
        ]
    for path in io.shards(tmp_path / "rows"):
        path.unlink()
    io.write(tmp_path / "rows" / "00000.parquet", rows)
    found = {"auto": set[Any](), "teacher": set[Any](), "reranker": set[Any]()}
    for choice, scores in found.items():
        out, _ = emit(tmp_path, choice, format="ids", num_negatives=2, scores=choice)
        for row in io.read_all(out):
            odd = int(row["query_id"][1:]) % 2
            scores.add((odd, row["positive_scores"][0], row["negative_scores"][0] in (3.0, None)))
    teacher = float(np.float32(0.95))
    assert found["auto"] == {(1, 7.0, True), (0, teacher, False)}
    assert found["teacher"] == {(1, teacher, False), (0, teacher, False)}
    assert found["reranker"] == {(1, 7.0, True), (0, None, True)}


def test_candidates_all_are_for_distillation(tmp_path: Path) -> None:
    out, result = emit(tmp_path, format="ids", candidates="all", num_negatives=4)
    assert result.ledger.rows_out == 60
    row = next(row for row in io.read_all(out) if row["query_id"] == "q5")
    assert row["negatives"] == ["d12", "d19", "d26", "d33"]


def test_the_reading_end_of_a_pipe_gets_the_rows(tmp_path: Path) -> None:
    rows = list(io.read_all(emit(tmp_path, num_negatives=1)[0]))
    command = [sys.executable, "-m", "gpte_data", "emit", tmp_path / "rows", "-o", "-",
               "--corpus", tmp_path / "corpus", "--num-negatives", 1]  # fmt: skip
    ended = subprocess.run(list(map(str, command)), capture_output=True, check=True, env=os.environ)
    assert [json.loads(line) for line in ended.stdout.splitlines()] == rows
