"""Prompt lint: what would be read anew for every query, or could speak for the prompt, is told."""

from pathlib import Path

import pytest
from conftest import cli
from server import serve

from gpte_data.prompt_lint import lint, warn
from gpte_data.recipes import parse_recipe

ANSWER = (
    "{type: object, additionalProperties: false, required: [query],"
    " properties: {query: {type: string, maxLength: 99}}}"
)
GOOD = "# system\nBe brief.\n# user\n<passage>\n{{passage}}\n</passage>\nIn {{language}}: {{say}}."
RULE = "A good query is specific, and uses words of its own. "


def found(body: str, answer: str = ANSWER, more: str = "") -> list[str]:
    """Return what is said of a recipe with this body."""
    content = f"---\nversion: 1\nanswer: {answer}\n{more}---\n{body}\n"
    return lint(parse_recipe("mine", content, "mine.md"))


def test_a_good_recipe() -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "# user\nIn {{language}}: {{say}}.\n<passage>{{passage}}</passage>",
            "{{passage}} changes with each row only, and stands behind {{language}}, which changes "
            "with each item: put it before",
        ),
        (
            "# user\n<passage>{{passage}}</passage>\n<examples>{{examples}}</examples>",
            "{{examples}} changes with each run only, and stands behind {{passage}}",
        ),
        (
            "# system\n<passage>{{passage}}</passage>\n# user\n{{say}}",
            "{{passage}} changes with each row and stands in the system section",
        ),
        ("# system\nIn {{language}}.\n# user\n{{say}}", "{{language}} changes with each item and"),
        (
            f"# user\n<passage>{{{{passage}}}}</passage>\n{RULE * 5}",
            "275 characters that are the same in every prompt stand behind {{passage}}, 9 before",
        ),
        ("# user\n{{passage}}\n{{say}}", "{{passage}} does not stand between tags"),
        ("# user\n<passage></passage>{{passage}}", "{{passage}} does not stand between tags"),
        ("# user\n</passage>{{passage}}<passage>", "{{passage}} does not stand between tags"),
        ("# user\n<passage>{{passage}}\n{{say}}", "{{passage}} does not stand between tags"),
        ("# user\n{{examples}}\n{{say}}", "{{examples}} does not stand between tags"),
    ],
)
def test_one_fault_one_sentence(body: str, says: str) -> None:
    told = found(body)
    assert len(told) == 1 and "\n" not in told[0]
    assert told[0].startswith("recipe mine: ") and says in told[0]


def test_a_tail_may_be_longer_where_more_stands_before() -> None:
    body = f"# system\n{RULE * 20}\n# user\n<passage>{{{{passage}}}}</passage>\n{RULE * 5}"
    assert found(body) == []
    assert len(found(body + RULE * 3)) == 1


def test_title_and_context_have_blocks_too() -> None:
    nested = "# user\n<document><title>{{title}}</title>\n{{text}}\n</document>\n{{say}}"
    assert found(nested) == []
    assert len(found(nested.replace("<document>", ""))) == 1
    assert len(found("# user\n<passage>{{passage}}</passage>{{context}}")) == 1


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("{type: string}", "answer.note has no maxLength"),
        ("{type: array, items: {type: integer, maximum: 3}}", "answer.note has no maxItems"),
        ("{type: array, maxItems: 3, items: {type: string}}", "answer.note[] has no maxLength"),
        ("{type: integer}", "answer.note has no maximum"),
        ("{type: string, maxLength: 9, pattern: a}", "answer.note has pattern, which not every"),
        ("{type: string, enum: [a, b]}", ""),
        ("{type: boolean}", ""),
        (
            "{type: object, required: [], properties: {a: {type: boolean}},"
            " additionalProperties: false}",
            "answer.note does not require a",
        ),
        (
            "{type: object, required: [a], properties: {a: {type: boolean}}}",
            "answer.note allows fields that it does not name",
        ),
    ],
)
def test_answers_have_bounds(schema: str, says: str) -> None:
    told = found(
        GOOD, ANSWER.replace("query", "note").replace("{type: string, maxLength: 99}", schema)
    )
    assert len(told) == bool(says) and all(says in one for one in told)


def test_what_an_answer_fills_varies_by_item() -> None:
    """In a second call, the query that the first one wrote is behind the passage or nowhere."""
    body = "# one: user\n<passage>{{passage}}</passage>\n# two: user\n%s"
    front = (
        f"---\nversion: 1\nsteps: {{one: {{answer: {ANSWER}}}, two: {{answer: {ANSWER}}}}}\n---\n"
    )
    after = "<passage>{{passage}}</passage><query>{{query}}</query>"
    before = "<query>{{query}}</query><passage>{{passage}}</passage>"
    assert lint(parse_recipe("p", front + body % after, "p.md")) == []
    told = lint(parse_recipe("p", front + body % before, "p.md"))
    assert len(told) == 1 and told[0].startswith("recipe p, two: {{passage}} changes with each row")


def test_of_a_persona_the_persona_is_the_row() -> None:
    body = "# user\n<persona>{{persona}}</persona>\n{{say}}"
    assert found(body, more="input: persona\n") == []
    before = "# user\n{{say}}\n<persona>{{persona}}</persona>"
    assert found(before) == [], "an answer fills it: an item's like the others"
    assert len(found(before, more="input: persona\n")) == 1


def test_a_users_recipe_is_warned_of_and_runs(tmp_path: Path, sample: Path) -> None:
    path = tmp_path / "mine.md"
    body = "# user\nIn {{language}}: {{say}}.\n<passage>{{passage}}</passage>\n"
    path.write_text(f"---\nversion: 1\nanswer: {ANSWER}\n---\n{body}")
    with serve(tmp_path / "log.jsonl") as server:
        words = ("--llm", "openai:m", "--base-url", server.url, "--limit", 2)
        ours = cli("synth", sample, "-o", tmp_path / "ours", *words)
        mine = cli("synth", sample, "-o", tmp_path / "mine", "--recipe", path, *words)
    assert ours.rc == mine.rc == 0, mine.stderr
    assert "warning" not in ours.stderr
    told = [line for line in mine.stderr.splitlines() if line.startswith("warning: ")]
    assert len(told) == 1 and "{{passage}} changes with each row only" in told[0]


def test_a_mixture_is_warned_of_by_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, whole = tmp_path / "part.md", tmp_path / "whole.md"
    part.write_text(f"---\nversion: 1\nanswer: {ANSWER}\n---\n# user\n{{{{passage}}}}\n")
    whole.write_text(f"---\nmix: {{query: 1, '{part}': 2}}\n---\n")
    warn(str(whole))
    told = capsys.readouterr().err
    assert told.count("warning: recipe part: {{passage}} does not stand between tags") == 1
    assert told.count("\n") == 1
    warn("query")
    assert capsys.readouterr().err == ""
