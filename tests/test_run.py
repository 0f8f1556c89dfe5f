"""The books, and the files underneath a run."""

import errno
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import files, ok
from server import serve

from gpte_data import io, manifest, parquet
from gpte_data.config import StageConfig
from gpte_data.engines import Throttle, run_jobs
from gpte_data.errors import BadInput, BadOption, BooksDontClose, TooManyFailures, UserError
from gpte_data.files import atomic, disk_errors, sha256_folder, sweep
from gpte_data.ledger import Ledger
from gpte_data.plan import RunOptions, plan
from gpte_data.run import run
from gpte_data.shard import rejected_file
from gpte_data.stage import Context, Event, Expanded, Rejected, Row, Stage, stage
from gpte_data.stages import load


def made(*, lose: int = 0, make: int = 0, expand: int = 0) -> Stage:
    """Return a stage that loses or makes rows behind the ledger's back."""

    @stage(StageConfig, reads={"number"}, version=1)
    def leaky(rows: Iterable[Row], cfg: StageConfig, ctx: Context) -> Iterator[Event]:
        for row in rows:
            if row["number"] < lose:
                continue
            if row["number"] % 3 == 2:
                yield Rejected(row, "third", failed=row["number"] % 2 == 0)
                continue
            if expand:
                yield Expanded(expand)
            for _ in range(1 + make):
                yield row

    return leaky


def numbers(count: int) -> Iterator[Row]:
    return ({"number": number} for number in range(count))


def test_the_books_close() -> None:
    ctx, rejected = Context(), list[Rejected]()
    rows = list(made().run(numbers(12), StageConfig.of({}), ctx, rejected.append))
    assert len(rows) == 8
    assert len(rejected) == 4
    assert ctx.ledger.line() == "12 in = 8 out + 2 dropped (third: 2) + 2 failed (third: 2)"
    ctx = Context()
    list(made(make=2, expand=2).run(numbers(12), StageConfig.of({}), ctx))
    assert ctx.ledger.line().startswith("12 + 16 expanded in = 24 out")


LEAKS = [made(lose=1), made(make=1), made(expand=1), made(make=1, expand=2)]


@pytest.mark.parametrize("leak", LEAKS)
def test_a_stage_that_loses_or_makes_a_row_is_found_out(leak: Stage) -> None:
    with pytest.raises(BooksDontClose, match=r"^\d+ rows came in but \d+ are accounted for: 12 "):
        list(leak(numbers(12)))


def test_a_shard_whose_books_do_not_close_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BooksDontClose):
        io.write(tmp_path / "00000.jsonl", made(lose=1)(numbers(12)))
    assert list(tmp_path.iterdir()) == []


def test_ledgers_add_up_and_survive_a_mark() -> None:
    one = Ledger(5, 2, 4)
    one.dropped["short"] += 2
    one.failed["timeout"] += 1
    one.notes["tokens"] += 9
    assert Ledger.from_json(one.to_json()) == one
    both = Ledger.total([one, one])
    both.close()
    ended = "8 out + 4 dropped (short: 4) + 2 failed (timeout: 2)"
    assert both.line() == f"10 + 4 expanded in = {ended}"
    assert both.notes["tokens"] == 18


def test_the_last_failed_row_too_many_ends_a_shard(tmp_path: Path) -> None:
    told = pytest.raises(TooManyFailures, match="more than 1 rows failed")
    with told, rejected_file(tmp_path, "00000", 1) as reject:
        list(made().run(numbers(12), StageConfig.of({}), Context(), reject))
    assert list(files(tmp_path)) == ["_rejected/00000.jsonl"]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"workers": 0}, "--workers takes a whole number of at least 1, found 0"),
        ({"workers": True}, "--workers takes a whole number"),
        ({"workers": None}, "--workers takes a whole number"),
        ({"limit": "5"}, "--limit takes a whole number of at least 1, found '5'"),
        ({"max_errors": -1}, "--max-errors takes a whole number of at least 0"),
        ({"engine": "spark"}, "--engine takes local or ray, found 'spark'"),
        ({"force": 1}, "--force takes true or false"),
    ],
)
def test_run_options_are_checked(told: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadOption, match=sentence):
        RunOptions(**told)  # type: ignore[arg-type]


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    with atomic(path) as target:
        target.write(b"old")
    with pytest.raises(ZeroDivisionError), atomic(path) as target:
        target.write(b"new")
        1 / 0  # noqa: B018
    assert files(tmp_path) == {"sub/file": b"old"}


