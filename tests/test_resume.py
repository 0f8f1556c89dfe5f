"""Equal work is skipped, other work refused with the difference named, and nothing else touched."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import SAMPLE, Ended, cli, files, ok
from server import Server, serve
from tiny_models import tiny_embedder

from gpte_data.files import atomic
from gpte_data.io import read_all

PROMPT = """---
version: 1
answer: {type: object, properties: {query: {type: string}}, required: [query]}
---
# user
Write a query for: {{passage}}
"""


@pytest.fixture
def corpus(tmp_path: Path, sample: Path) -> Path:
    """A copy of the sample corpus that a test may spoil."""
    return shutil.copytree(sample, tmp_path / "corpus")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """Pairs of that corpus, made without a model."""
    pairs = tmp_path_factory.mktemp("made") / "pairs"
    ok("synth", sample, "-o", pairs, "--per-passage", 1)
    return pairs


@pytest.fixture
def pairs(tmp_path: Path, made: Path) -> Path:
    """A copy of those pairs that a test may spoil."""
    return shutil.copytree(made, tmp_path / "pairs")


def refused(output: Path, *args: object) -> str:
    """Run a command that must be refused and must leave its output as it was."""
    before = files(output)
    sentence = cli(*args).sentence()
    assert files(output) == before
    return sentence


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_does_nothing_and_says_so(tmp_path: Path, corpus: Path, pairs: Path) -> None:
    before = times(pairs)
    said = ok("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert said == (
        f"synth: nothing to do, {pairs} is done with the same settings (6 shards, 240 rows)\n"
    )
    assert times(pairs) == before


def test_a_second_run_of_whole_stages_does_nothing(
    tmp_path: Path, corpus: Path, pairs: Path
) -> None:
    emit = ("emit", pairs, "-o", tmp_path / "out", "--corpus", corpus, "--num-negatives", 0)
    ok(*emit)
    before = times(tmp_path / "out")
    assert "nothing to do" in ok(*emit)
    assert times(tmp_path / "out") == before
    assert "nothing to do" in ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 40)


def test_what_only_makes_it_faster_is_no_change(corpus: Path, pairs: Path) -> None:
    again = ("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert "nothing to do" in ok(*again, "--workers", 2, "--timeout", 5, "--concurrency", 2)


def test_a_changed_flag_is_refused_and_named(corpus: Path, pairs: Path) -> None:
    again = ("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert "(min_words: 1 -> 2)" in refused(pairs, *again, "--min-words", 2)
    assert "nothing to do" in ok(*again, "--temperature", 0.2), "extractive has none"
    assert "(seed: 0 -> 5)" in refused(pairs, *again, "--seed", 5)
    two = refused(pairs, "synth", corpus, "-o", pairs, "--seed", 5)
    assert "(per_passage: 1 -> 3, seed: 0 -> 5)" in two
    assert "(limit: none -> 7)" in refused(pairs, *again, "--limit", 7)


def test_another_stage_in_the_same_folder_is_refused(
    tmp_path: Path, corpus: Path, pairs: Path
) -> None:
    other = shutil.copytree(corpus, tmp_path / "other")
    sentence = refused(other, "emit", pairs, "-o", other, "--corpus", corpus, "--num-negatives", 0)
    assert "(stage: ingest -> emit)" in sentence


def test_a_changed_prompt_is_refused_and_a_moved_one_is_not(tmp_path: Path, corpus: Path) -> None:
    prompt, out = tmp_path / "mine.md", tmp_path / "out"
    prompt.write_text(PROMPT)
    ok("synth", corpus, "-o", out, "--recipe", prompt)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(prompt, tmp_path / "elsewhere" / "mine.md")
    assert "nothing to do" in ok("synth", corpus, "-o", out, "--recipe", moved)
    Path(moved).write_text(PROMPT.replace("Write a", "Write one"))
    sentence = refused(out, "synth", corpus, "-o", out, "--recipe", moved)
    assert "(recipe.prompt: " in sentence


def test_a_changed_model_is_refused_and_a_moved_one_is_not(
    tmp_path: Path, corpus: Path, pairs: Path
) -> None:
    model = shutil.copytree(tiny_embedder(tmp_path / "tiny"), tmp_path / "model")
    out = tmp_path / "mined"

    def mine(model: Path) -> tuple[object, ...]:
        return ("mine-negatives", pairs, "-o", out, "--corpus", corpus, "--teacher", f"st:{model}")

    ok(*mine(model), "--top-k", 3)
    moved = Path(shutil.move(model, tmp_path / "elsewhere"))
    assert "nothing to do" in ok(*mine(moved), "--top-k", 3)
    with (moved / "config.json").open("a") as config:
        config.write(" ")
    assert "(teacher.files: " in refused(out, *mine(moved), "--top-k", 3)


def test_a_changed_corpus_is_refused(tmp_path: Path, corpus: Path, pairs: Path) -> None:
    out = tmp_path / "out"
    emit = ("emit", pairs, "-o", out, "--corpus", corpus, "--num-negatives", 0)
    ok(*emit)
    ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 40, "--limit", 239, "--force")
    assert "(corpus: [" in refused(out, *emit)


def test_a_changed_input_shard_is_refused(tmp_path: Path, corpus: Path, pairs: Path) -> None:
    rows = list(read_all(pairs))
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    emit = ("emit", source, "-o", out, "--corpus", corpus, "--num-negatives", 0)
    ok(*emit)
    source.write_text(source.read_text().replace(rows[7]["query"], "another query"))
    assert "(source: " in refused(out, *emit)


def test_a_changed_source_is_refused(tmp_path: Path) -> None:
    source, out = tmp_path / "docs.jsonl", tmp_path / "out"
    source.write_text('{"_id": "a", "text": "One."}\n')
    ok("ingest", source, "-o", out)
    source.write_text('{"_id": "a", "text": "Two."}\n')
    assert "(source: " in refused(out, "ingest", source, "-o", out)


def test_force_makes_it_again(tmp_path: Path, corpus: Path, pairs: Path) -> None:
    ok("synth", corpus, "-o", pairs, "--per-passage", 2, "--force")
    assert len(list(read_all(pairs))) > 400
    assert "nothing to do" in ok("synth", corpus, "-o", pairs, "--per-passage", 2)


def test_force_leaves_no_shard_of_before(corpus: Path) -> None:
    ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 100, "--force")
    assert sorted(files(corpus, "*.parquet")) == [f"0000{i}.parquet" for i in range(3)]
    assert len(list(read_all(corpus))) == 240


def test_an_edited_shard_is_refused(tmp_path: Path, corpus: Path, pairs: Path) -> None:
    shutil.copy(pairs / "00001.parquet", pairs / "00002.parquet")
    sentence = refused(pairs, "synth", corpus, "-o", pairs, "--per-passage", 1)
    assert "00002.parquet" in sentence
    assert "edited" in sentence
    shutil.copy(corpus / "00001.parquet", corpus / "00002.parquet")
    assert "edited" in refused(corpus, "ingest", SAMPLE, "-o", corpus, "--shard-rows", 40)


def test_a_touched_shard_with_the_same_content_is_no_change(corpus: Path, pairs: Path) -> None:
    os.utime(pairs / "00002.parquet")
    os.utime(corpus / "00002.parquet")
    assert "nothing to do" in ok("synth", corpus, "-o", pairs, "--per-passage", 1)


def test_a_deleted_shard_is_made_again(corpus: Path, pairs: Path) -> None:
    before = files(pairs, "*.parquet")
    (pairs / "00003.parquet").unlink()
    ok("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert files(pairs, "*.parquet") == before


def test_a_deleted_shard_of_a_whole_stage_is_made_again(corpus: Path) -> None:
    ingest = ("ingest", SAMPLE, "-o", corpus, "--shard-rows", 40)
    before = files(corpus, "*.parquet")
    for name in ("00000.parquet", "00003.parquet", "00005.parquet"):
        (corpus / name).unlink()
        ok(*ingest)
        assert files(corpus, "*.parquet") == before
    (corpus / "00005.parquet").unlink()
    (corpus / "_done" / "00005.json").unlink()
    ok(*ingest)
    assert files(corpus, "*.parquet") == before


@pytest.mark.parametrize("name", ["00006.jsonl", "00099.parquet", "mine.jsonl"])
def test_a_stray_shard_is_refused(corpus: Path, pairs: Path, name: str) -> None:
    (pairs / name).write_text("{}\n")
    again = ("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert name in refused(pairs, *again)
    assert name in refused(pairs, *again, "--force")


def test_a_shard_that_the_input_lacks_is_refused(corpus: Path, pairs: Path) -> None:
    (corpus / "00005.parquet").unlink()
    sentence = refused(pairs, "synth", corpus, "-o", pairs, "--per-passage", 1)
    assert "(corpus: " in sentence or "00005" in sentence


def test_a_folder_of_other_files_is_refused(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "00000.jsonl").write_text('{"precious": true}\n')
    assert "another origin (00000.jsonl)" in refused(out, "synth", corpus, "-o", out)
    assert "another origin" in refused(out, "synth", corpus, "-o", out, "--force")


def test_an_output_that_is_the_input_is_refused(tmp_path: Path, corpus: Path) -> None:
    assert "that is read" in refused(corpus, "synth", corpus, "-o", corpus)
    assert "that is read" in refused(corpus, "synth", corpus / "00000.parquet", "-o", corpus)
    assert "that is read" in refused(corpus, "synth", corpus, "-o", corpus, "--force")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Title\n\nText.\n")
    for out in (docs, docs / "inside" / "out"):
        assert "that is read" in refused(docs, "ingest", docs, "-o", out)


def test_an_output_that_is_a_file_is_refused(tmp_path: Path, corpus: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert "is a file" in cli("synth", corpus, "-o", file).sentence()
    assert "not a directory" in cli("synth", corpus, "-o", file / "inside").sentence()
    assert file.read_text() == "mine"


def test_a_damaged_mark_is_told_and_deleting_it_mends_it(corpus: Path, pairs: Path) -> None:
    before = files(pairs, "*.parquet")
    again = ("synth", corpus, "-o", pairs, "--per-passage", 1)
    mark = pairs / "_done" / "00002.json"
    for content in ("", "{", "[]", '{"rows": 1}', '"mark"', "null", "\0\0\0"):
        mark.write_text(content)
        assert f"{mark} is no mark" in refused(pairs, *again)
    mark.unlink()
    ok(*again)
    assert files(pairs, "*.parquet") == before


def test_force_mends_a_damaged_mark(corpus: Path, pairs: Path) -> None:
    before = files(pairs, "*.parquet")
    (pairs / "_done" / "00002.json").write_text("{")
    ok("synth", corpus, "-o", pairs, "--per-passage", 1, "--force")
    assert files(pairs, "*.parquet") == before


def test_a_deleted_mark_of_a_whole_stage_mends_itself(corpus: Path) -> None:
    before = files(corpus, "*.parquet")
    for name in ("00000", "00002", "00005", "_all"):
        (corpus / "_done" / f"{name}.json").unlink()
        ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 40)
        assert files(corpus, "*.parquet") == before


def test_limit_reads_so_many_rows_over_shards(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "out"
    synth = ("synth", corpus, "-o", out, "--per-passage", 1)
    ok(*synth, "--limit", 90)
    rows = list(read_all(out))
    assert len(rows) == 90
    assert sorted(files(out, "*.parquet")) == [f"0000{i}.parquet" for i in range(3)]
    assert "nothing to do" in ok(*synth, "--limit", 90)
    assert "limit: 90 -> 91" in refused(out, *synth, "--limit", 91)


def test_rejected_rows_are_complete_also_the_second_time(tmp_path: Path, corpus: Path) -> None:
    out, first, second = tmp_path / "out", tmp_path / "first.jsonl", tmp_path / "sub" / "2.jsonl"
    said = ok("synth", corpus, "-o", out, "--rejected", first)
    rows = [json.loads(line) for line in first.read_text().splitlines()]
    dropped = sum(1 for row in rows if row["rejected"] == "dropped")
    assert f"{dropped} dropped (repeats another query of the passage: {dropped})" in said
    assert all(row["reason"] and row["query_id"] for row in rows)
    assert "nothing to do" in ok("synth", corpus, "-o", out, "--rejected", second)
    assert second.read_bytes() == first.read_bytes()


def test_leftover_temporaries_are_swept_and_those_of_others_are_not(
    corpus: Path, pairs: Path
) -> None:
    host = "".join(c for c in os.uname().nodename if c.isascii() and c.isalnum())
    # The number is that of a living process: it is the lock that counts.
    dead = [
        pairs / f".00000.parquet.{host}-{os.getpid()}.tmp",
        pairs / "_done" / f".00000.json.{host}-{os.getpid()}.tmp",
        pairs / "_rejected" / f".00000.jsonl.{host}-{os.getpid()}.tmp",
    ]
    others = [pairs / ".00000.parquet.anotherhost-1.tmp", pairs / ".mine.tmp"]
    (pairs / "_rejected").mkdir(exist_ok=True)
    for path in (*dead, *others):
        path.touch()
    (pairs / "00000.parquet").unlink()
    with atomic(pairs / "being-written"):
        ok("synth", corpus, "-o", pairs, "--per-passage", 1)
    assert (pairs / "being-written").exists()
    assert [path for path in dead if path.exists()] == []
    assert [path for path in others if path.exists()] == others


def openai(server: Server, corpus: Path, out: Path, *more: object) -> Ended:
    """Run synth over a small part of the corpus against the test server."""
    return cli(
        "synth", corpus, "-o", out, "--llm", "openai:test", "--base-url", server.url,
        "--per-passage", 1, "--limit", 60, "--retries", 0, *more,
    )  # fmt: skip


def test_failed_rows_are_kept_and_tried_again(tmp_path: Path, corpus: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    with serve(log, p500=0.3) as server:
        first = openai(server, corpus, out)
        assert first.rc == 1
        asked = [line for line in server.requests() if line["path"] == "/v1/chat/completions"]
        failed = sum(1 for line in asked if line["status"] == 500)
        assert 5 < failed < 30
        assert f"{failed} failed (status 500: {failed})" in first.stderr
        kept = [
            json.loads(line)
            for path in sorted((out / "_rejected").glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        assert [row["reason"] for row in kept if row["rejected"] == "failed"] == [
            "status 500"
        ] * failed
        rounds = 0
        while (ended := openai(server, corpus, out)).rc == 1:
            rounds += 1
            assert rounds < 20
        assert ended.rc == 0
        log_lines = [line for line in server.requests() if line["status"] == 200]
        assert len(log_lines) == len({line["key"] for line in log_lines}) == 60
    assert len(list(read_all(out))) == 60
    assert "0 failed" in ended.stderr
    with serve(tmp_path / "log2") as server:
        unbroken = tmp_path / "unbroken"
        assert openai(server, corpus, unbroken).rc == 0
    assert files(unbroken, "*.parquet") == files(out, "*.parquet")


def test_max_errors_decides_the_exit_code(tmp_path: Path, corpus: Path) -> None:
    with serve(tmp_path / "log", p500=0.5) as server:
        assert openai(server, corpus, tmp_path / "a", "--max-errors", 60).rc == 0
    with serve(tmp_path / "log2", p500=0.5) as server:
        few = openai(server, corpus, tmp_path / "b", "--max-errors", 2)
    assert few.rc == 1
    told = "error: more than 2 rows failed, the last one for: status 500"
    assert few.stderr.splitlines()[-1].startswith(told)
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"_journal", "_rejected"}
