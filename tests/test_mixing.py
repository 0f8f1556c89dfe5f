"""Mixtures of datasets: shares, temperature, caps, repeats, folders; the books close."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from datasets_to_mix import emit, make, row, rows_of

from gpte_data import io
from gpte_data.emission.gathered import EXAMPLE, NOWHERE, Gathered
from gpte_data.emission.kinds import Kind, foldered
from gpte_data.emission.library import Library
from gpte_data.emission.mixing import Mixing
from gpte_data.emission.mixture import Mixture, counts, mixture, shares
from gpte_data.emission.spill import Room
from gpte_data.emission.writing import Part
from gpte_data.errors import BadOption
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stage import Context
from gpte_data.stages import load


def of_dataset(out: Path) -> dict[str, int]:
    return dict(Counter(row["dataset"] for row in rows_of(out)))


def test_weights_are_exact_shares_and_as_many_as_there_are(tmp_path: Path) -> None:
    make(tmp_path, {"a": 90, "b": 120, "c": 7})
    out, result = emit(tmp_path, mix="a=2,b=1,c=0")
    assert of_dataset(out) == {"a": 90, "b": 45}
    reason = "more examples of its dataset than its share of the mixture"
    assert result.ledger.dropped == {reason: 75 + 7}
    kept = (out / "_rejected" / "_all.jsonl").read_text().splitlines()
    rejected = [orjson.loads(line) for line in kept]
    assert {one["reason"] for one in rejected} == {reason}
    assert all(one["positives"] for one in rejected)
    assert Counter(one["dataset"] for one in rejected) == {"b": 75, "c": 7}


def test_temperature_is_that_of_multilingual_models() -> None:
    sizes = {"en": 100_000, "sw": 100, "fr": 10_000}
    for t in (1.0, 3.3, 10.0):
        raw = {name: size ** (1 / t) for name, size in sizes.items()}
        found = shares(sizes, Mixture({}, t))
        assert found == pytest.approx({name: one / sum(raw.values()) for name, one in raw.items()})
    assert shares(sizes, Mixture({"sw": 1000.0}, 1.0))["sw"] == pytest.approx(100 / 210)
    near = shares(sizes, Mixture({}, 1e6)).values()
    assert max(near) - min(near) < 1e-4
    assert counts(sizes, Mixture({}, 1.0)) == sizes


def test_a_total_is_met_to_the_last_example() -> None:
    sizes = {"a": 1000, "b": 10, "c": 333}
    for total in (1, 7, 100, 5003):
        for spec in ("", "a=1,b=1", "temperature=2", "a=.1,b=7,c=3,temperature=5"):
            assert sum(counts(sizes, mixture(spec, total, None)).values()) == total
    assert counts(sizes, mixture("a=1,b=1,c=1", 900, 400)) == {"a": 300, "b": 300, "c": 300}
    assert counts(sizes, mixture("a=8,b=1,c=1", 900, 400)) == {"a": 400, "b": 250, "c": 250}
    with pytest.raises(BadOption, match=r"all datasets together give 1,200"):
        counts(sizes, mixture("", 1201, 400))


def test_a_small_dataset_is_repeated_each_once_before_any_twice(tmp_path: Path) -> None:
    make(tmp_path, {"a": 100, "b": 8})
    out, result = emit(tmp_path, mix="a=1,b=1", total=40)
    found = rows_of(out)
    assert Counter(row["dataset"] for row in found) == {"a": 20, "b": 20}
    times = Counter(row["query_id"] for row in found if row["dataset"] == "b")
    assert sorted(times.values()) == [2, 2, 2, 2, 3, 3, 3, 3]
    assert result.ledger.expanded == 12
    assert result.ledger.notes["examples repeated, for --total"] == 12
    assert result.ledger.rows_out == 40
    ids = [row["query_id"] for row in found]
    assert sum(one == two for one, two in pairwise(ids)) < 4


def test_a_cap_counts_for_each_dataset(tmp_path: Path) -> None:
    make(tmp_path, {"a": 50, "b": 20})
    out, result = emit(tmp_path, cap=30)
    assert of_dataset(out) == {"a": 30, "b": 20}
    assert result.ledger.dropped == {"more examples of its dataset than --cap": 20}


def test_what_is_taken_does_not_depend_on_shards_or_their_order(tmp_path: Path) -> None:
    make(tmp_path, {"a": 90, "b": 60})
    options: dict[str, Any] = {
        "mix": "a=1,b=3",
        "total": 120,
        "batch_size": 8,
        "batch_order": "homogeneous",
    }
    first = rows_of(emit(tmp_path, "one", **options)[0])
    other = tmp_path / "other"
    make(other, {"a": 1, "b": 1})
    for name in ("a", "b"):
        rows = list(io.read_all(tmp_path / "sets" / name))[::-1]
        for n in range(3):
            io.write(other / "sets" / name / f"0000{n}.parquet", rows[n::3])
    assert rows_of(emit(other, **options)[0]) == first
    assert rows_of(emit(tmp_path, "two", seed=1, **options)[0]) != first


def test_a_field_may_name_the_dataset(tmp_path: Path) -> None:
    make(tmp_path, {"a": 1})
    rows = [
        row("a", i, **({"language": "en" if i % 3 else "sw"} if i % 4 else {})) for i in range(60)
    ]
    io.write(tmp_path / "sets" / "a" / "00000.parquet", rows)
    io.write(tmp_path / "sets" / "a" / "00001.parquet", [row("a", 60, language="en")])
    out, _ = emit(tmp_path, mix_by="language", mix="en=1,sw=1,none=1")
    assert of_dataset(out) == {"en": 15, "sw": 15, "none": 15}
    with pytest.raises(
        BadOption, match="names 'fr', which is not among the datasets: en, none, sw"
    ):
        emit(tmp_path, "other", mix_by="language", mix="fr=1")


def test_each_dataset_may_have_its_folder(tmp_path: Path) -> None:
    make(tmp_path, {"a": 20, "b c": 30})
    out, result = emit(tmp_path, per_dataset=True, shard_rows=16)
    assert {path.parent.name for path in out.rglob("*.parquet")} == {"a", "b-c"}
    assert {one["dataset"] for one in io.read_all(out / "b-c")} == {"b c"}
    assert result.ledger.rows_out == 50
    with pytest.raises(BadOption, match="can't have a folder of its own name beside 'b c'"):
        make(tmp_path, {"b-c": 3})
        emit(tmp_path, "twice", per_dataset=True)


def test_class_tasks_go_where_in_batch_negatives_are_off(tmp_path: Path) -> None:
    tasks = {"a": {"task": "retrieval"}, "b": {"task": "Classification"}, "c": {"task": "sts"}}
    make(tmp_path, {"a": 20, "b": 10, "c": 5}, **tasks)
    out, _ = emit(tmp_path)
    assert {one["dataset"] for one in io.read_all(out)} == {"a", "c"}
    assert {one["dataset"] for one in io.read_all(out / "no_in_batch_neg")} == {"b"}
    out, _ = emit(tmp_path, "each", per_dataset=True, no_in_batch="auto,c")
    assert {path.parent.name for path in out.rglob("*.parquet")} == {
        "a", "b_no_in_batch_neg", "c_no_in_batch_neg",
    }  # fmt: skip
    out, _ = emit(tmp_path, "none", no_in_batch="none")
    assert len(list(io.read_all(out))) == 35


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mix": "a=2,x=1"}, "--mix names 'x', which is not among the datasets: a, b"),
        ({"mix": "a"}, "expected NAME=WEIGHT"),
        ({"mix": "a=-1"}, "expected NAME=WEIGHT"),
        ({"mix": "a=nan"}, "expected NAME=WEIGHT"),
        ({"mix": "a=1,a=2"}, "'a' twice"),
        ({"mix": "temperature=0"}, "expected a number above 0"),
        ({"mix": "a=0,b=0"}, "a weight of 0"),
        ({"total": 100, "cap": 10}, "--total 100 can't be had with --cap 10"),
        ({"no_in_batch": "x"}, "--no-in-batch names 'x'"),
        ({"no_in_batch": "a,,b"}, "expected auto, none, or NAME"),
        ({"no_in_batch": "none,a"}, "none goes alone"),
    ],
)
def test_what_can_not_be_mixed_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    make(tmp_path, {"a": 9, "b": 9})
    with pytest.raises(BadOption, match=said.replace("(", r"\(")):
        emit(tmp_path, **options)
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_two_datasets_never_share_a_folder(tmp_path: Path) -> None:
    make(tmp_path, {"x": 9, "x_no_in_batch_neg": 9}, x={"task": "classification"})
    with pytest.raises(BadOption, match="would both be written to x_no_in_batch_neg"):
        emit(tmp_path, per_dataset=True)
    make(tmp_path / "2", {"a": 9, "b": 9}, a={"recipe": "_done"}, b={"recipe": "_journal"})
    out, _ = emit(tmp_path / "2", per_dataset=True, mix_by="recipe")
    assert {path.parent.name for path in out.rglob("*.parquet")} == {"done", "journal"}


def test_a_dataset_of_which_nothing_is_left_is_known(tmp_path: Path) -> None:
    """It is there, so naming it is no mistake, unless it should give a share."""
    make(tmp_path, {"a": 9, "b": 9}, b={"candidates": []})
    options: dict[str, Any] = {"num_negatives": 2}
    assert len(rows_of(emit(tmp_path, "apart", no_in_batch="b", **options)[0])) == 9
    assert len(rows_of(emit(tmp_path, "without", mix=" b = 0", **options)[0])) == 9
    with pytest.raises(BadOption, match="'b', of which no example is left"):
        emit(tmp_path, "share", mix="b=1", **options)
    with pytest.raises(BadOption, match="--mix names 'z'"):
        emit(tmp_path, "field", mix="z=1", mix_by="task", **options)


def test_books_close_with_everything_at_once(tmp_path: Path) -> None:
    make(tmp_path, {"a": 90, "b": 60, "c": 30}, c={"task": "clustering"})
    stage = load("emit")
    cfg = stage.config.of(
        {"corpus": (tmp_path / "corpus",), "num_negatives": 2, "mix": "a=3,temperature=2",
         "total": 250, "cap": 100, "batch_size": 16, "batch_order": "homogeneous",
         "last_batch": "drop", "per_dataset": True, "format": "flagembedding",
         "source": str(tmp_path / "sets")}
    )  # fmt: skip
    ledger = run(stage, cfg, str(tmp_path / "sets"), tmp_path / "out", RunOptions()).ledger
    assert ledger.rows_in == 180
    assert ledger.rows_out % 16 == 0
    assert ledger.rows_in + ledger.expanded == ledger.rows_out + ledger.dropped.total()
    lines = {
        path.parent.name: len(path.read_text().splitlines())
        for path in (tmp_path / "out").rglob("*.jsonl") if "reject" not in str(path)
    }  # fmt: skip
    assert set(lines) == {"a", "b", "c_no_in_batch_neg"}
    assert sum(lines.values()) == ledger.rows_out


def test_only_the_first_part_is_mixed_and_every_part_has_its_folders(tmp_path: Path) -> None:
    """As with splits: examples 0 to 29 are of train, the rest of dev."""
    examples = np.zeros(60, dtype=EXAMPLE)
    examples["dataset"] = np.arange(60) % 3
    examples["part"] = np.arange(60) // 30
    examples["part"][0] = NOWHERE
    kinds = [Kind("a"), Kind("a", True), Kind("b")]
    parts = [Part("train"), Part("dev")]
    found = foldered(examples.copy(), parts, kinds, per_dataset=False)
    assert [(one.split, one.folder) for one in found] == [
        ("train", ""), ("train", "no_in_batch_neg"), ("dev", ""), ("dev", "no_in_batch_neg"),
    ]  # fmt: skip
    found = foldered(examples, parts, kinds, per_dataset=True)
    assert [one.folder for one in found] == ["a", "a_no_in_batch_neg", "b"] * 2
    assert [one.dataset for one in found] == ["a", "a", "b"] * 2
    assert examples["part"][0] == NOWHERE
    for place in range(1, 60):
        mine = found[examples["part"][place]]
        kind = kinds[place % 3]
        assert (mine.split, mine.dataset) == (("train", "dev")[place // 30], kind.name)
        assert mine.folder.endswith("no_in_batch_neg") == kind.alone


def test_examples_of_other_parts_are_all_kept(tmp_path: Path) -> None:
    make(tmp_path, {"a": 1})
    with Room(tmp_path) as room:
        gathered = Gathered(room)
        made = np.zeros(100, dtype=EXAMPLE)
        made["key"] = np.random.default_rng(0).integers(0, 1 << 63, 100)
        made["part"], made["dataset"] = np.arange(100) % 2, np.arange(100) % 4 // 2
        made["positives"] = 1
        gathered.add_rows(pa.table({"query_id": ["q"], "query": ["q"]}))
        gathered.add(made, np.zeros(100), np.zeros(100), np.ones(100))
        library = Library({"a": (tmp_path / "corpus",)})
        mixing = Mixing(mixture("b=3", None, None), gathered, library, [Kind("a"), Kind("b")])
        dropped = list(mixing.events(Context()))
        assert mixing.sizes() == {"a": 8, "b": 25}
        assert len(dropped) == 17
        assert (gathered.examples()["part"] == 1).sum() == 50
        taken = gathered.examples()[gathered.examples()["part"] == 0]
        left = gathered.examples()[gathered.examples()["part"] == NOWHERE]
        assert taken["key"][taken["dataset"] == 0].max() < left["key"].min()
