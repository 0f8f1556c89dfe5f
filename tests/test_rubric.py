"""The rubric for pairs: ratings, what is none, and what is asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from judged_rows import chats
from pydantic import Field
from server import Server, serve

from gpte_data.asking import ReachingConfig
from gpte_data.backends import llm_identity
from gpte_data.backends.journal import Journal
from gpte_data.config import Identity
from gpte_data.errors import BadInput
from gpte_data.judges.rubric import OUT_OF_SCALE, Rating, check_rubric, rated
from gpte_data.recipes import load_recipe, parse_recipe, recipe_path
from gpte_data.stage import Context

BEST = {"relevance": 5, "answerability": 5, "clarity": 5}
MIXED = {"relevance": 4, "answerability": 1, "clarity": 2}
SCRIPT = {
    "m": {"ratings": {"gold": BEST, "ruby": MIXED, "odd": BEST | {"clarity": 6}, "lead": {"x": 1}}}
}


class Config(ReachingConfig):
    """A stage's options, as far as the rubric needs them."""

    model_option: ClassVar[str] = "judge"
    judge: Annotated[str, Identity(llm_identity)] = Field("openai:m", description="Judge.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    with serve(log, script=json.dumps(SCRIPT)) as running:
        yield running


def rate(server: Server, *texts: str, journal: Path | None = None) -> tuple[list[Rating], Context]:
    pairs = [
        ({"query_id": f"q{n}", "query": f"what is {n}", "positives": ["d"]}, text)
        for n, text in enumerate(texts)
    ]
    cfg, ctx, book = Config.of({"base_url": server.url}), Context(), Journal(journal)
    found = list(rated(pairs, cfg, load_recipe("judge-pair"), 50, book, ctx))
    book.close()
    assert [one.row for one in found] == [row for row, _ in pairs]
    return found, ctx


def test_ratings(server: Server) -> None:
    (best, mixed), ctx = rate(server, "all gold", "all ruby")
    assert best.scores == BEST | {"score": 10} and best.rejected is None
    assert mixed.scores == MIXED | {"score": round(10 * (7 / 3 - 1) / 4, 4)}
    assert ctx.ledger.notes["calls of judge-pair"] == 2


def test_a_pair_without_text_is_not_asked_about(server: Server) -> None:
    before = len(chats(server))
    (one, other), _ = rate(server, " ", "gold")
    assert one.scores is None and one.rejected is None and other.scores is not None
    assert len(chats(server)) == before + 1


def test_what_is_no_rating(server: Server) -> None:
    (odd, none, good), _ = rate(server, "odd", "lead", "gold")
    assert odd.rejected is not None and not odd.rejected.failed
    assert odd.rejected.reason == OUT_OF_SCALE and "clarity 6" in odd.rejected.row["raw"]
    assert odd.rejected.row["rules"] == [OUT_OF_SCALE], "as of everything that a filter drops"
    assert none.rejected is not None and none.rejected.failed
    assert none.rejected.reason == "answer does not fit the schema" and none.rejected.row["raw"]
    assert good.scores is not None


def test_nothing_is_asked_twice(server: Server, tmp_path: Path) -> None:
    first, _ = rate(server, "gold", "ruby", journal=tmp_path / "journal")
    before = len(chats(server))
    assert rate(server, "gold", "ruby", journal=tmp_path / "journal")[0] == first
    assert len(chats(server)) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("input: pair", "input: query", "its input must be pair"),
        ("required: [relevance, answerability, clarity]", "required: [clarity]", "must require"),
        ("clarity: {type: integer", "clarity: {type: number", "all integers"),
        ("{{passage}}", "{{answer}}", "asks for {{answer}}"),
    ],
)
def test_prompts_that_can_not_rate(old: str, new: str, says: str) -> None:
    text = recipe_path("judge-pair").read_text()
    assert old in text
    check_rubric(load_recipe("judge-pair"))
    with pytest.raises(BadInput, match=says):
        check_rubric(parse_recipe("mine", text.replace(old, new), "mine.md"))
