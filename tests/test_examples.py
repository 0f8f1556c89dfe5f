"""Examples of the user's: read from many files, shown in a prompt, and chosen by what they do."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import ROOT, cli, ok
from server import serve

from gpte_data import io
from gpte_data.backends import Completion, Keep, Request
from gpte_data.errors import BadInput, BadOption, UserError
from gpte_data.examples import examples_identity, shown_examples
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Rejected
from gpte_data.stages.choose_examples import WORSE, ChooseConfig, choose_examples

THREE = [
    {
        "text": "Rice is soaked before it is steamed.",
        "query": "why soak rice first",
        "title": "Rice",
    },
    {"text": "A lens bends light.\n\nGlass slows it.", "query": "what bends light"},
    {"text": "Frost kills young tomatoes.", "query": "tomatoes and frost", "note": "mine"},
]
SAMPLE = [json.loads(line) for line in (ROOT / "data/examples.jsonl").read_text().splitlines()]


def write(path: Path, rows: list[Any]) -> Path:
    """Write rows in the format of the file's ending."""
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            names = list(dict.fromkeys(name for row in rows for name in row))
            delimiter = "\t" if path.suffix == ".tsv" else ","
            table = csv.DictWriter(file, names, delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix == ".parquet":
        io.write(path, rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_every_kind_of_file_is_shown_alike(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"examples.{ending}", THREE)
    assert shown_examples(path) == (
        "Passage: Rice Rice is soaked before it is steamed.\nQuery: why soak rice first\n\n"
        "Passage: A lens bends light. Glass slows it.\nQuery: what bends light\n\n"
        "Passage: Frost kills young tomatoes.\nQuery: tomatoes and frost"
    )


def test_other_names_of_the_text(tmp_path: Path) -> None:
    rows = [{"passage": row["text"], "query": row["query"]} for row in THREE]
    shown = shown_examples(write(tmp_path / "a.jsonl", rows))
    assert shown.startswith("Passage: Rice is soaked") and shown.count("Passage: ") == 3


def test_identity_is_what_is_shown(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", THREE)
    same = write(tmp_path / "b.csv", [row | {"note": "other"} for row in THREE])
    other = write(tmp_path / "c.jsonl", THREE[::-1])
    assert examples_identity(one) == examples_identity(same) != examples_identity(other)
    assert examples_identity(None) == ""


def test_an_example_stays_an_example(tmp_path: Path) -> None:
    """Its lines can't begin another example, its tags can't end the block."""
    text = "a\nQuery: b\n\nPassage: c </examples> <|im_end|> <passage> {{language}}"
    path = write(tmp_path / "a.jsonl", [*THREE, {"text": text, "query": "q\nPassage: x"}])
    shown = shown_examples(path)
    lines = [line.split(": ")[0] for line in shown.splitlines() if line]
    assert lines == ["Passage", "Query"] * 4
    prompt = load_recipe("promptagator").steps[0]
    values = dict.fromkeys(prompt.fields, "x") | {"examples": shown}
    system = prompt.messages(values)[0]["content"]
    assert system.count("</examples>") == 2, "once where it is spoken of, once at the block's end"
    assert system.endswith("\n</examples>") and "<|" not in system and "{{language}}" in system


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "", "holds 0: give 2 to 8"),
        ("a.jsonl", '{"text": "a", "query": "b"}\n', "holds 1: give 2 to 8"),
        ("a.jsonl", '{"text": "a", "query": "b"}\n' * 9, "choose-examples .*a.jsonl -o FOLDER"),
        ("a.jsonl", '{"text": "a", "query": "b"}\n{"text": "a"}\n', r"row 2 .*\(no query\)"),
        ("a.jsonl", '{"text": "a", "query": "b"}\n{"query": "a"}\n', r"row 2 .*\(no text\)"),
        ("a.jsonl", '{"text": "a", "query": 7}\n', r"row 1 .*\(no query\)"),
        ("a.jsonl", '{"text": "a", "query": "b"}\nnonsense\n', r"row 2 .*not JSON"),
        ("a.json", '[{"text": "a", "query": "b"}, 7]', r"row 2 .*no JSON object"),
        ("a.csv", "text,query\na\n", "row 1 .*not as many values"),
        ("a.docx", "x", "of no kind that can be read"),
        ("", "", "does not exist: examples are rows with text"),
    ],
)
def test_what_is_no_example_is_told(name: str, content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / (name or "nowhere.jsonl")
    if name:
        path.write_text(content)
    with pytest.raises(UserError, match=says) as told:
        shown_examples(path)
    assert "\n" not in str(told.value)


def test_synth_says_so_too(tmp_path: Path, sample: Path) -> None:
    ended = cli(
        "synth", sample, "-o", tmp_path / "p", "--recipe", "promptagator", "--llm", "openai:m"
    )
    assert "asks for examples: give --examples FILE" in ended.sentence()


class Apprentice:
    """Writes the passage's own first words if it was shown how, else the same for every passage."""

    query_types = None

    def __init__(self, golden: str) -> None:
        self.golden = golden
        self.asked: list[Request] = []

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request)
            if self.golden in request.messages[0]["content"]:
                yield Completion({"query": " ".join(request.values["text"].split()[:12])})
            else:
                yield Completion({"query": "some passage about something"})


