"""filter-pairs with a judge: what it is asked about, what its ratings lead to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import cli
from judged_rows import chats
from server import Server, serve

from gpte_data import io
from gpte_data.errors import BadOption
from gpte_data.stage import Rejected, Row
from gpte_data.stages import load

GOOD = {"relevance": 5, "answerability": 4, "clarity": 5}
VAGUE = {"relevance": 4, "answerability": 4, "clarity": 1}
WRONG = {"relevance": 2, "answerability": 1, "clarity": 5}
SCRIPT = {"m": {"ratings": {"gold": GOOD, "fog": VAGUE, "ruby": WRONG, "lead": {"x": 1}}}}
TEXTS = {"a": "all gold", "b": "all ruby", "c": "fog", "d": "lead", "e": "gold again"}
LOWER, UNSAID = "rated lower by the judge in all", "does not say what is asked, says the judge"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path / "log", script=json.dumps(SCRIPT)) as running:
        yield running


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    io.write(folder / "00000.parquet", [{"doc_id": d, "text": t} for d, t in TEXTS.items()])
    return folder


def pair(number: int, *positives: str, query: str = "what is it") -> Row:
    return {"query_id": f"q{number}", "query": query, "positives": [*positives]}


def run(
    server: Server, corpus: Path, rows: list[Row], **options: Any
) -> tuple[list[Row], list[Rejected]]:
    lost: list[Rejected] = []
    given = {"corpus": corpus, "judge": "openai:m", "base_url": server.url, **options}
    return list(load("filter-pairs")(rows, on_reject=lost.append, **given)), lost


def test_ratings_decide_and_stay(server: Server, corpus: Path) -> None:
    rows = [pair(0, "a"), pair(1, "b"), pair(2, "c"), pair(3, "a", "b")]
    kept, lost = run(server, corpus, rows, min_judge_score=6, min_answerability=3)
    assert [row["query_id"] for row in kept] == ["q0", "q3"]
    assert kept[0]["positive_judge_scores"] == [round(10 * (14 / 3 - 1) / 4, 4)]
    assert kept[0]["positive_clarity"] == [5] and kept[0]["pair_judge"].startswith("openai:m, ")
    assert kept[1]["positives"] == ["a"] and kept[1]["dropped_positives"] == ["b"]
    assert kept[1]["dropped_rules"] == [[LOWER, UNSAID]]
    assert [(one.row["query_id"], one.row["rules"]) for one in lost] == [
        ("q1", [LOWER, UNSAID]), ("q2", [LOWER]),
    ]  # fmt: skip
    assert lost[0].row["positive_relevance"] == [2]


def test_what_other_rules_drop_is_not_asked_about(server: Server, corpus: Path) -> None:
    rows = [pair(0, "a", "b", query="all gold"), pair(1, "c", query="all gold"), pair(2)]
    kept, lost = run(server, corpus, rows, min_judge_score=5, min_cosine=0.99)
    assert [row["positives"] for row in kept] == [["a"]]
    assert len(chats(server)) == 1
    assert sorted(one.row["query_id"] for one in lost) == ["q1", "q2"]


def test_nothing_is_asked_again(server: Server, corpus: Path) -> None:
    """Of its own output: other floors, the same judge."""
    first, _ = run(server, corpus, [pair(0, "a", "e"), pair(1, "c")], min_relevance=1)
    asked = len(chats(server))
    again, lost = run(server, corpus, first, min_relevance=1)
    assert again == first and not lost and len(chats(server)) == asked == 3
    kept, lost = run(server, corpus, first, min_clarity=4)
    assert len(kept) == 1 and lost[0].reason == "query is not clear enough, says the judge"
    assert len(chats(server)) == asked
    run(server, corpus, first, min_clarity=4, max_words=1)  # shown otherwise: another judge
    assert len(chats(server)) == 2 * asked


def test_a_pair_without_an_answer_fails_and_is_asked_about_again(
    server: Server, corpus: Path, tmp_path: Path
) -> None:
    io.write(tmp_path / "pairs" / "00000.parquet", [pair(0, "a"), pair(1, "e", "d"), pair(2)])
    command = ["filter-pairs", tmp_path / "pairs", "-o", tmp_path / "out", "--corpus", corpus]
    command += ["--judge", "openai:m", "--base-url", server.url, "--min-relevance", 3]
    ended = cli(*command)
    assert ended.rc == 1 and "1 out + 1 dropped" in ended.stderr and "1 failed" in ended.stderr
    asked = len(chats(server))
    assert cli(*command).rc == 1
    again = {one["key"] for one in chats(server)[asked:]}
    assert len(again) == 2, "only what failed is asked about again, with a try to mend it"


def test_dry_run(server: Server, corpus: Path, tmp_path: Path) -> None:
    io.write(tmp_path / "pairs" / "00000.parquet", [pair(0, "a"), pair(1, "b")])
    command = ["filter-pairs", tmp_path / "pairs", "--corpus", corpus, "--dry-run"]
    judge = ["--judge", "openai:m", "--base-url", server.url, "--min-relevance", 3]
    ended = cli(*command, *judge)
    assert ended.rc == 0 and not chats(server) and "all gold" in ended.stdout
    ended = cli(*command, "--min-cosine", 0)
    assert ended.rc == 2 and "none is asked here: give --judge too" in ended.stderr


def test_options_that_do_not_go_together(server: Server, corpus: Path) -> None:
    with pytest.raises(BadOption, match="--judge changes nothing here"):
        run(server, corpus, [pair(0, "a")], min_cosine=0.1)
    with pytest.raises(BadOption, match="need a --judge"):
        run(server, corpus, [pair(0, "a")], min_relevance=2, judge="")
    with pytest.raises(BadOption, match="give --judge too"):
        run(server, corpus, [pair(0, "a")], min_cosine=0.1, judge="", batch=True)
