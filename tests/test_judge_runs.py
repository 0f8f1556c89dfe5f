"""judge-negatives as a command: dry runs, faults, kills, workers, pipes; nothing is asked twice."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_server import serve_batches
from conftest import Ended, cli, files, ok
from judged_rows import MODELS, SCRIPT, chats, documents, jsonl, row_of
from server import Server, serve
from test_kill import journalled, kill, lines_of, start
from test_recipes import few

from gpte_data import io
from gpte_data.inspection import survey
from gpte_data.stages import load

ROOT = Path(__file__).parent.parent
KINDS = ("ruby", "wood", "tin", "ruby fool", "gold", "clash", "wood", "mute")
ROWS = {f"q{n:02d}": [KINDS[(n * 3 + k) % 8] for k in range(n % 6)] for n in range(60)}
ASKED = sum(map(bool, ROWS.values()))
FLAGGED = sum(any(word[:4] in ("ruby", "gold") for word in words) for words in ROWS.values())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Mined rows in four shards, and their corpus."""
    rows = [row_of(name, words) for name, words in ROWS.items()]
    for n in range(4):
        io.write(tmp_path / "mined" / f"0000{n}.parquet", rows[15 * n : 15 * n + 15])
    return tmp_path / "mined", jsonl(tmp_path / "corpus.jsonl", documents(ROWS))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server") / "log", script=SCRIPT) as running:
        yield running


def command(
    folders: tuple[Path, Path], out: object, server: Server, *more: object
) -> tuple[object, ...]:
    return (
        "judge-negatives", folders[0], "--corpus", folders[1], "-o", out, "--judge", MODELS[0],
        "--confirm", MODELS[1], "--base-url", server.url, *more,
    )  # fmt: skip


def figure(shown: str, what: str) -> int:
    match = re.search(rf"^ *{what} +(?:≤ )?([\d,]+)", shown, re.MULTILINE)
    assert match, shown
    return int(match[1].replace(",", ""))


def succeeded(ended: Ended) -> Ended:
    assert ended.rc == 0, ended.stderr
    return ended


