"""Candidates as columns: to those who look like a list of dicts, and to a shard like one too."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpte_data import io
from gpte_data.candidates import Candidates, as_rows, columns_of
from gpte_data.fields import FIELDS, arrow_types
from gpte_data.stage import Row

TYPE = arrow_types()[FIELDS["candidates"]]


def columns(count: int, seed: int = 0, *, first: int = 0) -> dict[str, Any]:
    """Return columns as a miner and a judge make them."""
    random = np.random.default_rng(seed)
    choice = np.array([n if n % 3 else 0 for n in range(count)], dtype=np.int32)
    return {
        "doc_id": pa.array([f"d{first + n}" for n in range(count)], pa.large_string()),
        "rank": np.arange(1, count + 1, dtype=np.int32),
        "score": -np.sort(-random.normal(size=count)).astype(np.float32),
        "source": pa.array(["given"] * count, pa.string()),
        "positive_similarity": random.normal(size=count).astype(np.float32),
        "evidence": random.normal(size=(count, 10)).astype(np.float32),
        "false_negative": random.uniform(size=count).astype(np.float32),
        "choice": pa.array(choice, mask=choice == 0),
        "verdict": pa.array(["keep" if n else "drop" for n in choice.tolist()], pa.string()),
        "reason": pa.array([f"reason {n % 2}" for n in range(count)], pa.string()),
    }


def rows_of(counts: list[int], **more: Any) -> list[Row]:
    """Return pairs with candidates as columns."""
    return [
        {
            "query_id": f"q{n}",
            "query": f"query {n}",
            "positives": ["p"],
            "candidates": Candidates({**columns(count, n, first=10 * n), **more}),
            "positive_scores": [0.5],
        }
        for n, count in enumerate(counts)
    ]


def plain(rows: list[Row]) -> list[Row]:
    """Return the same rows with dicts."""
    return [row | {"candidates": list(row["candidates"])} for row in rows]


def test_candidates_are_a_list_of_dicts() -> None:
    made = columns(7)
    found = Candidates(made)
    assert len(found) == 7 and bool(found) and len(list(found)) == 7
    for n, hit in enumerate(found):
        assert hit == found[n] == found[n - 7] == list(found)[n]
        assert hit["doc_id"] == f"d{n}" and hit["rank"] == n + 1
        assert type(hit["rank"]) is int and type(hit["score"]) is float
        assert hit["evidence"] == made["evidence"][n].tolist() and len(hit["evidence"]) == 10
        assert hit["score"] == float(made["score"][n])
    assert found[2:5] == list(found)[2:5] and found[::-1] == list(found)[::-1]
    assert list(reversed(found)) == list(found)[::-1] and found[3] in found
    for wrong in (7, -8):
        with pytest.raises(IndexError):
            found[wrong]


def test_what_a_candidate_lacks_is_absent() -> None:
    hits = list(Candidates(columns(7)))
    assert ["choice" in hit for hit in hits] == [False, True, True, False, True, True, False]
    assert [hit.get("choice") for hit in hits] == [None, 1, 2, None, 4, 5, None]
    assert "choice" not in Candidates(columns(7))[3]
    assert all("rerank_score" not in hit for hit in hits)


def test_equal_to_what_they_stand_for() -> None:
    found = Candidates(columns(4))
    assert found == list(found) and list(found) == found and found == Candidates(columns(4))
    assert found != Candidates(columns(4, seed=1)) and found != list(found)[1:] and found != 4
    assert repr(found) == repr(list(found))
    assert as_rows(found) == list(found) and type(as_rows(found)) is list
    assert as_rows("other") == "other"


def test_none_at_all() -> None:
    for found in (Candidates(columns(0)), Candidates({}, 0)):
        assert (
            not found and len(found) == 0 and list(found) == [] and found == [] and found[:] == []
        )
        with pytest.raises(IndexError):
            found[0]


@pytest.mark.parametrize(
    "counts", [[5], [5, 5, 5], [3, 1, 8], [0], [0, 0], [0, 4], [4, 0, 2], [1] * 2500]
)
@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_shard_is_the_same_from_columns_and_from_dicts(
    counts: list[int], suffix: str, tmp_path: Path
) -> None:
    """Byte for byte, also where some queries, the first or all of them, have no candidate."""
    rows = rows_of(counts)
    io.write(tmp_path / f"columns{suffix}", rows)
    io.write(tmp_path / f"dicts{suffix}", plain(rows))
    written = (tmp_path / f"columns{suffix}").read_bytes()
    assert written == (tmp_path / f"dicts{suffix}").read_bytes()
    again = list(io.read(tmp_path / f"columns{suffix}"))
    assert [list(row.pop("candidates", ())) for row in again] == [
        [without_rounding(hit) for hit in row["candidates"]] for row in rows
    ]
    assert [row["query_id"] for row in again] == [row["query_id"] for row in rows]


def without_rounding(hit: Row) -> Row:
    """Return a candidate as JSON gives it back: float32 as the shortest number that is it."""
    made: Row = orjson.loads(orjson.dumps(hit))
    return made


def test_rows_of_both_kinds_go_together(tmp_path: Path) -> None:
    rows = rows_of([3, 3, 3])
    mixed = [rows[0], *plain(rows[1:2]), rows[2]]
    io.write(tmp_path / "a.parquet", mixed)
    io.write(tmp_path / "b.parquet", plain(rows))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_rows_with_other_columns_go_together(tmp_path: Path) -> None:
    """As where an estimate was made for some of them only."""
    rows = rows_of([3, 4])
    lacking = {k: v for k, v in columns(5, 9).items() if k not in ("false_negative", "choice")}
    more = rows_of([5])[0] | {"candidates": Candidates(lacking)}
    for order in ([*rows, more], [more, *rows]):
        io.write(tmp_path / "a.parquet", order)
        io.write(tmp_path / "b.parquet", plain(order))
        assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
        assert [len(row["candidates"]) for row in io.read(tmp_path / "a.parquet")] == [
            len(row["candidates"]) for row in order
        ]


def test_columns_are_of_the_types_that_readers_know(tmp_path: Path) -> None:
    io.write(tmp_path / "a.parquet", rows_of([3, 2]))
    assert pq.read_schema(tmp_path / "a.parquet").field("candidates").type == TYPE


def test_candidates_stay_columns_from_shard_to_shard(tmp_path: Path) -> None:
    rows = rows_of([4, 0, 2, 7])
    io.write(tmp_path / "a.parquet", rows)
    read = list(io.read(tmp_path / "a.parquet"))
    assert all(isinstance(row["candidates"], Candidates) for row in read if row.get("candidates"))
    io.write(tmp_path / "b.parquet", read)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    io.write(tmp_path / "c.jsonl", read)
    io.write(tmp_path / "d.jsonl", rows)
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "d.jsonl").read_bytes()


def test_dicts_become_the_columns_that_they_came_from() -> None:
    made = Candidates(columns(6))
    found = columns_of(list(made), TYPE)
    assert found.keys() == made.columns.keys()
    for name, column in found.items():
        wanted = made.columns[name]
        assert column.to_pylist() == (
            wanted.to_pylist() if isinstance(wanted, pa.Array) else wanted.tolist()
        )
    assert columns_of(made, TYPE).keys() == made.columns.keys()
    assert columns_of([], TYPE) == {}


def test_a_line_of_json_is_that_of_the_dicts() -> None:
    (row,) = rows_of([3])
    assert io.to_line(row) == io.to_line(plain([row])[0])
    said = orjson.loads(io.to_line(row))
    assert [hit["doc_id"] for hit in said["candidates"]] == ["d0", "d1", "d2"]
