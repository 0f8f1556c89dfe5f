"""`vectors:FOLDER` through the command: rows by place or by id, and what is wrong in a sentence."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, files, ok

from gpte_data import io
from gpte_data.stage import Row

PASSAGES, PAIRS = 90, 30
FOUND = ("*.parquet",)


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and pairs of three shards each, their vectors, and what came out."""
    folder = tmp_path_factory.mktemp("mined")
    random = np.random.default_rng(0)
    passages = [{"doc_id": f"d{n}", "text": f"Passage {n} of it"} for n in range(PASSAGES)]
    pairs = [
        {"query_id": f"q{n}", "query": f"passage {n}", "positives": [f"d{n}"]} for n in range(PAIRS)
    ]
    for name, rows in (("corpus", passages), ("pairs", pairs)):
        size = len(rows) // 3
        for number in range(3):
            part = rows[number * size : (number + 1) * size]
            io.write(folder / name / f"{number:05d}.parquet", part)
    documents = random.normal(size=(PASSAGES, 12)).astype(np.float32)
    queries = documents[:PAIRS] + random.normal(size=(PAIRS, 12)).astype(np.float32) / 2
    save(folder / "v", documents, queries)
    ok(*mine(folder))
    return folder


@pytest.fixture
def made(tmp_path: Path, mined: Path) -> Path:
    """The same without what came out, to be spoilt."""
    for name in ("corpus", "pairs", "v"):
        shutil.copytree(mined / name, tmp_path / name)
    return tmp_path