def test_a_dry_run_tells_of_both_models(
    folders: tuple[Path, Path], server: Server, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("small: {in: 1000, out: 1000}\nlarge: {in: 100000, out: 100000}\n")
    judge = command(folders, tmp_path / "out", server)
    before = len(chats(server))
    told = succeeded(cli(*judge, "--dry-run", "--prices", prices))
    assert len(chats(server)) == before and not (tmp_path / "out").exists()
    assert figure(told.stdout, "calls") == figure(told.stdout, "confirm calls") == ASKED
    assert "≤" in told.stdout and "flagged" in told.stdout and "<candidates>" in told.stdout
    costs = re.findall(r"cost +(?:≤ )?\$([\d,.]+)", told.stdout)
    assert len(costs) == 2 and float(costs[0]) < float(costs[1].replace(",", ""))
    probed = succeeded(cli(*judge, "--dry-run", "--probe"))
    assert "as often as in the probe: " in " ".join(probed.stdout.split())
    assert "≤" not in probed.stdout
    asked = [line for line in chats(server)][before:]
    assert figure(probed.stdout, "calls") == ASKED - sum(map(bool, list(ROWS.values())[:20]))
    ok(*judge)
    lines = chats(server)[before:]
    assert len(lines) == ASKED + FLAGGED == len({line["key"] for line in lines}) > len(asked)
    told = succeeded(cli("inspect", tmp_path / "out", "--prices", prices, "--json"))
    (data,) = json.loads(told.stdout)["datasets"]
    usage = {row["recipe"]: row for row in data["usage"]}
    assert {name: row["calls"] for name, row in usage.items()} == {
        "judge": ASKED, "judge (confirm)": FLAGGED
    }  # fmt: skip
    one, two = (usage[name] for name in ("judge", "judge (confirm)"))
    assert one["cost"] == pytest.approx((one["prompt_tokens"] + one["completion_tokens"]) / 1e3)
    assert two["cost"] == pytest.approx((two["prompt_tokens"] + two["completion_tokens"]) / 10)
    shown = succeeded(cli("inspect", tmp_path / "out")).stdout
    assert "candidates flagged, not confirmed" in shown and "judge (confirm)" in shown


def test_a_preview_shows_grades(folders: tuple[Path, Path], server: Server, tmp_path: Path) -> None:
    judge = command(folders, tmp_path / "out", server)
    told = succeeded(cli(*judge, "--preview", 5))
    shown = " ".join(told.stdout.split())
    assert "- q01-01: relevant, irrelevant, flagged by the judge, not confirmed" in shown
    assert not list((tmp_path / "out").glob("*.parquet"))
    before = len(chats(server))
    ok(*judge)
    first = list(ROWS.values())[:5]
    flagged = sum(any(word[:4] in ("ruby", "gold") for word in words) for words in first)
    assert len(chats(server)) - before == ASKED + FLAGGED - 4 - flagged


def test_ways_to_run_agree(folders: tuple[Path, Path], server: Server, tmp_path: Path) -> None:
    said = ok(*command(folders, tmp_path / "one", server, "--action", "promote"))
    assert "60 in = 60 out + 0 dropped + 0 failed" in said
    ok(*command(folders, tmp_path / "two", server, "--action", "promote", "--workers", 2))
    ok(*command(folders, tmp_path / "ray", server, "--action", "promote", "--engine", "ray"))
    one = files(tmp_path / "one", "*.parquet")
    assert one == files(tmp_path / "two", "*.parquet") and len(one) == 4
    assert one == files(tmp_path / "ray", "*.parquet")
    piped = succeeded(cli(*command(folders, "-", server, "--action", "promote")))
    rows = [json.loads(line) for line in piped.stdout.splitlines()]
    lines = "".join(json.dumps(row_of(name, words)) + "\n" for name, words in ROWS.items())
    stdin = command((Path("-"), folders[1]), "-", server, "--action", "promote")
    told = succeeded(cli(*stdin, input=lines)).stdout.splitlines()
    assert [json.loads(line) for line in told] == rows
    called = load("judge-negatives")(
        io.read_all(folders[0]), corpus=(folders[1],), judge=MODELS[0], confirm=MODELS[1],
        base_url=(server.url,), action="promote",
    )  # fmt: skip
    assert json.loads(json.dumps(list(called), default=str)) == rows
    again = io.read_all(tmp_path / "one")
    assert [row["positives"] for row in again] == [row["positives"] for row in rows]
    before = len(chats(server))
    assert "nothing to do" in ok(*command(folders, tmp_path / "one", server, "--action", "promote"))
    changed = cli(*command(folders, tmp_path / "one", server, "--partly", "drop"))
    assert "action: promote -> drop" in changed.sentence()
    ok(*command(folders, tmp_path / "one", server, "--partly", "drop", "--force"))
    assert len(chats(server)) == before, "the journal knows all answers"


def test_killed_it_asks_nothing_twice(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    faults = {"p429": 0.05, "p500": 0.05, "preset": 0.05, "retry_after": 0.05}
    with serve(log, script=SCRIPT, latency=0.1, **faults) as server:
        judge = command(folders, out, server, "--concurrency", 2)
        at_kill = []
        for moment in (8, 25, 50):
            process = start(*judge)
            while lines_of(log) < moment and process.poll() is None:
                time.sleep(0.005)
            assert process.poll() is None, process.communicate()[1].decode()
            kill(process)
            at_kill.append((time.time(), journalled(out)))
        ok(*judge)
        asked = chats(server)
        for when, kept in at_kill:
            after = {line["key"] for line in asked if line["t_start"] > when}
            assert len(after) == ASKED + FLAGGED - len(kept)
        assert len(at_kill[-1][1]) > len(at_kill[0][1]) > 0
        ok(*command(folders, tmp_path / "unbroken", server))
    assert files(out, "*.parquet") == files(tmp_path / "unbroken", "*.parquet")


def test_answers_that_are_none_fail_their_rows_alone(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log", script=SCRIPT, pbadanswer=0.5, fault_seed=3) as server:
        ended = cli(*command(folders, out, server))
        assert ended.rc == 1 and "Traceback" not in ended.stderr
        failed = [
            json.loads(line)
            for path in sorted((out / "_rejected").glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        assert 2 < len(failed) < 40
        assert {row["rejected"] for row in failed} == {"failed"}
        assert all(row["reason"].startswith("answer ") and row["candidates"] for row in failed)
    books = survey(out)["datasets"][0]["ledger"]
    assert books["in"] == 60 == books["out"] + sum(books["failed"].values())
    with serve(tmp_path / "log2", script=SCRIPT) as server:
        ok(*command(folders, out, server))
        mended = len(chats(server))
        assert len(failed) <= mended <= 2 * len(failed)
        ok(*command(folders, tmp_path / "other", server))
    assert files(out, "*.parquet") == files(tmp_path / "other", "*.parquet")


def test_by_batches(folders: tuple[Path, Path], server: Server, tmp_path: Path) -> None:
    ok(*command(folders, tmp_path / "live", server, "--limit", 15))
    with serve_batches(tmp_path / "batches", script=SCRIPT) as batches:
        model = ("--judge", MODELS[0], "--confirm", MODELS[1], "--base-url", batches.url)
        out = tmp_path / "out"
        ok(
            "judge-negatives", folders[0], "--corpus", folders[1], "-o", out, *model, "--batch",
            "--limit", 15,
        )  # fmt: skip
    assert files(out, "*.parquet") == files(tmp_path / "live", "*.parquet")
    assert not list((out / "_journal").glob("*batches*")), "nothing is under way"


def test_the_pipeline(tmp_path: Path) -> None:
    few(tmp_path / "docs", 30)
    with serve(tmp_path / "log", script=SCRIPT) as server:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DOCS": str(tmp_path / "docs"), "RUN": str(tmp_path / "run"),
            "JUDGE": MODELS[0], "CONFIRM": MODELS[1], "BASE_URL": server.url,
        }  # fmt: skip
        command = ["bash", str(ROOT / "pipelines" / "judged_negatives.sh")]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found = {data["stage"]: data for data in survey(tmp_path / "run")["datasets"]}
    assert found["judge-negatives"]["rows"] > 0 and found["emit"]["rows"] > 0
    assert str(tmp_path / "run") in done.stdout
