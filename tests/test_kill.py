"""kill -9 at any moment: the same command goes on, and nothing paid for is lost or paid for twice.

The books of the test server and the journals on disk are compared after every kill: what a journal
holds at that moment must never be asked again, and what it lacks must be.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SAMPLE, cli, files, ok
from server import Server, serve
from server_answers import Json

from gpte_data.errors import BadInput
from gpte_data.io import read_all
from gpte_data.manifest import check_finished

SEED = 20261121
KILLS = 20
ANSWERS = 240 * 3


def start(*args: object, env: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "gpte_data", *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill -9 a command and wait until none of its processes is left."""
    workers = children(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    while left := [pid for pid in workers if running(pid)]:
        assert time.monotonic() < deadline, f"processes {left} have outlived their parent"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """Return the processes below a process."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    own = [int(child) for child in text.split()]
    return own + [grandchild for child in own for grandchild in children(child)]


def running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def journalled(folder: Path) -> set[str]:
    """Return the keys of all whole lines of the journals."""
    keys = set()
    for path in (folder / "_journal").glob("*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            try:
                keys.add(json.loads(line)["key"])
            except ValueError:
                assert not line.endswith(b"}"), "a whole line that is no JSON"
    return keys


def chats(server: Server) -> list[Json]:
    return [line for line in server.requests() if line["path"] == "/v1/chat/completions"]


def lines_of(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_killed_twenty_times_nothing_is_lost_or_asked_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(SEED)
    corpus, out, log = tmp_path / "corpus", tmp_path / "out", tmp_path / "log"
    ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 30)
    faults = {"p429": 0.04, "p500": 0.03, "preset": 0.03, "retry_after": 0.05}
    # After the chosen number of requests and a while more; the last before the work is done.
    moments = sorted(dice.randrange(int(ANSWERS * 0.95)) for _ in range(KILLS))
    at_kill: list[tuple[float, int]] = []
    with serve(log, latency=0.05, **faults) as server:
        synth = (
            "synth", corpus, "-o", out, "--llm", "openai:test", "--base-url", server.url,
            "--concurrency", 6,
        )  # fmt: skip
        for number, moment in enumerate(moments):
            process = start(*synth, "--workers", 2 if number >= 14 else 1)
            while lines_of(log) < moment and process.poll() is None:
                time.sleep(0.005)
            time.sleep(dice.choice((0.0, 0.05, dice.random() * 0.8)))
            assert process.poll() is None, process.communicate()[1].decode()
            kill(process)
            at_kill.append((time.time(), len(journalled(out))))
            unread = out / "_done"
            assert not unread.exists() or (unread / "_unfinished").exists()
        ok(*synth, "--workers", 2)
        asked = chats(server)
        assert "nothing to do" in ok(*synth)
        assert len(chats(server)) == len(asked)

        for when, kept in at_kill:
            after = {line["key"] for line in asked if line["t_start"] > when}
            assert len(after) == ANSWERS - kept

        # What was delivered twice was on its way to a process when that was killed.
        twice = [line for line in asked if line["delivered"]]
        last = {line["key"]: line for line in twice}
        lost = [line for line in twice if line is not last[line["key"]]]
        assert len(last) == ANSWERS
        for line in lost:
            assert any(line["t_end"] - 0.5 < when < line["t_end"] + 2 for when, _ in at_kill)

        # An unbroken run, against the same server.
        ok(*synth[:3], tmp_path / "unbroken", *synth[4:], "--workers", 2)
    assert len(files(out, "*.parquet")) == 8
    assert files(out, "*.parquet") == files(tmp_path / "unbroken", "*.parquet")
    assert [path for path in out.rglob("*") if path.name.endswith(".tmp")] == []
    assert not (out / "_done" / "_unfinished").exists()
    with capsys.disabled():
        moments_told = ", ".join(f"{kept}" for _, kept in at_kill)
        sys.stderr.write(
            f"\nkill test, seed {SEED}: {KILLS} kills, with so many answers in the journals: "
            f"{moments_told}; {ANSWERS} answers, {len(asked)} requests, {len(lost)} delivered to "
            "a process as it was killed and asked again, 0 kept and asked again\n"
        )


def test_a_torn_journal_line_spoils_no_other(tmp_path: Path, sample: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    with serve(log) as server:
        synth = (
            "synth", sample, "-o", out, "--llm", "openai:test", "--base-url", server.url,
            "--per-passage", 1, "--limit", 40,
        )  # fmt: skip
        ok(*synth)
        wanted = files(out, "*.parquet")
        journal = out / "_journal" / "00000.jsonl"
        whole = journal.read_bytes()
        for cut in (1, 30):
            (out / "00000.parquet").unlink()
            journal.write_bytes(whole[:-cut])
            before = len(chats(server))
            ok(*synth)
            assert files(out, "*.parquet") == wanted
            assert len(chats(server)) == before + (cut > 1)
            assert len(journalled(out)) == 40
        ok(*synth, "--force")
        assert len(chats(server)) == 41
        assert files(out, "*.parquet") == wanted


KILLER = """
import os, signal, sys
from gpte_data import files, manifest, run, shard, whole

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def after(calls, function):
    def count(*args, **kwargs):
        nonlocal calls
        calls -= 1
        return function(*args, **kwargs) if calls >= 0 else die()
    return count

where, calls = sys.argv.pop(1), int(sys.argv.pop(1))
if where == "before the mark":
    manifest.write_mark = after(calls, manifest.write_mark)
elif where == "before the rename":
    os.fsync = after(calls, os.fsync)
elif where == "in the sweep":
    from pathlib import Path
    Path.unlink = after(calls, Path.unlink)
elif where == "before it is finished":
    manifest.finish = die

from gpte_data.cli import main
sys.argv[0] = "gpte-data"
main()
"""
"""Runs a command and kills it -9 at the nth call of what makes a file durable, or goes with it."""


def killed_at(where: str, calls: int, *args: object) -> bool:
    """Run a command that kills itself at a certain point; tell whether it got there."""
    command = [sys.executable, "-c", KILLER, where, str(calls), *map(str, args)]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode != 0


@pytest.mark.parametrize(
    ("stage", "where"),
    [
        ("ingest", "before the rename"),
        ("synth", "before the rename"),
        ("synth", "before the mark"),
        ("emit", "before the mark"),
    ],
)
def test_killed_at_every_file_it_goes_on(
    tmp_path: Path, sample: Path, stage: str, where: str
) -> None:
    corpus, pairs, out = tmp_path / "corpus", tmp_path / "pairs", tmp_path / "out"
    ok("ingest", sample / "00000.parquet", "-o", corpus, "--shard-rows", 20)
    ok("synth", corpus, "-o", pairs)
    command = {
        "ingest": ("ingest", sample / "00000.parquet", "--shard-rows", 20),
        "synth": ("synth", corpus),
        "emit": ("emit", pairs, "--corpus", corpus, "--num-negatives", 0, "--shard-rows", 60),
    }[stage]
    ok(*command, "-o", tmp_path / "unbroken")
    wanted = files(tmp_path / "unbroken", "*.parquet", "*.md", "_rejected/*")
    assert len(files(tmp_path / "unbroken", "*.parquet")) == 2
    kills = 0
    while killed_at(where, kills * 4 % 7 if "rename" in where else kills % 3, *command, "-o", out):
        kills += 1
        assert kills < 30
        assert set(files(out, "*.parquet")) <= set(wanted)
        with pytest.raises(BadInput, match="is not finished"):
            check_finished(out)
    assert kills >= 2
    assert files(out, "*.parquet", "*.md", "_rejected/*") == wanted
    assert [path for path in out.rglob("*") if path.name.endswith(".tmp")] == []
    assert "nothing to do" in ok(*command, "-o", out)


def test_killed_before_it_is_finished_it_says_so_and_is_mended(
    tmp_path: Path, sample: Path
) -> None:
    out = tmp_path / "out"
    command = ("ingest", sample / "00000.parquet", "-o", out)
    assert killed_at("before it is finished", 0, *command)
    assert "is not finished" in cli("synth", out, "-o", tmp_path / "x").sentence()
    assert "is not finished" in cli("synth", out, "-o", "-").sentence()
    assert "nothing to do" in ok(*command)
    ok("synth", out, "-o", tmp_path / "x")


def test_force_killed_half_way_the_plain_command_goes_on(tmp_path: Path, sample: Path) -> None:
    out = tmp_path / "out"
    ok("synth", sample, "-o", out, "--seed", 1, "--limit", 100)
    command = ("synth", sample, "-o", out, "--limit", 100)
    ok(*command[:2], "-o", tmp_path / "unbroken", *command[4:])
    assert killed_at("before the mark", 1, *command, "--force")
    ok(*command)
    assert files(out, "*.parquet") == files(tmp_path / "unbroken", "*.parquet")
    # Killed while the old shards are removed: it may ask for --force again, but mixes nothing.
    for calls in (1, 3, 5):
        ok("synth", sample, "-o", out, "--seed", 1, "--limit", 100, "--force")
        assert killed_at("in the sweep", calls, *command, "--force")
        ended = cli(*command)
        if ended.rc != 0:
            assert "(seed: 1 -> 0)" in ended.sentence()
            ok(*command, "--force")
        assert files(out, "*.parquet") == files(tmp_path / "unbroken", "*.parquet")


def test_a_retry_killed_before_its_mark_is_no_edited_shard(tmp_path: Path, sample: Path) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log", p500=0.3) as server:
        synth = (
            "synth", sample, "-o", out, "--llm", "openai:test", "--base-url", server.url,
            "--per-passage", 1, "--limit", 40, "--retries", 0,
        )  # fmt: skip
        assert cli(*synth).rc == 1
        first = len(list(read_all(out)))
        assert killed_at("before the mark", 0, *synth)
        cli(*synth, "--retries", 6)
        ok(*synth)
    assert len(list(read_all(out))) == 40 > first


def test_workers_end_with_their_parent_at_once(tmp_path: Path, sample: Path) -> None:
    with serve(tmp_path / "log", latency=30) as server:
        process = start(
            "synth", sample, "-o", tmp_path / "out", "--llm", "openai:test",
            "--base-url", server.url, "--workers", 2,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while len(workers := children(process.pid)) < 3:  # two, and Python's resource tracker
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        kill(process)
        assert workers
        assert not any(map(running, workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_it_soon_and_keeps_what_is_done(
    tmp_path: Path, sample: Path, workers: int
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    with serve(log, latency=0.05, latency_jitter=0.1) as server:
        synth = (
            "synth", sample, "-o", out, "--llm", "openai:test", "--base-url", server.url,
            "--concurrency", 2, "--per-passage", 1,
        )  # fmt: skip
        process = start(*synth, "--workers", workers)
        while lines_of(log) < 30:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=10)[1].decode()
        assert process.returncode == 130
        assert "Traceback" not in told
        kept = len(journalled(out))
        assert kept >= 20
        ok(*synth, "--concurrency", 64)
        keys = {line["key"] for line in chats(server) if line["delivered"]}
        assert len(keys) == 240


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    corpus, out, log = tmp_path / "corpus", tmp_path / "out", tmp_path / "log"
    ok("ingest", SAMPLE, "-o", corpus, "--limit", 20)
    with serve(log, latency=0.3) as server:
        synth = ("synth", corpus, "-o", out, "--llm", "openai:test", "--base-url", server.url)
        first = start(*synth, "--concurrency", 4)
        while not lines_of(log):
            time.sleep(0.01)
        assert "another run is writing" in cli(*synth).sentence()
        assert first.wait() == 0, first.communicate()[1].decode()
        first.communicate()
        assert len({line["key"] for line in chats(server)}) == len(chats(server)) == 60
        assert "nothing to do" in ok(*synth)
