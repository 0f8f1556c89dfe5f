"""Instructions: from rows, from a file, and where a format has them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets_to_mix import emit, make, rows_of

from gpte_data import io
from gpte_data.errors import BadOption

SAID = """
default: Find what answers the question
classification: [Find texts of the same class, Say what the text is about]
b: Find abstracts for the claim
"""


def written(folder: Path, text: str = SAID, name: str = "said.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def instructions(out: Path) -> dict[str, Counter[str]]:
    """Return dataset -> instruction -> rows."""
    found: dict[str, Counter[str]] = {}
    for one in rows_of(out):
        found.setdefault(one["dataset"], Counter())[one["instruction"]] += 1
    return found


def test_datasets_come_before_tasks_and_those_before_the_default(tmp_path: Path) -> None:
    own = {"task": "classification", "instruction": "Its own"}
    make(
        tmp_path, {"a": 200, "b": 20, "c": 20, "d": 5},
        a={"task": "classification"}, b={"task": "classification"}, d=own,
    )  # fmt: skip
    found = instructions(emit(tmp_path, instructions=written(tmp_path))[0])
    assert found["b"] == {"Find abstracts for the claim": 20}
    assert found["c"] == {"Find what answers the question": 20}
    assert found["d"] == {"Its own": 5}
    assert set(found["a"]) == {"Find texts of the same class", "Say what the text is about"}
    assert min(found["a"].values()) > 70  # two of 200 rows: 5 standard deviations from 100 is 65
    over = written(tmp_path, SAID + "override: true\n", "over.yaml")
    found = instructions(emit(tmp_path, "over", instructions=over)[0])
    assert "Its own" not in found["d"]
    assert found["d"].total() == 5


def test_a_row_draws_the_same_phrasing_whatever_its_shard(tmp_path: Path) -> None:
    make(tmp_path, {"classification": 90})
    path = written(tmp_path)
    first = rows_of(emit(tmp_path, "one", instructions=path)[0])
    rows = list(io.read_all(tmp_path / "sets" / "classification"))[::-1]
    io.write(tmp_path / "sets" / "classification" / "00000.parquet", rows[:50])
    io.write(tmp_path / "sets" / "classification" / "00001.parquet", rows[50:])
    assert rows_of(emit(tmp_path, "two", instructions=path)[0]) == first
    other = rows_of(emit(tmp_path, "three", instructions=path, seed=1)[0])
    drawn = {one["query_id"]: one["instruction"] for one in first}
    assert any(drawn[one["query_id"]] != one["instruction"] for one in other)


def flag_rows(out: Path) -> list[Any]:
    return [json.loads(line) for line in (out / "00000.jsonl").read_text().splitlines()]


def test_an_instruction_stands_in_one_place(tmp_path: Path) -> None:
    make(tmp_path, {"a": 9})
    options: dict[str, Any] = {"format": "flagembedding", "num_negatives": 1, "prompt": "Find it"}
    for one in flag_rows(emit(tmp_path, "auto", **options)[0]):
        assert (one["prompt"], one["query"][:2]) == ("Find it", "a ")
    for one in flag_rows(emit(tmp_path, "front", instruct="query", **options)[0]):
        assert one["prompt"] == ""
        assert one["query"].startswith("Instruct: Find it\nQuery: a ")
    for one in flag_rows(emit(tmp_path, "none", instruct="none", **options)[0]):
        assert (one["prompt"], one["query"][:2]) == ("", "a ")
    options |= {"format": "sentence-transformers", "template": "{instruction}: {query}"}
    for one in rows_of(emit(tmp_path, "st", **options)[0]):
        assert one["anchor"].startswith("Find it: a ")
    for one in rows_of(emit(tmp_path, "plain", instruct="none", **options)[0]):
        assert one["anchor"].startswith("a ")
    with pytest.raises(BadOption, match="sentence-transformers has no field for an instruction"):
        emit(tmp_path, "field", instruct="field", **options)


def test_a_name_that_no_row_has_is_noted(tmp_path: Path) -> None:
    make(tmp_path, {"a": 9})
    _, result = emit(tmp_path, instructions=written(tmp_path))
    notes = [note for note in result.ledger.notes if "--instructions names" in note]
    assert notes == [
        "rows of 'b', which --instructions names",
        "rows of 'classification', which --instructions names",
    ]


def test_json_and_toml_say_the_same(tmp_path: Path) -> None:
    make(tmp_path, {"b": 9})
    toml = written(tmp_path, 'b = ["Find abstracts for the claim"]', "said.toml")
    text = written(tmp_path, '{"b": "Find abstracts for the claim"}', "said.json")
    for n, path in enumerate((toml, text)):
        found = instructions(emit(tmp_path, f"out{n}", instructions=path)[0])
        assert found == {"b": {"Find abstracts for the claim": 9}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b", "must hold instructions by name of a dataset or task, found list"),
        ("a: [x, 3]", "'a' takes a text or a list of texts"),
        ("a: ''", "'a' takes a text or a list of texts"),
        ("a: []", "'a' takes a text or a list of texts"),
        ("override: 3", "override takes true or false"),
        ("a: [", "is not valid yaml"),
        ("", "found NoneType"),
        ("no: Finn tekster", "the name False is no text: put it in quotes"),
    ],
)
def test_a_file_that_holds_no_instructions_is_refused(tmp_path: Path, text: str, said: str) -> None:
    make(tmp_path, {"a": 9})
    with pytest.raises(BadOption, match=said):
        emit(tmp_path, instructions=written(tmp_path, text))
    with pytest.raises(BadOption, match="can't be read"):
        emit(tmp_path, instructions=tmp_path / "nowhere.yaml")


def test_tasks_are_read_in_any_case_and_blanks_are_no_instruction(tmp_path: Path) -> None:
    make(tmp_path, {"a": 9, "b": 9}, a={"task": "Classification"}, b={"instruction": "  "})
    text = "classification: Say what it is about\ndefault: Find passages"
    out, result = emit(tmp_path, instructions=written(tmp_path, text))
    found = {row["dataset"]: row["instruction"] for row in rows_of(out)}
    assert found == {"a": "Say what it is about", "b": "Find passages"}
    assert not result.ledger.notes
