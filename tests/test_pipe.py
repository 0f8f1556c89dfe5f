"""A stage in a pipe: stdout is data, stderr is talk, and a reader that leaves is no error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SAMPLE, cli, files, ok
from server import serve

from gpte_data.io import read_all

GPTE = f"{sys.executable} -m gpte_data"


def shell(script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script; the exit code is that of the first command of a pipe that failed."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, text=True,
        env=os.environ, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command", [f"ingest {SAMPLE} -o -", "synth CORPUS -o -", "emit PAIRS --corpus CORPUS -o -"]
)
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, sample: Path, command: str) -> None:
    pairs = tmp_path / "pairs"
    ok("synth", sample, "-o", pairs, "--per-passage", 20, "--limit", 200)
    told = command.replace("CORPUS", str(sample)).replace("PAIRS", str(pairs))
    more = " --num-negatives 0" if command.startswith("emit") else ""
    done = shell(f"{GPTE} {told}{more} | head -1")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
    assert len(done.stdout.splitlines()) == 1
    json.loads(done.stdout)


def test_a_reader_that_leaves_while_answers_are_on_their_way(tmp_path: Path, sample: Path) -> None:
    with serve(tmp_path / "log", latency=0.2) as server:
        llm = f"--llm openai:m --base-url {server.url} --concurrency 32"
        done = shell(f"{GPTE} synth {sample} -o - {llm} | head -1")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert json.loads(done.stdout)["generator"] == "openai:m"
        # It stops asking: 720 answers were to be had.
        assert len(server.requests()) < 400


def test_a_whole_pipeline_is_that_over_folders(tmp_path: Path) -> None:
    one, flags = tmp_path / "one", "--per-passage 1"
    ok("ingest", SAMPLE, "-o", one / "corpus")
    ok("synth", one / "corpus", "-o", one / "pairs", "--per-passage", 1)
    done = shell(f"{GPTE} ingest {SAMPLE} -o - | {GPTE} synth - -o - {flags} > {tmp_path}/p.jsonl")
    assert done.returncode == 0, done.stderr
    assert list(read_all(tmp_path / "p.jsonl")) == list(read_all(one / "pairs"))
    assert "ingest: 240 in = 240 out + 0 dropped + 0 failed" in done.stderr.splitlines()


def test_stdin_into_a_folder(tmp_path: Path, sample: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in read_all(sample))
    ok("synth", "-", "-o", tmp_path / "out", input=lines)
    ok("synth", sample, "-o", tmp_path / "wanted")
    assert list(read_all(tmp_path / "out")) == list(read_all(tmp_path / "wanted"))
    assert "nothing to do" in ok("synth", "-", "-o", tmp_path / "out", input=lines)
    changed = cli("synth", "-", "-o", tmp_path / "out", input=lines[:2000].rpartition("\n")[0])
    assert "(corpus: [" in changed.sentence()


def test_nothing_but_data_on_stdout(tmp_path: Path, sample: Path) -> None:
    ended = cli("synth", sample, "-o", "-", "--limit", 3)
    assert [json.loads(line)["query_id"][:10] for line in ended.stdout.splitlines()]
    assert ended.stderr.startswith("synth: 3 + 6 expanded in = ")
    assert cli("synth", sample, "-o", tmp_path / "out", "--limit", 3).stdout == ""


def test_limit_and_rejected_in_a_pipe(tmp_path: Path, sample: Path) -> None:
    rejected = tmp_path / "rejected.jsonl"
    piped = cli("synth", sample, "-o", "-", "--rejected", rejected)
    ok("synth", sample, "-o", tmp_path / "out", "--rejected", tmp_path / "wanted.jsonl")
    assert rejected.read_bytes() == (tmp_path / "wanted.jsonl").read_bytes()
    rows = [json.loads(line) for line in piped.stdout.splitlines()]
    assert rows == list(read_all(tmp_path / "out"))


def test_failed_rows_in_a_pipe_decide_the_exit_code(tmp_path: Path, sample: Path) -> None:
    with serve(tmp_path / "log", p500=0.5) as server:
        synth = (
            "synth", sample, "-o", "-", "--llm", "openai:m", "--base-url", server.url,
            "--limit", 10, "--retries", 0,
        )  # fmt: skip
        few = cli(*synth, "--max-errors", 2)
        assert few.rc == 1
        assert "error: more than 2 rows failed" in few.stderr
        assert cli(*synth, "--max-errors", 30).rc == 0
        assert cli(*synth, "--seed", 1).rc == 1


def test_a_pipe_marks_nothing(tmp_path: Path, sample: Path) -> None:
    before = files(sample)
    cli("synth", sample, "-o", "-", "--limit", 3)
    cli("emit", "-", "-o", "-", "--corpus", sample, "--num-negatives", 0, input="")
    assert files(sample) == before
