"""--dry-run and --preview: what a run would ask is what it asks, and nothing is paid for twice."""

import re
from pathlib import Path

import pytest
from conftest import cli, ok
from server import Server, serve

from gpte_data.forecast import middling
from gpte_data.io import read_all

LIST = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4}


def chats(server: Server) -> int:
    return sum(line["path"] == "/v1/chat/completions" for line in server.requests())


def figure(shown: str, what: str) -> int:
    """Return a number from the table of a dry run."""
    match = re.search(rf"^ *{what} +([\d,]+)", shown, re.MULTILINE)
    assert match, shown
    return int(match[1].replace(",", ""))


def asked(few: Path, out: Path, server: Server, *more: object) -> tuple[object, ...]:
    return (
        "synth", few, "-o", out, "--llm", "openai:m", "--base-url", server.url, "--per-passage", 2,
        *more,
    )  # fmt: skip


def test_a_dry_run_asks_nothing_and_is_right(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        told = cli(*asked(few, out, server, "--dry-run", "--price-in", 2, "--price-out", 8))
        assert told.rc == 0, told.stderr
        assert not server.requests(), "a dry run sends nothing, not even a greeting"
        assert not out.exists()
        assert figure(told.stdout, "rows") == 30 and figure(told.stdout, "calls") == 60
        assert "prompt 3 of 3" in told.stdout and "<passage>" in told.stdout
        assert re.search(r"cost +\$0\.\d\d", told.stdout)
        ok(*asked(few, out, server))
        assert chats(server) >= 60
        again = cli(*asked(few, out, server, "--dry-run", "--force"))
        assert figure(again.stdout, "calls") == 0 and figure(again.stdout, "answered") == 60


def test_prompt_tokens_are_nearly_those_of_the_server(few: Path, tmp_path: Path) -> None:
    """The server counts words; the estimate is of tokens: 1 to 2 for a word."""
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        told = cli(*asked(few, out, server, "--dry-run"))
        assert "estimate" in told.stdout
        ok(*asked(few, out, server))
    words = re.search(r"prompt tokens: ([\d,]+)", ok_inspect(out))
    assert words
    assert 1 < figure(told.stdout, "prompt tokens") / int(words[1].replace(",", "")) < 2


def ok_inspect(folder: Path) -> str:
    ended = cli("inspect", folder)
    assert ended.rc == 0, ended.stderr
    return ended.stdout


def test_what_a_probe_pays_for_is_not_paid_for_again(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        told = cli(*asked(few, out, server, "--dry-run", "--probe"))
        assert told.rc == 0, told.stderr
        assert chats(server) == 40, "twenty rows of two"
        assert figure(told.stdout, "calls") == 20 and figure(told.stdout, "answered") == 40
        assert "probe of 40 calls" in told.stdout and re.search(r"time +\d", told.stdout)
        ok(*asked(few, out, server))
        assert chats(server) == 60


def test_a_preview_shows_rows_and_keeps_their_answers(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        told = cli(*asked(few, out, server, "--preview", 12, "--price-in", 1, "--price-out", 1))
        assert told.rc == 0, told.stderr
        assert chats(server) == 24
        assert "12 + 12 expanded in = " in told.stdout and "$0." in told.stdout
        assert not list(out.glob("*.parquet"))
        ok(*asked(few, out, server))
        assert chats(server) == 60
    shown = [row["query"] for row in read_all(out) if row["query"] in told.stdout]
    assert len(shown) >= 12


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--probe",), "--probe measures for a dry run"),
        (("--dry-run", "--preview", 2), "give one of them"),
        (("--preview", 0), "--preview takes a number of rows"),
    ],
)
def test_options_that_do_not_fit(
    few: Path, tmp_path: Path, options: tuple[object, ...], says: str
) -> None:
    ended = cli("synth", few, "-o", tmp_path / "o", *options)
    assert says in ended.sentence()


def test_a_dry_run_finds_what_is_wrong(few: Path) -> None:
    assert "no recipe 'nope'" in cli("synth", few, "--recipe", "nope", "--dry-run").sentence()


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "boolean"}, True),
    ],
)
def test_made_up_answers_fit(schema: dict[str, object], answer: object) -> None:
    assert middling({"properties": {"x": schema}}) == {"x": answer}


def test_made_up_texts_and_lists_are_of_middling_length() -> None:
    text = {"type": "string", "minLength": 10, "maxLength": 110}
    assert len(middling({"properties": {"x": text}})["x"]) == 60
    items = middling({"properties": {"x": LIST}})["x"]
    assert len(items) == 3 and len(set(items)) == 3
