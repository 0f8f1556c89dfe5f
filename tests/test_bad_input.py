"""What a user can get wrong: one sentence on stderr, exit 2, and nothing half-written."""

import gzip
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SAMPLE, cli, files, ok
from server import serve

GARBAGE = random.Random(7).randbytes(3000)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A corpus of one small shard."""
    folder = tmp_path_factory.mktemp("bad") / "corpus"
    ok("ingest", sample / "00000.parquet", "-o", folder, "--limit", 12)
    return folder


@pytest.fixture(scope="module")
def pairs(corpus: Path) -> Path:
    ok("synth", corpus, "-o", corpus.parent / "pairs", "--per-passage", 1)
    return corpus.parent / "pairs"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def wrong(out: Path, *args: object, env: dict[str, str] | None = None) -> str:
    """Run a command that must fail with one sentence and leave no output behind."""
    sentence = cli(*args, "-o", out, env=env).sentence()
    assert not out.exists(), list(out.rglob("*"))
    return sentence


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_missing_file(out: Path, corpus: Path, pairs: Path) -> None:
    nowhere = out.parent / "nowhere"
    for command in ("ingest", "synth"):
        assert f"{nowhere} does not exist" in wrong(out, command, nowhere)
    for command in ("mine-negatives", "filter-negatives", "emit"):
        assert f"{nowhere} does not exist" in wrong(out, command, nowhere, "--corpus", corpus)
        assert f"{nowhere} does not exist" in wrong(out, command, pairs, "--corpus", nowhere)
    assert "does not exist" in wrong(out, "ingest", nowhere / "docs.jsonl")


def test_what_is_missing_on_the_command_line(out: Path, corpus: Path, pairs: Path) -> None:
    assert "-o is missing" in cli("synth", corpus).sentence()
    assert "what to read is missing" in wrong(out, "synth")
    assert "what to read is missing" in wrong(out, "ingest")
    assert "option --corpus is required" in wrong(out, "emit", pairs)


def test_a_folder_or_file_of_another_kind(out: Path, corpus: Path) -> None:
    folder, image = out.parent / "folder", out.parent / "picture.png"
    folder.mkdir()
    image.write_bytes(GARBAGE)
    assert "holds no shards" in wrong(out, "synth", folder)
    assert "no dataset" in wrong(out, "synth", image)
    assert "of no kind that can be read" in wrong(out, "ingest", image)
    assert "of no kind that can be read" in wrong(out, "ingest", folder)


def test_wrong_columns(out: Path, corpus: Path, pairs: Path) -> None:
    told = "synth reads doc_id, text, but row 1 has no doc_id, text (found: "
    assert told in wrong(out, "synth", pairs)
    assert told in wrong(out, "synth", pairs, "--corpus", corpus)
    assert "no doc_id" in wrong(out, "mine-negatives", pairs, "--corpus", pairs)
    assert "query" in wrong(out, "mine-negatives", corpus, "--corpus", corpus)
    assert "filter-negatives reads candidates" in wrong(
        out, "filter-negatives", pairs, "--corpus", corpus
    )
    assert "emit reads" in wrong(out, "emit", corpus, "--corpus", corpus)
    source = out.parent / "docs.jsonl"
    source.write_text('{"name": "a", "words": "b"}\n')
    assert "has no column text" in wrong(out, "ingest", source)
    assert "has no column letters" in wrong(out, "ingest", source, "--text-column", "letters")


@pytest.mark.parametrize(
    ("command", "flag", "value", "told"),
    [
        ("synth", "--llm", "gpt", "'gpt' is no language model: expected one of extractive, "),
        ("synth", "--llm", "openai", "openai:MODEL"),
        ("synth", "--llm", "openai:", "openai:MODEL"),
        ("synth", "--recipe", "nope", "there is no recipe 'nope': take one of"),
        ("synth", "--recipe", "nope.md", "nope.md can't be read"),
        ("synth", "--recipe", "README.md", "front matter"),
        ("synth", "--engine", "slurm", "--engine takes local or ray, found 'slurm'"),
        ("synth", "--workers", "0", "--workers"),
        ("synth", "--limit", "0", "--limit"),
        ("synth", "--max-errors", "-1", "--max-errors"),
        ("synth", "--per-passage", "0", "--per-passage 0 won't do"),
        ("synth", "--temperature", "9", "--temperature 9.0 won't do"),
        ("mine-negatives", "--teacher", "word2vec:x", "is no teacher: expected one of"),
        ("mine-negatives", "--teacher", "st:/nowhere", "there is no model folder /nowhere"),
        ("mine-negatives", "--teacher", "st:nobody/nothing", "st:nobody/nothing can't be loaded"),
        ("mine-negatives", "--missing-positives", "perhaps", "'error' or 'drop'"),
        ("filter-negatives", "--reranker", "gpt:x", "is no reranker: expected one of"),
        ("filter-negatives", "--reranker", "st:./nowhere", "there is no model folder ./nowhere"),
        ("emit", "--format", "csv", "csv"),
    ],
)
def test_an_unknown_value(
    out: Path, corpus: Path, pairs: Path, command: str, flag: str, value: str, told: str
) -> None:
    source = corpus if command == "synth" else pairs
    more = [] if command == "synth" else ["--corpus", corpus]
    assert told in wrong(out, command, source, *more, flag, value)


def test_a_folder_that_is_no_model(out: Path, corpus: Path, pairs: Path) -> None:
    model = out.parent / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    mine = ("mine-negatives", pairs, "--corpus", corpus)
    sentence = wrong(out, *mine, "--teacher", f"st:{model}")
    assert "can't be loaded as a SentenceTransformer" in sentence


def test_a_server_that_does_not_answer(out: Path, corpus: Path, pairs: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    synth = ("synth", corpus, "--llm", "openai:m")
    assert f"{url} does not answer" in wrong(out, *synth, "--base-url", url)
    assert f"{url} does not answer" in wrong(out, *synth, env={"OPENAI_BASE_URL": url})
    mine = ("mine-negatives", pairs, "--corpus", corpus, "--teacher", "openai:m")
    assert f"{url} does not answer" in wrong(out, *mine, "--base-url", url)


def test_a_wrong_key_is_told_and_never_shown(out: Path, corpus: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-secret"}
    with serve(out.parent / "log", api_key="sk-right") as server:
        synth = ("synth", corpus, "--llm", "openai:m", "--base-url", server.url)
        ended = cli(*synth, "-o", out, env=env)
        assert "refuses the key" in ended.sentence()
        assert "OPENAI_API_KEY" in ended.sentence()
        assert "sk-secret" not in ended.stderr + ended.stdout
        assert not out.exists()
        assert "refuses the key" in wrong(out, *synth)


def test_the_key_is_in_no_file_and_on_no_stream(out: Path, corpus: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-secret"}
    faults = {"p500": 0.1, "pempty": 0.2, "pmalformed": 0.1}
    with serve(out.parent / "log", api_key="sk-secret", **faults) as server:
        synth = ("synth", corpus, "--llm", "openai:m", "--base-url", server.url, "--retries", 1)
        ended = cli(*synth, "-o", out, "--rejected", out.parent / "all.jsonl", env=env)
        assert ended.rc in (0, 1)
        assert "sk-secret" not in ended.stderr + ended.stdout
        piped = cli(*synth, "-o", "-", env=env)
        assert "sk-secret" not in piped.stderr + piped.stdout
    written = files(out)
    assert len(written) >= 4
    assert [name for name, content in written.items() if b"sk-secret" in content] == []
    assert b"sk-secret" not in (out.parent / "all.jsonl").read_bytes()


def test_a_text_that_the_server_refuses_is_a_failed_row(out: Path, corpus: Path) -> None:
    with serve(out.parent / "log", max_model_len=200) as server:
        flags = ("--llm", "openai:m", "--base-url", server.url, "--per-passage", 1)
        ended = cli("synth", corpus, "-o", out, *flags)
    assert ended.rc == 1
    assert "12 in = 0 out" in ended.stderr
    assert "longer than the model takes: 12" in ended.stderr


def test_an_empty_corpus(out: Path) -> None:
    sources = out.parent / "sources"
    empty, texts, folder, table = (sources / name for name in ("e.jsonl", "texts", "none", "t.csv"))
    texts.mkdir(parents=True)
    folder.mkdir()
    empty.touch()
    table.write_text("id,text\n")
    for name in ("a.txt", "b.md"):
        (texts / name).write_text(" \n")
    assert "is empty" in wrong(out, "ingest", empty)
    assert "nothing to write" in wrong(out, "ingest", texts)
    assert "of no kind that can be read" in wrong(out, "ingest", folder)
    assert "is empty" in wrong(out, "ingest", table)
    assert "holds no shards" in wrong(out, "synth", folder)
    assert "is empty" in wrong(out, "synth", empty)
    assert "is empty" in cli("synth", "-", "-o", "-", input="").sentence()
    assert "is empty" in cli("ingest", "-", "-o", "-", input="").sentence()


def test_an_empty_corpus_keeps_the_folder_that_was_there(out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    empty = out.parent / "empty.jsonl"
    empty.touch()
    cli("ingest", empty, "-o", out).sentence()
    assert files(out) == {"notes.txt": b"mine"}
    assert list(out.iterdir()) == [out / "notes.txt"]


def test_a_positive_that_is_not_in_the_corpus(out: Path, corpus: Path) -> None:
    pairs = out.parent / "pairs.jsonl"
    pairs.write_text('{"query_id": "q", "query": "what", "positives": ["elsewhere"]}\n')
    for command in ("mine-negatives", "emit"):
        sentence = wrong(out, command, pairs, "--corpus", corpus)
        assert "'q'" in sentence
        assert "'elsewhere', which is not in" in sentence
    hits = {"query_id": "q", "query": "what", "positives": ["elsewhere"], "candidates": []}
    pairs.write_text(json.dumps(hits))
    assert "'elsewhere'" in wrong(out, "filter-negatives", pairs, "--corpus", corpus)
    pairs.write_text('{"query_id": "q", "query": "what", "positives": "finance-01"}\n')
    assert "list" in wrong(out, "mine-negatives", pairs, "--corpus", corpus)


@pytest.mark.parametrize(
    "name", ["g.jsonl", "g.jsonl.gz", "g.jsonl.zst", "g.parquet", "g.csv", "g.tsv", "g.txt"]
)
def test_binary_garbage(out: Path, corpus: Path, name: str) -> None:
    source = out.parent / name
    source.write_bytes(GARBAGE)
    wrong(out, "ingest", source)
    if name.endswith((".jsonl", ".gz", ".zst", ".parquet")):
        assert name in wrong(out, "synth", source)
        wrong(out, "emit", source, "--corpus", corpus)
        wrong(out, "emit", corpus, "--corpus", source)


def test_files_that_are_damaged_further_on(out: Path, corpus: Path, sample: Path) -> None:
    parquet, lines = out.parent / "half.parquet", out.parent / "half.jsonl.gz"
    whole = (sample / "00000.parquet").read_bytes()
    parquet.write_bytes(whole[:2000] + GARBAGE + whole[5000:])
    text = (SAMPLE / "corpus.jsonl").read_bytes()
    lines.write_bytes(gzip.compress(text)[:-4000])
    for source in (parquet, lines):
        wrong(out, "synth", source)
        wrong(out, "ingest", source)


def test_a_torn_line(out: Path, corpus: Path) -> None:
    good = '{"doc_id": "a", "text": "Some words."}\n'
    torn = out.parent / "torn.jsonl"
    torn.write_text(good + good.replace('"a"', '"b"')[:20])
    assert f"{torn}, line 2 is not JSON" in wrong(out, "synth", torn)
    flags = ("-o", "-", "--corpus", corpus, "--per-passage", 1)
    piped = cli("synth", "-", *flags, input=torn.read_text())
    assert "stdin, line 2 is not JSON" in piped.sentence()
    assert "holds no JSON object" in cli("synth", "-", *flags, input="[1]\n").sentence()


def test_a_broken_document_is_dropped_and_counted(out: Path) -> None:
    source, rejected = out.parent / "docs.jsonl", out.parent / "rejected.jsonl"
    source.write_text('{"_id": "a", "text": "Some words."}\n{"_id": "b", "te\n')
    said = ok("ingest", source, "-o", out, "--rejected", rejected)
    assert "2 in = 1 out + 1 dropped (the line is not JSON: 1) + 0 failed" in said
    assert json.loads(rejected.read_text())["line"] == 2


def test_fields_without_content_are_no_error(out: Path) -> None:
    source = out.parent / "docs.jsonl"
    rows = [
        {"_id": "a", "text": "One.", "metadata": {}, "tags": [], "url": None},
        {"_id": "b", "text": "Two.", "metadata": {"year": 1, "inner": {}}, "tags": ["x"]},
    ]
    many = [{"_id": str(i), "text": "Many.", "metadata": {"page": i / 2}} for i in range(1100)]
    source.write_text("".join(json.dumps(row) + "\n" for row in (*rows, *many)))
    ok("ingest", source, "-o", out)
    from gpte_data.io import read_all

    folder = list(read_all(out))
    piped = cli("ingest", source, "-o", "-")
    assert [json.loads(line) for line in piped.stdout.splitlines()] == folder
    assert folder[0] == {"doc_id": "a", "text": "One.", "tags": []}
    assert folder[1]["metadata"] == {"year": 1}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_is_done(disk: Path, sample: Path) -> None:
    filler, out = disk / "filler", disk / "out"
    filler.write_bytes(b"." * 200_000)
    ingest = ("ingest", SAMPLE, "-o", out, "--shard-rows", 40)
    sentence = cli(*ingest).sentence()
    assert f"{out} can't be used (no space left on device)" in sentence
    whole = files(sample, "*.parquet")
    assert 0 < len(files(out, "*.parquet")) < 6
    assert files(out, "*.parquet").items() <= whole.items()
    assert [path for path in out.rglob("*.tmp")] == []
    filler.unlink()
    ok(*ingest)
    assert files(out, "*.parquet") == whole


def test_a_disk_full_of_answers_loses_none(disk: Path, sample: Path, tmp_path: Path) -> None:
    filler, out = disk / "filler", disk / "out"
    filler.write_bytes(b"." * 225_000)
    with serve(tmp_path / "log") as server:
        synth = ("synth", sample, "-o", out, "--llm", "openai:m", "--base-url", server.url)
        assert "no space left on device" in cli(*synth).sentence()
        kept = sum(path.read_bytes().count(b"\n") for path in (out / "_journal").glob("*.jsonl"))
        asked = len(server.requests())
        filler.unlink()
        ok(*synth)
        again = len(server.requests()) - asked
        assert again >= 720 - kept
        # Only what was in flight when the disk was full may be asked again.
        assert again <= 720 - kept + 1


def test_a_full_device_as_stdout(corpus: Path) -> None:
    command = [sys.executable, "-m", "gpte_data", "synth", str(corpus), "-o", "-"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: stdout can't be used (no space left on device)")
    assert done.stderr.count(b"\n") == 1


def test_a_device_for_rejected_rows_stays_a_device(out: Path, corpus: Path) -> None:
    before = Path("/dev/null").stat().st_rdev
    ok("synth", corpus, "-o", out, "--rejected", "/dev/null")
    ok("synth", corpus, "-o", "-", "--rejected", "/dev/null")
    full = cli("synth", corpus, "-o", out, "--rejected", "/dev/full")
    assert full.rc == 0 or "no space left" in full.sentence()
    assert Path("/dev/null").is_char_device()
    assert Path("/dev/full").is_char_device()
    assert Path("/dev/null").stat().st_rdev == before


def as_others(*args: object) -> "subprocess.CompletedProcess[str]":
    """Run a command without root's right to write and read everywhere; skip if that can't be."""
    command = [sys.executable, "-m", "gpte_data", *map(str, args)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("as root, this needs setpriv to give up root's rights")
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_that_may_not_be_written(tmp_path: Path, corpus: Path) -> None:
    folder = tmp_path / "closed"
    (folder / "out").mkdir(parents=True)
    secret = folder / "secret.jsonl"
    secret.write_text('{"doc_id": "a", "text": "b"}\n')
    secret.chmod(0o000)
    for path in (folder / "out", folder):
        path.chmod(0o555)
    try:
        for output in (folder / "out", folder / "new"):
            ended = as_others("synth", corpus, "-o", output)
            assert ended.returncode == 2, ended.stderr
            assert ended.stderr.startswith(f"error: {output}"), ended.stderr
            assert "can't be used (permission denied)" in ended.stderr
            assert ended.stderr.count("\n") == 1
        assert list((folder / "out").iterdir()) == []
        for command in ("ingest", "synth"):
            ended = as_others(command, secret, "-o", tmp_path / "out")
            assert ended.returncode == 2, ended.stderr
            assert f"error: {secret} can't be" in ended.stderr
            assert ended.stderr.count("\n") == 1
    finally:
        folder.chmod(0o755)