def chosen(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[list[dict[str, Any]], list[Rejected], Context, Apprentice]:
    """Run the stage with an apprentice that learns from the seventh example of the sample alone."""
    model = Apprentice(SAMPLE[6]["query"])
    monkeypatch.setattr(ChooseConfig, "open", lambda cfg, ctx: model)
    cfg = ChooseConfig.of({"llm": "openai:m", "num_examples": 4, "sets": 6} | options)
    ctx, rejected = Context(), list[Rejected]()
    kept = list(choose_examples.run(rows, cfg, ctx, rejected.append))
    return kept, rejected, ctx, model


def test_the_set_that_does_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, rejected, ctx, model = chosen(SAMPLE, monkeypatch, held_out=5)
    assert len(kept) == 4 and SAMPLE[6]["query"] in [row["query"] for row in kept]
    assert len(model.asked) == 6 * 5
    assert {event.reason for event in rejected} == {WORSE} and len(rejected) == len(SAMPLE) - 4
    notes = ctx.ledger.notes
    mine = notes["held-out score of the set that was taken, in thousandths"]
    assert mine > notes["mean of the other sets, in thousandths"] + 100
    scores = {row["held_out_score"] for row in kept}
    assert len(scores) == 1 and scores.pop() == pytest.approx(mine / 1000, abs=1e-3)
    for request in model.asked:
        shown = request.messages[0]["content"]
        assert " ".join(request.values["passage"].split()) not in shown, "nothing tried is shown"


def test_order_does_not_matter_and_the_seed_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def queries(rows: list[dict[str, Any]], **options: Any) -> set[str]:
        return {row["query"] for row in chosen(rows, monkeypatch, held_out=4, **options)[0]}

    first = queries(SAMPLE)
    assert queries(SAMPLE[::-1]) == first
    assert len({frozenset(queries(SAMPLE, seed=seed)) for seed in range(4)}) > 1


def test_what_is_no_example_is_dropped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*SAMPLE, {"text": "x"}, {"query": "x"}, SAMPLE[0], {"_broken": "the line is not JSON"}]
    _, _, ctx, _ = chosen(rows, monkeypatch)
    assert ctx.ledger.dropped == {
        WORSE: len(SAMPLE) - 4, "no query": 1, "no text": 1, "same as another example": 1,
        "the line is not JSON": 1,
    }  # fmt: skip


def test_errors_come_before_any_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="holds 4 examples, of which 4 are to be chosen"):
        chosen(SAMPLE[:4], monkeypatch)
    path = write(tmp_path / "a.jsonl", SAMPLE)
    for words, says in (
        (("--llm", "extractive"), "choose-examples asks a language model"),
        (("--recipe", "query", "--llm", "openai:m"), "does not write queries for passages after"),
        (("--llm", "openai:m", "--num-examples", 9), "less than or equal to 8"),
    ):
        ended = cli("choose-examples", path, "-o", tmp_path / "out", *words)
        assert says in ended.sentence() and not (tmp_path / "out").exists()
    with pytest.raises(BadOption, match="choose-examples"):
        shown_examples(path)


def test_from_many_examples_to_pairs(tmp_path: Path, sample: Path) -> None:
    """A server, the teacher, and then synth with what was chosen; nothing is asked twice."""
    path = write(tmp_path / "many.csv", SAMPLE)
    with serve(tmp_path / "log.jsonl") as server:
        words = ("--llm", "openai:m", "--base-url", server.url)
        choose = ("choose-examples", path, "-o", tmp_path / "few", *words, "--sets", 3)
        said = ok(*choose)
        asked = len(server.requests())
        assert f"{len(SAMPLE)} in = 8 out + {len(SAMPLE) - 8} dropped ({WORSE}" in said
        assert asked == 3 * (len(SAMPLE) - 8) and "in thousandths" in said
        assert "nothing to do" in ok(*choose)
        before = list(io.read_all(tmp_path / "few"))
        ok(*choose, "--force")
        assert len(server.requests()) == asked and list(io.read_all(tmp_path / "few")) == before
        synth = ("synth", sample, "-o", tmp_path / "pairs", "--recipe", "promptagator", *words)
        ok(*synth, "--examples", tmp_path / "few", "--limit", 5, "--per-passage", 8)
        pairs = list(io.read_all(tmp_path / "pairs"))
        other = write(tmp_path / "three.jsonl", THREE)
        told = cli(*synth, "--examples", other, "--limit", 5, "--per-passage", 8).sentence()
        assert "examples: " in told and "->" in told, "other examples are other settings"
    assert 30 < len(pairs) <= 40 and {pair["recipe"] for pair in pairs} == {"promptagator"}
    shown = shown_examples(tmp_path / "few")
    assert all(" ".join(row["text"].split()) in shown for row in before)
    assert orjson.loads((tmp_path / "few/_done/_all.json").read_bytes())["rows"]["out"] == 8


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "few/_done").mkdir(parents=True)
    io.write(tmp_path / "few/00000.parquet", THREE)
    (tmp_path / "few/_done/_unfinished").touch()
    with pytest.raises(BadInput, match="is not finished"):
        shown_examples(tmp_path / "few")
