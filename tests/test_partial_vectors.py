"""Vectors under way: a killed `embed` goes on where it was, and nothing is made twice."""

import gc
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE, cli, ok
from server import serve
from test_kill import kill, start

from gpte_data import io, manifest
from gpte_data.backends import Batch, Options
from gpte_data.backends.st_embedder import STEmbedder
from gpte_data.corpus import Corpus
from gpte_data.embedding import ensure_vectors
from gpte_data.errors import BadInput
from gpte_data.partial_vectors import PartialVectors
from gpte_data.teachers.model import ModelTeacher
from gpte_data.vectors import VectorSpec

TEACHER = "st:all-MiniLM-L6-v2"
ROWS, TOKENS = 160, 64
LONG = (100, 101, 150)
"""Passages that are longer than the teacher takes."""
ALONE = {"OMP_NUM_THREADS": "1"}
"""Batches so small are slower on several threads."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shard of short passages and a few long ones, without vectors."""
    folder = tmp_path_factory.mktemp("vectors") / "corpus"
    lines = (SAMPLE / "corpus.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"].split() for line in lines]
    rows = [
        {"doc_id": f"d{n}", "text": " ".join([str(n), *texts[n % len(texts)][: 5 + n % 9]])}
        for n in range(ROWS)
    ]
    for n in LONG:
        rows[n]["text"] *= 80
    io.write(folder / "00000.parquet", rows)
    return folder


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same corpus, with vectors from a run that was left alone."""
    folder = shutil.copytree(corpus, tmp_path_factory.mktemp("unbroken") / "corpus")
    said = cli("embed", folder, "--batch-tokens", TOKENS, env=ALONE).stderr
    assert "documents longer than the teacher takes, truncated: 3" in said, said
    return folder


def vectors(folder: Path) -> Path:
    """Return the file with the vectors of the only shard."""
    (found,) = (folder / "_vectors").glob("*/00000.npy")
    return found


def books(folder: Path) -> Any:
    """Return the books in the mark of the only shard."""
    (mark,) = (folder / "_vectors").glob("*/_done/00000.json")
    return json.loads(mark.read_bytes())["rows"]


def entries(folder: Path) -> list[int]:
    """Return the rows that are done by the log of the shard under way."""
    logs = list((folder / "_vectors").glob("*/.*.log"))
    return [] if not logs else np.fromfile(logs[0], "<u4").reshape(-1, 2)[:, 0].tolist()


def killed_in_the_middle(folder: Path) -> list[int]:
    """Embed until some more rows are done, kill -9, and return all that are."""
    before = len(entries(folder))
    process = start("embed", folder, "--batch-tokens", TOKENS, "--teacher", TEACHER, env=ALONE)
    while len(entries(folder)) < before + 25:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.002)
    kill(process)
    return entries(folder)


def test_killed_twice_nothing_is_made_twice(
    corpus: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(corpus, tmp_path / "corpus")
    first = killed_in_the_middle(folder)
    second = killed_in_the_middle(folder)
    assert 25 <= len(first) < len(second) < ROWS and second[: len(first)] == first
    assert len(set(second)) == len(second), "what the log holds is not made again"
    assert not list((folder / "_vectors").glob("*/00000.npy")), "it is not there before it is whole"

    import torch

    made: list[str] = []
    stream = STEmbedder.stream

    def counted(self: STEmbedder, texts: Any, prompt: str) -> Iterator[Batch]:
        made.extend(texts)
        return stream(self, texts, prompt)

    monkeypatch.setattr(STEmbedder, "stream", counted)
    teacher = ModelTeacher(TEACHER, Options(batch_tokens=TOKENS), "", "")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    notes = teacher.ensure(Corpus((folder,)))
    torch.set_num_threads(threads)
    texts = [row["text"] for row in io.read_all(folder)]
    assert made == [text for n, text in enumerate(texts) if n not in set(second)]
    assert notes == {"documents longer than the teacher takes, truncated": 3}
    assert vectors(folder).read_bytes() == vectors(unbroken).read_bytes()
    assert books(folder) == books(unbroken)
    assert sorted(path.name for path in vectors(folder).parent.iterdir()) == [
        "00000.npy",
        "00000.texts",
        "_done",
    ]
    made.clear()
    assert not teacher.ensure(Corpus((folder,))) and not made


def test_two_runs_over_one_corpus_both_end_well(corpus: Path, tmp_path: Path) -> None:
    """Two minings with one corpus, started at the same time: one may wait, or say so."""
    folder, once = (shutil.copytree(corpus, tmp_path / name) for name in ("corpus", "once"))
    with serve(tmp_path / "log", latency=0.3) as server:
        teacher = ("--teacher", "openai:m", "--base-url", server.url, "--concurrency", 1)
        both = [start("embed", folder, *teacher) for _ in range(2)]
        said = [process.communicate()[1].decode() for process in both]
        assert not any("Traceback" in text for text in said), said
        assert 0 in [process.returncode for process in both]
        ok("embed", folder, *teacher)
        ok("embed", once, *teacher)
    assert vectors(folder).read_bytes() == vectors(once).read_bytes()


class Breaks:
    """A teacher that gives ten vectors and breaks down."""

    def stream(self, texts: Any, prompt: str) -> Iterator[Batch]:
        yield Batch(range(10), given(10), 0)
        raise BadInput("broke down")


def opened(folder: Path) -> list[str]:
    """Return which files of a folder this process has open."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.exists()]
    return [name for one in links if (name := str(one.readlink())).startswith(str(folder))]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_teacher_that_breaks_down_leaves_no_file_open(corpus: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(corpus, tmp_path / "corpus")
    spec = VectorSpec("st:other", {"kind": "other"}, "")
    left_open = []
    try:
        ensure_vectors(Corpus((folder,)), spec, Breaks)
    except BadInput as error:  # as the command holds it while it says what is wrong
        assert str(error) == "broke down"
        left_open = opened(folder)
    gc.collect()
    assert sorted(entries(folder)) == list(range(10))
    assert not left_open


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_shard_that_has_changed_is_begun_anew(corpus: Path, tmp_path: Path) -> None:
    rows = list(io.read_all(corpus))[:30]
    io.write(tmp_path / "corpus" / "00000.parquet", rows)
    spec = VectorSpec("st:other", {"kind": "other"}, "")

    class Gives:
        """A teacher that gives a vector for each text."""

        def stream(self, texts: Any, prompt: str) -> Iterator[Batch]:
            made.extend(texts)
            yield Batch(range(len(texts)), given(len(texts)), 0)

    made: list[str] = []
    with pytest.raises(BadInput, match="broke down"):
        ensure_vectors(Corpus((tmp_path / "corpus",)), spec, Breaks)
    gc.collect()
    rows[3]["text"] = "Something else."
    io.write(tmp_path / "corpus" / "00000.parquet", rows)
    ensure_vectors(Corpus((tmp_path / "corpus",)), spec, Gives)
    assert made == [row["text"] for row in rows]
    assert (np.load(vectors(tmp_path / "corpus")) == given(30)).all()
    names = sorted(path.name for path in vectors(tmp_path / "corpus").parent.iterdir())
    assert names == ["00000.npy", "00000.texts", "_done"]


# Without a teacher


def given(rows: int, seed: int = 0) -> Any:
    """Return vectors that float16 holds as they are."""
    made = np.random.default_rng(seed).integers(1, 100, size=(rows, 4))
    return (made / 64).astype(np.float32)


def add(partial: PartialVectors, wanted: Any, rows: list[int], truncated: int = 0) -> None:
    """Add some of the rows that are missing."""
    places = [partial.missing.tolist().index(row) for row in rows]
    partial.add(Batch(places, wanted[rows], truncated))


def left(partial: PartialVectors) -> PartialVectors:
    """Leave it as a killed process does."""
    assert partial._open is not None
    for file in partial._open[:2]:
        file.close()
    return partial


def begun(path: Path, wanted: Any, *, fingerprint: str = "a" * 64) -> PartialVectors:
    """Make rows 0 to 5 and 8, in two batches of which the first had two cut texts."""
    partial = PartialVectors(path, fingerprint, len(wanted))
    add(partial, wanted, [0, 2, 4, 5], truncated=2)
    add(partial, wanted, [1, 3, 8])
    return left(partial)


def done(path: Path, wanted: Any, *, missing: list[int], truncated: int) -> None:
    """Go on with what is missing, in two batches, and hold it to what is wanted."""
    again = PartialVectors(path, "a" * 64, len(wanted))
    assert (again.missing.tolist(), again.truncated) == (missing, truncated)
    half = len(missing) // 2
    for rows in (missing[half:], missing[:half]):
        if rows:
            add(again, wanted, rows)
    again.finish()
    assert (np.load(path) == wanted).all() and np.load(path).dtype == np.float16
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_is_in_the_log_is_not_missing(tmp_path: Path) -> None:
    begun(tmp_path / "v.npy", given(10))
    done(tmp_path / "v.npy", given(10), missing=[6, 7, 9], truncated=2)


def test_rows_that_a_power_failure_left_empty_are_made_again(tmp_path: Path) -> None:
    partial = begun(tmp_path / "v.npy", given(10))
    written = np.load(partial.data, mmap_mode="r+")
    written[[2, 8]] = 0
    written.flush()
    done(tmp_path / "v.npy", given(10), missing=[2, 6, 7, 8, 9], truncated=2)


@pytest.mark.parametrize("end", [b"\x06", b"\x06\0\0\0", b"\x06\0\0\0\0\0\0", b"\xff" * 8])
def test_a_torn_or_foreign_end_of_the_log_is_nothing(tmp_path: Path, end: bytes) -> None:
    partial = begun(tmp_path / "v.npy", given(10))
    with partial.log.open("ab") as log:
        log.write(end)
    done(tmp_path / "v.npy", given(10), missing=[6, 7, 9], truncated=2)


def test_a_torn_log_is_gone_on_with_after_a_second_kill(tmp_path: Path) -> None:
    """What is written behind a torn entry can be read again."""
    partial = begun(tmp_path / "v.npy", given(10))
    with partial.log.open("ab") as log:
        log.write(b"\x06\0\0")
    again = PartialVectors(tmp_path / "v.npy", "a" * 64, 10)
    add(again, given(10), [6, 7])
    left(again)
    done(tmp_path / "v.npy", given(10), missing=[9], truncated=2)


@pytest.mark.parametrize("lost", ["log", "data", "half"])
def test_without_log_or_data_it_begins_anew(tmp_path: Path, lost: str) -> None:
    partial = begun(tmp_path / "v.npy", given(10))
    if lost == "half":
        partial.data.write_bytes(partial.data.read_bytes()[:-5])
    else:
        getattr(partial, lost).unlink()
    done(tmp_path / "v.npy", given(10), missing=list(range(10)), truncated=0)


def test_what_was_begun_for_other_vectors_is_thrown_away(tmp_path: Path) -> None:
    begun(tmp_path / "v.npy", given(10, seed=1), fingerprint="b" * 64)
    neighbour = begun(tmp_path / "w.npy", given(10, seed=2), fingerprint="b" * 64)
    begun(tmp_path / "v.npy", given(10))
    found = {path.name for path in tmp_path.iterdir() if path.name.startswith(".v.")}
    assert found == {f".v.{'a' * 16}.npy", f".v.{'a' * 16}.log"}
    assert neighbour.data.exists() and neighbour.log.exists(), "another shard keeps its own"


def test_a_teacher_that_now_gives_longer_vectors_is_told(tmp_path: Path) -> None:
    begun(tmp_path / "v.npy", given(10))
    again = PartialVectors(tmp_path / "v.npy", "a" * 64, 10)
    with pytest.raises(BadInput, match="gives vectors of 7 numbers, and gave 4 before: delete"):
        again.add(Batch([0], np.ones((1, 7), dtype=np.float32), 0))


def test_a_shard_without_rows_has_no_vectors(tmp_path: Path) -> None:
    partial = PartialVectors(tmp_path / "v.npy", "a" * 64, 0)
    assert not len(partial.missing)
    partial.finish()
    assert np.load(tmp_path / "v.npy").shape[0] == 0


def test_marks_are_not_needed_to_go_on(tmp_path: Path) -> None:
    """All rows in the log, and killed before the file had its name."""
    wanted = given(10)
    begun(tmp_path / "v.npy", wanted)
    rest = PartialVectors(tmp_path / "v.npy", "a" * 64, 10)
    add(rest, wanted, [6, 7, 9])
    left(rest)
    again = PartialVectors(tmp_path / "v.npy", "a" * 64, 10)
    assert not len(again.missing)
    again.finish()
    assert (np.load(tmp_path / "v.npy") == wanted).all()
    assert manifest.read_mark(tmp_path, "v") is None
