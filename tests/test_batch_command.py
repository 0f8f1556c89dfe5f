"""`gpte-data synth --batch`: the same shards as live, on from where it was killed, billed once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_server import BatchServer, serve_batches
from conftest import cli, files, ok
from server import serve


def synth(few: Path, out: Path, url: str, *more: object) -> tuple[object, ...]:
    return ("synth", few, "-o", out, "--llm", "openai:m", "--base-url", url, *more)


def shards(folder: Path) -> dict[str, bytes]:
    return files(folder, "*.parquet")


def killed_when_it_polls(server: BatchServer, command: tuple[object, ...]) -> None:
    """Kill -9 the command and its workers while a batch is under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gpte_data", *map(str, command)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(batch["polls"] for batch in server.batches()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_shards_equal_those_of_a_live_run_and_are_billed_once(few: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log") as live:
        ok(*synth(few, tmp_path / "live", live.url))
    with serve_batches(tmp_path / "server") as server:
        command = synth(few, tmp_path / "out", server.url, "--batch")
        killed_when_it_polls(server, command)
        assert not shards(tmp_path / "out")
        said = ok(*command, "--workers", 2)
        keys = Counter(line["key"] for line in server.billed())
    assert len(keys) == 90 and set(keys.values()) == {1}
    assert "30 + 60 expanded in = 90 out" in said
    assert shards(tmp_path / "out") == shards(tmp_path / "live")
    assert not list((tmp_path / "out" / "_journal").glob("*.batches"))


def test_a_finished_run_is_not_asked_for_again(few: Path, tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server") as server:
        command = synth(few, tmp_path / "out", server.url, "--batch", "--per-passage", 1)
        ok(*command)
        ok(*command, "--min-words", 2, "--force")
        assert len(server.billed()) == 30


def test_half_the_price(few: Path, tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server") as server:
        command = synth(few, tmp_path / "out", server.url, "--dry-run", "--price-in", 100)
        told = [cli(*command, "--price-out", 200, *more) for more in ((), ("--batch",))]
        assert not server.billed() and not (tmp_path / "out").exists()
    live, batch = (cost(done.stdout + done.stderr) for done in told)
    assert batch == pytest.approx(live / 2, rel=0.02)


def cost(said: str) -> float:
    """Return the only sum of dollars that a dry run names in its row of costs."""
    lines = [line for line in said.splitlines() if "cost" in line.lower() and "$" in line]
    assert lines, said
    return float(lines[0].partition("$")[2].split()[0].strip("│ ,"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("-o", "-"), "--batch needs a folder"),
        (("-o", "OUT", "--llm", "extractive"), "--batch goes with --llm openai:MODEL"),
        (("-o", "OUT", "--llm", "vllm:m"), "--batch goes with --llm openai:MODEL"),
    ],
)
def test_what_does_not_go_with_it(
    few: Path, tmp_path: Path, more: tuple[str, ...], says: str
) -> None:
    told = [str(tmp_path / "out") if word == "OUT" else word for word in more]
    with serve_batches(tmp_path / "server") as server:
        given = ("--llm", "openai:m") if "--llm" not in more else ()
        done = cli("synth", few, *given, "--base-url", server.url, "--batch", *told)
        assert not server.billed()
    assert says in done.sentence()
    assert not (tmp_path / "out").exists()


def test_a_server_without_batches_is_told_of_before_anything_is_sent(
    few: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "log") as server:
        done = cli(*synth(few, tmp_path / "out", server.url, "--batch"))
    assert "batch" in done.sentence() and server.url in done.sentence()
    assert not shards(tmp_path / "out")
