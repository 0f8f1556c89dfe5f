"""The same rows from every way of running a stage: shards byte for byte, a pipe row for row."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Ended, cli, files, ok
from server import serve

from gpte_data.io import read_all, tidy, to_line
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stages import load

LONG = "words " * 400

# Ray Data warns of its own options when it sets them, and leaves sockets to the collector.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\."),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A small run, made by one worker: corpus, pairs, mined, filtered; three shards each."""
    folder = tmp_path_factory.mktemp("engines")
    corpus, pairs = folder / "corpus", folder / "pairs"
    ok("ingest", sample / "00000.parquet", "-o", corpus, "--shard-rows", 14)
    ok("synth", corpus, "-o", pairs, "--per-passage", 1)
    return folder


@pytest.fixture(scope="module")
def mined(folder: Path) -> Path:
    ok(*command(folder, "mine-negatives"), "-o", folder / "mined")
    return folder / "mined"


@pytest.fixture(scope="module")
def filtered(folder: Path, mined: Path) -> Path:
    ok(*command(folder, "filter-negatives"), "-o", folder / "filtered")
    return folder / "filtered"


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    """A local Ray, as small as it gets."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fixtures stand outside of the marks above
        ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
            object_store_memory=100_000_000,
        )  # fmt: skip
    yield
    ray.shutdown()


def options(folder: Path, stage: str) -> tuple[str, dict[str, Any]]:
    """Return what a stage reads and what it is told."""
    corpus = {"corpus": (folder / "corpus",)}
    return {
        "synth": ("corpus", corpus | {"per_passage": 2}),
        "mine-negatives": ("pairs", corpus | {"top_k": 12}),
        "filter-negatives": ("mined", corpus | {"depth": 4}),
        "emit": ("filtered", corpus | {"num_negatives": 2, "shard_rows": 15}),
    }[stage]


def command(folder: Path, stage: str, source: object = None) -> list[object]:
    """Return the command of a stage, without its -o."""
    name, told = options(folder, stage)
    flags: list[object] = []
    for option, value in told.items():
        flags += [f"--{option.replace('_', '-')}", value[0] if option == "corpus" else value]
    return [stage, source or folder / name, *flags]


def piped(folder: Path, stage: str, *more: object) -> bytes:
    """Run `cat rows | gpte-data STAGE - -o -` and return the lines."""
    rows = b"".join(map(to_line, read_all(folder / options(folder, stage)[0])))
    ended = cli(*command(folder, stage, "-"), "-o", "-", *more, input=rows)
    assert ended.rc == 0, ended.stderr
    return ended.stdout.encode()


def lines(dataset: Path) -> bytes:
    return b"".join(map(to_line, read_all(dataset)))


def parsed(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def shards(dataset: Path) -> dict[str, bytes]:
    return files(dataset, "*.parquet", "*.jsonl")


def in_python(folder: Path, stage: str) -> bytes:
    """Call the stage as a function on rows."""
    name, told = options(folder, stage)
    made = load(stage)(read_all(folder / name), **told)
    return b"".join(to_line(tidy(row)) for row in made)


def check_all(folder: Path, stage: str, one: Path, tmp_path: Path) -> None:
    """Hold every way of running a stage to what one worker made."""
    wanted = shards(one)
    assert len(wanted) == 3
    name, told = options(folder, stage)
    two, ray = tmp_path / "two", tmp_path / "ray"
    ok(*command(folder, stage), "-o", two, "--workers", 2)
    assert shards(two) == wanted
    assert parsed(piped(folder, stage)) == list(read_all(one))
    assert parsed(in_python(folder, stage)) == list(read_all(one))
    how = RunOptions(engine="ray", workers=1 if "negatives" in stage else 2)
    run(load(stage), load(stage).config.of(told), str(folder / name), ray, how)
    assert shards(ray) == wanted


@pytest.mark.usefixtures("_ray")
def test_synth_is_the_same_everywhere(folder: Path, tmp_path: Path) -> None:
    ok(*command(folder, "synth"), "-o", tmp_path / "one")
    check_all(folder, "synth", tmp_path / "one", tmp_path)


@pytest.mark.usefixtures("_ray")
def test_mining_is_the_same_everywhere(folder: Path, mined: Path, tmp_path: Path) -> None:
    check_all(folder, "mine-negatives", mined, tmp_path)


@pytest.mark.usefixtures("_ray")
def test_filtering_is_the_same_everywhere(folder: Path, filtered: Path, tmp_path: Path) -> None:
    check_all(folder, "filter-negatives", filtered, tmp_path)


@pytest.mark.usefixtures("_ray")
def test_emission_is_the_same_everywhere(folder: Path, filtered: Path, tmp_path: Path) -> None:
    ok(*command(folder, "emit"), "-o", tmp_path / "one")
    check_all(folder, "emit", tmp_path / "one", tmp_path)


@pytest.mark.usefixtures("_ray")
def test_a_language_model_behind_a_server_is_the_same_everywhere(
    folder: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "log", p429=0.1, preset=0.05, latency_jitter=0.02) as server:
        told: dict[str, Any] = {
            "llm": "openai:test", "base_url": server.url, "per_passage": 2,
        }  # fmt: skip
        flags = ("--llm", "openai:test", "--base-url", server.url, "--per-passage", 2)
        synth = ("synth", folder / "corpus", *flags)
        one, two, ray = (tmp_path / name for name in ("one", "two", "ray"))
        ok(*synth, "-o", one, "--concurrency", 3)
        ok(*synth, "-o", two, "--workers", 2)
        rows = lines(folder / "corpus")
        pipe = cli("synth", "-", "-o", "-", *flags, input=rows)
        function = load("synth")(read_all(folder / "corpus"), **told)
        assert b"".join(to_line(tidy(row)) for row in function) == lines(one)
        cfg = load("synth").config.of(told)
        how = RunOptions(engine="ray", workers=2)
        run(load("synth"), cfg, str(folder / "corpus"), ray, how)
    assert len(shards(one)) == 3
    assert shards(two) == shards(one)
    assert shards(ray) == shards(one)
    assert pipe.stdout.encode() == lines(one)


def test_the_rows_do_not_depend_on_the_shards(folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(lines(folder / "corpus"))
    ok("synth", rows, "-o", tmp_path / "out", "--corpus", folder / "corpus", "--per-passage", 1)
    assert lines(tmp_path / "out") == lines(folder / "pairs")


def test_another_seed_gives_other_rows(folder: Path, tmp_path: Path) -> None:
    synth = ("synth", folder / "corpus", "-o", tmp_path / "out", "--per-passage", 1)
    ok(*synth, "--seed", 1)
    assert lines(tmp_path / "out") != lines(folder / "pairs")


def test_ray_from_the_command_line_resumes_local_work(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "out"
    synth = ("synth", folder / "corpus", "-o", out, "--per-passage", 1)
    ok(*synth)
    wanted = shards(out)
    assert "nothing to do" in ok(*synth, "--engine", "ray")
    (out / "00001.parquet").unlink()
    said = ok(*synth, "--engine", "ray", "--workers", 2)
    assert shards(out) == wanted
    assert "synth: 40 in = 40 out + 0 dropped + 0 failed" in said.splitlines()
    assert all(line.startswith("synth: ") for line in said.splitlines()), "Ray talks too"


@pytest.mark.usefixtures("_ray")
def test_an_error_on_ray_is_the_error_of_a_local_run(folder: Path, tmp_path: Path) -> None:
    from gpte_data.errors import BadInput

    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "00000.jsonl").write_bytes(lines(folder / "pairs"))
    (broken / "00001.jsonl").write_text('{"query_id": "1"}\n')
    cfg = load("synth").config.of({"corpus": (folder / "corpus",)})
    how = RunOptions(engine="ray", workers=2)
    with pytest.raises(BadInput, match="synth reads doc_id, text, but row 1 has no doc_id, text"):
        run(load("synth"), cfg, str(broken), tmp_path / "out", how)
    assert not (tmp_path / "out").exists()


def test_an_error_of_a_worker_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "00000.jsonl").write_bytes(lines(folder / "corpus"))
    (broken / "00001.jsonl").write_text('{"query_id": "1"}\n')
    out, corpus = tmp_path / "out", folder / "corpus"
    ended = cli("synth", broken, "-o", out, "--corpus", corpus, "--workers", 2)
    assert "row 1 has no doc_id, text" in ended.sentence()
    # The other shard is done and kept; nobody takes it for the whole.
    assert shards(out).keys() == {"00000.parquet"}
    unread = cli("emit", out, "-o", tmp_path / "train", "--corpus", corpus)
    assert "is not finished" in unread.sentence()


def test_a_query_longer_than_the_model_takes_is_cut_and_counted(
    folder: Path, tmp_path: Path
) -> None:
    document = next(read_all(folder / "corpus"))
    pair = {"query_id": "1", "query": LONG, "positives": [document["doc_id"]]}
    flags = command(folder, "mine-negatives", "-")[2:]
    ended: Ended = cli("mine-negatives", "-", "-o", "-", *flags, input=orjson.dumps(pair))
    assert ended.rc == 0, ended.stderr
    assert "queries longer than the teacher takes, truncated: 1" in ended.stderr
    assert len(json.loads(ended.stdout)["candidates"]) == 12