def save(
    folder: Path,
    documents: Any,
    queries: Any,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
) -> None:
    """Write a folder of vectors, with ids where they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, vectors, ids in (("documents", documents, doc_ids), ("queries", queries, query_ids)):
        np.save(folder / f"{name}.npy", vectors)
        if ids is not None:
            (folder / f"{name}.txt").write_text("".join(f"{one}\n" for one in ids))


def arrays(made: Path) -> tuple[Any, Any]:
    return np.load(made / "v" / "documents.npy"), np.load(made / "v" / "queries.npy")


def mine(made: Path, vectors: Path | None = None, out: str = "out") -> tuple[object, ...]:
    """Return the command that mines with a folder of vectors."""
    teacher = f"vectors:{vectors or made / 'v'}"
    flags = ("--corpus", made / "corpus", "--teacher", teacher, "--top-k", 15)
    return ("mine-negatives", made / "pairs", "-o", made / out, *flags)


def wrong(made: Path, vectors: Path | None = None) -> str:
    """Run the command, which must fail with one sentence and leave no output behind."""
    sentence = cli(*mine(made, vectors)).sentence()
    assert not (made / "out").exists()
    return sentence


def test_rows_come_by_place(mined: Path) -> None:
    rows = list(io.read_all(mined / "out"))
    documents, queries = arrays(mined)
    cosines = (queries @ documents.T) / np.linalg.norm(queries, axis=1)[:, None]
    cosines /= np.linalg.norm(documents, axis=1)
    for n, row in enumerate(rows):
        best = [int(d) for d in np.argsort(-cosines[n]) if d != n][:15]
        assert [hit["doc_id"] for hit in row["candidates"]] == [f"d{d}" for d in best]
        scores = [hit["score"] for hit in row["candidates"]]
        assert np.abs(scores - cosines[n][best]).max() < 1e-6
        assert row["positive_scores"] == pytest.approx([cosines[n, n]], abs=1e-6)
        assert {hit["source"] for hit in row["candidates"]} == {"vectors:v"}
    assert len(rows) == PAIRS


def test_rows_come_by_id_in_any_order(made: Path, mined: Path) -> None:
    documents, queries = arrays(made)
    d, q = (np.random.default_rng(1).permutation(n) for n in (PASSAGES, PAIRS))
    save(made / "v", documents[d], queries[q], [f"d{n}" for n in d], [f"q{n}" for n in q])
    ok(*mine(made))
    assert files(made / "out", *FOUND) == files(mined / "out", *FOUND)


@pytest.mark.parametrize("named", [True, False])
def test_shards_are_the_same_on_two_workers(made: Path, mined: Path, named: bool) -> None:
    """Also where the ids of the pairs are not beside their vectors."""
    if named:
        save(made / "v", *arrays(made), ids("d", PASSAGES), ids("q", PAIRS))
    ok(*mine(made), "--workers", 2)
    assert files(made / "out", *FOUND) == files(mined / "out", *FOUND)


def test_what_a_killed_run_left_is_made_of_the_same_vectors(made: Path, mined: Path) -> None:
    """A shard of its own takes the vectors of its own pairs, not those of the first."""
    shutil.copytree(mined / "out", made / "out")
    for path in (made / "out" / "00001.parquet", made / "out" / "_done" / "00001.json"):
        path.unlink()
    ok(*mine(made))
    assert files(made / "out", *FOUND) == files(mined / "out", *FOUND)


def test_vectors_by_id_serve_a_pipe_and_a_part_of_the_pairs(made: Path) -> None:
    save(made / "v", *arrays(made), query_ids=[f"q{n}" for n in range(PAIRS)])
    ok(*mine(made), "--limit", 12)
    assert len(list(io.read_all(made / "out"))) == 12
    lines = b"".join(io.to_line(row) for row in list(io.read_all(made / "pairs"))[5:9])
    flags = ("--corpus", made / "corpus", "--teacher", f"vectors:{made / 'v'}", "--top-k", 15)
    piped = cli("mine-negatives", "-", "-o", "-", *flags, input=lines)
    assert piped.rc == 0, piped.stderr
    rows = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [row["query_id"] for row in rows] == ["q5", "q6", "q7", "q8"]
    again = [row["candidates"] for row in list(io.read_all(made / "out"))[5:9]]
    assert [names(row["candidates"]) for row in rows] == [names(one) for one in again]


def names(candidates: Sequence[Row]) -> list[str]:
    return [hit["doc_id"] for hit in candidates]


def test_a_changed_file_is_a_changed_teacher(made: Path, mined: Path) -> None:
    shutil.copytree(mined / "out", made / "out")
    assert "nothing to do" in ok(*mine(made))
    np.save(made / "v" / "queries.npy", arrays(made)[1] * 2)
    before = files(made / "out")
    assert "queries.npy: " in cli(*mine(made)).sentence()
    assert files(made / "out") == before


# What is wrong


Change = Callable[[Any, Any], tuple[Any, Any]]


def cut(vectors: Any, row: int, value: float) -> Any:
    """Return vectors of which one number, or a whole row, is replaced by what has no direction."""
    changed = vectors.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d, q: (d[1:], q), "documents.npy has 89 vectors for 90 passages in"),
        (lambda d, q: (np.tile(d, (2, 1)), q), "documents.npy has 180 vectors for 90 passages in"),
        (lambda d, q: (d[:0], q), "documents.npy has 0 "),
        (lambda d, q: (d, q[1:]), "queries.npy has 29 vectors for 30 pairs"),
        (lambda d, q: (d, q[:0]), "queries.npy 0"),
        (lambda d, q: (d, q[:, 1:]), "documents.npy has 12 numbers a row, queries.npy 11"),
        (lambda d, q: (cut(d, 7, 0), q), "documents.npy: the vector in row 7 is zero"),
        (lambda d, q: (cut(d, 8, np.nan), q), "documents.npy: the vector in row 8 is not finite"),
        (lambda d, q: (d, cut(q, 9, np.inf)), "queries.npy: the vector in row 9 is not finite"),
        (lambda d, q: (d, cut(q, 0, 0)), "queries.npy: the vector in row 0 is zero"),
        (lambda d, q: (d.astype(int), q), "documents.npy must hold vectors, one a row"),
        (lambda d, q: (d, q[0]), "queries.npy must hold vectors, one a row"),
        (lambda d, q: (np.asfortranarray(d), q), "in Fortran order"),
    ],
)
def test_vectors_that_do_not_fit(made: Path, change: Change, told: str) -> None:
    save(made / "v", *change(*arrays(made)))
    assert told in wrong(made)


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


@pytest.mark.parametrize(
    ("doc_ids", "query_ids", "told"),
    [
        (ids("d", 89), None, "90 vectors for 90 passages in CORPUS and 89 ids in documents.txt"),
        ([*ids("d", 89), "x"], None, "documents.txt has no line for 'd89', which is in CORPUS"),
        ([*ids("d", 89), "d3"], None, "documents.txt holds an id twice"),
        (None, ids("q", 29), "queries.txt must hold one id for each of the 30 vectors"),
        (None, [*ids("q", 29), "q3"], "found 29 different ones"),
        (None, [*ids("q", 29), "x"], "queries.txt has no line for the pair 'q29'"),
    ],
)
def test_ids_that_do_not_fit(
    made: Path, doc_ids: list[str] | None, query_ids: list[str] | None, told: str
) -> None:
    save(made / "v", *arrays(made), doc_ids, query_ids)
    assert told.replace("CORPUS", str(made / "corpus")) in wrong(made)


def test_files_that_are_missing_or_something_else(made: Path) -> None:
    assert "must name a folder with documents.npy and queries.npy" in wrong(made, made / "nowhere")
    assert "must name a folder with documents.npy and queries.npy" in wrong(made, made / "corpus")
    (made / "v" / "queries.txt").write_bytes(b"\xff\xfe\n" * PAIRS)
    assert "queries.txt can't be read as ids, one a line" in wrong(made)
    (made / "v" / "queries.npy").write_bytes(b"no array")
    assert "queries.npy can't be read as a .npy file" in wrong(made)
    (made / "v" / "queries.npy").unlink()
    assert f"there is no {made / 'v' / 'queries.npy'}" in wrong(made)


def test_a_file_that_was_cut_short(made: Path) -> None:
    path = made / "v" / "documents.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert "documents.npy is cut short" in wrong(made)


def test_two_pairs_with_one_id_can_not_be_told_apart(made: Path) -> None:
    rows = [row | {"query_id": "same"} for row in io.read(made / "pairs" / "00001.parquet")]
    io.write(made / "pairs" / "00001.parquet", rows)
    assert "two pairs have one query_id" in wrong(made)