def test_a_device_is_written_as_it_stands(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        with atomic(pipe) as target:
            target.write(b"rows")
        assert reader.communicate()[0] == b"rows"
    assert pipe.is_fifo()


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    with atomic(tmp_path / "mine") as target:
        target.write(b"rows")
        target.flush()
        (own,) = tmp_path.glob(".*.tmp")
        dead = own.with_name(own.name.replace(f"-{os.getpid()}.", "-4000000."))
        dead.touch()
        assert sweep(tmp_path) == 1
        assert own.exists()
        assert not dead.exists()
    assert sweep(tmp_path / "nowhere") == 0


def test_a_folder_hash_knows_names_and_contents_and_no_hidden_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = sha256_folder(tmp_path)
    (tmp_path / ".hidden").write_text("1")
    assert sha256_folder(tmp_path) == first
    (tmp_path / "a").write_text("2")
    changed = sha256_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, changed, sha256_folder(tmp_path)}) == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_what_the_disk_refuses_is_one_sentence(number: int) -> None:
    told = r"^out can't be used \(.*\): what is done is kept"
    with pytest.raises(UserError, match=told), disk_errors("out"):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_system_stay_what_they_are() -> None:
    with pytest.raises(BrokenPipeError), disk_errors("out"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_the_difference_is_named() -> None:
    old = {"stage": "a", "options": {"x": 1, "model": {"files": "0" * 64}}, "input": "1" * 64}
    new = {"stage": "a", "options": {"x": 2, "model": {"files": "2" * 64}}, "input": "1" * 64}
    assert manifest.difference(old, new) == "model.files: 000000000000 -> 222222222222, x: 1 -> 2"
    assert manifest.difference(old, new | {"stage": "b"}) == "stage: a -> b"
    assert manifest.fingerprint(old) == manifest.fingerprint(dict(reversed(old.items())))
    assert manifest.fingerprint(old) != manifest.fingerprint(new)


def test_rows_are_the_same_from_parquet_and_from_lines(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"doc_id": "a", "text": "t", "meta": {"x": None, "y": {"z": {}}}, "n": 1},
        {"text": "t", "doc_id": "b", "meta": {"x": 1}, "list": [{"a": 1}, {"b": 2}], "n": 2.5},
        *({"doc_id": str(i), "text": "t", "meta": {"new": "field"}} for i in range(parquet.TABLE)),
    ]
    for name in ("00000.parquet", "00000.jsonl"):
        io.write(tmp_path / name, iter(rows))
    lines = list(io.read(tmp_path / "00000.jsonl"))
    assert list(io.read(tmp_path / "00000.parquet")) == lines
    assert lines[0] == {"doc_id": "a", "text": "t", "n": 1}


def test_what_no_shard_can_hold_is_one_sentence(tmp_path: Path) -> None:
    mixed: list[Row] = [{"doc_id": "a", "n": 1}, {"doc_id": "b", "n": "one"}]
    with pytest.raises(BadInput, match="column 'n' must hold one type throughout"):
        io.write(tmp_path / "00000.parquet", mixed)
    far: list[Row] = [{"n": 1}] * parquet.TABLE + [{"n": "one"}]
    with pytest.raises(BadInput, match="a column holds several types"):
        io.write(tmp_path / "00000.parquet", far)
    with pytest.raises(BadInput, match="can't be written as JSON"):
        io.write(tmp_path / "00000.jsonl", [{"n": b"bytes"}])
    with pytest.raises(BadInput, match="column 'text' must hold string"):
        io.write(tmp_path / "00000.parquet", [{"text": "\ud800"}])
    assert list(tmp_path.iterdir()) == []


def test_reports_are_added_up() -> None:
    told = list[tuple[int, int]]()
    throttle = Throttle(lambda rows, tokens: told.append((rows, tokens)))
    for _ in range(1000):
        throttle(1, 2)
    throttle.flush()
    assert len(told) < 10
    assert (sum(r for r, _ in told), sum(t for _, t in told)) == (1000, 2000)


def test_a_worker_that_is_killed_is_one_sentence(tmp_path: Path, sample: Path) -> None:
    """As the kernel kills one for want of memory; run in this process, to find its workers."""

    def kill(rows: int, tokens: int) -> None:
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)

    synth, out = load("synth"), tmp_path / "out"
    with serve(tmp_path / "log", latency=0.05) as server:
        cfg = synth.config.of({"llm": "openai:m", "base_url": server.url, "concurrency": 4})
        jobs = plan(synth, cfg, sample, out, RunOptions())
        with pytest.raises(UserError, match="a worker process was killed"):
            list(run_jobs(jobs, "local", 2, kill))
        run(synth, cfg, str(sample), out, RunOptions(workers=2))
    assert len(files(out, "*.parquet")) == 6


def test_python_gives_the_result_of_a_run(tmp_path: Path, sample: Path) -> None:
    synth = load("synth")
    cfg = synth.config.of({"per_passage": 1})
    first = run(synth, cfg, str(sample), tmp_path / "out", RunOptions())
    assert (first.done, first.shards, first.ledger.rows_in) == (6, 6, 240)
    second = run(synth, cfg, str(sample), tmp_path / "out", RunOptions(workers=2))
    assert (second.done, second.shards) == (0, 6)
    assert second.ledger == first.ledger
    ok("synth", sample, "-o", tmp_path / "out", "--per-passage", 1)


def test_a_field_that_comes_up_late_stands_in_every_row_group(tmp_path: Path) -> None:
    count = parquet.TABLE * parquet.GROUP + 5
    rows: list[Row] = [{"doc_id": str(i), "n": []} for i in range(count)]
    rows[-1] |= {"n": [1.5], "text": "late", "m": 2}
    io.write(tmp_path / "00000.parquet", rows)
    file = pq.ParquetFile(tmp_path / "00000.parquet")
    assert file.num_row_groups == 2 and file.schema_arrow.names == ["doc_id", "text", "n", "m"]
    assert list(io.read(tmp_path / "00000.parquet")) == rows
    assert len(list(tmp_path.iterdir())) == 1
