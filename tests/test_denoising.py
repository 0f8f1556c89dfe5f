"""Rules on rerank scores: what is dropped, what is promoted, and that twice is as good as once.

Scores are those of the test server, a share of the query's words in the document, so that each is
known here.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, files, ok
from server import Server, serve
from server_answers import overlap
from test_kill import kill, start

from gpte_data import io
from gpte_data.denoising.options import FilterConfig
from gpte_data.denoising.rules import BELOW, BEYOND, PROMOTED, WORDS, Rules, ranks_of
from gpte_data.errors import BadInput, BadOption, EndpointError
from gpte_data.positives import only
from gpte_data.records import kept
from gpte_data.stage import Context, Rejected, Row
from gpte_data.stages.emit import emit
from gpte_data.stages.filter_negatives import filter_negatives
from gpte_data.stages.select_negatives import select_negatives

QUERY = "one two three four five six seven eight nine ten"
LETTERS = "abcdefghij"
AS_GOOD, CLOSE, RELEVANT, EARLY, LATE = WORDS[1:6]


def text(words: int) -> str:
    """Return a document with the query's first words: of score (2 words - 1 + .5) / 20."""
    return " ".join(QUERY.split()[:words]) + " and more"


def score(words: int) -> float:
    return float(np.float32(overlap(QUERY, text(words))))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents a to j with one to ten of the query's words, in two shards."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = [{"doc_id": LETTERS[n], "text": text(n + 1)} for n in range(10)]
    io.write(folder / "00000.parquet", rows[:4])
    io.write(folder / "00001.parquet", rows[4:])
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server") / "log.jsonl") as running:
        yield running


def mined(positives: str = "i", candidates: str = "jhgfedcba", **more: Any) -> Row:
    hits = [
        {"doc_id": d, "rank": n, "score": 0.5, "source": "t", "choice": n, "verdict": "keep"}
        | ({"reason": "r"} if n else {})
        for n, d in enumerate(candidates, 1)
    ]
    row = {"query_id": "q", "query": QUERY, "positives": list(positives), "candidates": hits}
    return row | {"positive_scores": [0.9] * len(positives)} | more


@pytest.fixture
def run(corpus: Path, server: Server, tmp_path: Path) -> Any:
    """Return a function that filters rows with the server's scores."""

    def filtered(*rows: Row, **options: Any) -> list[Row]:
        told: Row = {"reranker": "openai:m", "base_url": (server.url,), "score_cache": tmp_path}
        return list(filter_negatives(rows, corpus=(corpus,), **(told | options)))

    return filtered


def reasons(row: Row) -> dict[str, str]:
    return {hit["doc_id"]: hit["reason"] for hit in row["candidates"]}


def dropped(row: Row) -> str:
    return "".join(h["doc_id"] for h in row["candidates"] if h["verdict"] == "drop")


def test_every_rule_that_holds_is_kept_and_the_surest_is_the_reason(run: Any) -> None:
    options = {"margin": 0.0, "absolute_margin": 0.25, "max_score": 0.5, "max_rerank_rank": 7}
    (row,) = run(mined(), min_rerank_rank=2, depth=8, **options)
    assert row["positive_rerank_scores"] == [score(9)]
    assert (row["reranker"], row["rerank_scale"]) == ("openai:m", "probability")
    rules = {hit["doc_id"]: hit.get("rules") for hit in row["candidates"]}
    assert rules == {
        "j": [AS_GOOD, CLOSE, RELEVANT, EARLY],
        "h": [CLOSE, RELEVANT],
        "g": [CLOSE, RELEVANT],
        "f": [RELEVANT],
        "e": None,
        "d": None,
        "c": None,
        "b": [LATE],
        "a": [BEYOND],
    }
    assert reasons(row) == {d: (r[0] if r else BELOW) for d, r in rules.items()}
    for hit in row["candidates"][:-1]:
        assert hit["rerank_score"] == score(LETTERS.index(hit["doc_id"]) + 1)
    assert "rerank_score" not in row["candidates"][-1]


@pytest.mark.parametrize(("against", "gone"), [("min", "jhgfe"), ("mean", "jhg"), ("max", "j")])
def test_against_which_of_several_positives(run: Any, against: str, gone: str) -> None:
    (row,) = run(mined("ei", "jhgfdcba"), against=against, margin=0.0)
    lowest = {"min": score(5), "mean": (score(5) + score(9)) / 2, "max": score(9)}[against]
    wanted = "".join(d for d in "jhgfdcba" if score(LETTERS.index(d) + 1) > lowest)
    assert dropped(row) == wanted == gone.replace("e", "")


def test_only_what_is_surely_relevant_is_promoted(run: Any) -> None:
    (row,) = run(mined("g", "jihfedcba"), promote=True, margin=0.0)
    assert row["positives"] == ["g", "j"] and row["promoted"] == ["j"], "i has .875"
    assert row["positive_rerank_scores"] == [score(7), score(10)]
    assert row["positive_scores"] == [0.9, 0.5]
    assert reasons(row)["j"] == PROMOTED and reasons(row)["i"] == AS_GOOD
    assert row["candidates"][0]["rules"] == [PROMOTED, AS_GOOD]
    (row,) = run(mined("g", "jihfedcba"), promote=True, promote_above=0.7, margin=0.0)
    assert row["positives"] == ["g", "j", "i", "h"]


def test_what_was_written_as_a_negative_is_judged_and_never_promoted(run: Any) -> None:
    row = mined("g", "jihfedcba")
    row["candidates"][0] |= {"source": "written"}
    (found,) = run(row, promote=True, margin=0.0)
    assert found["positives"] == ["g"] and reasons(found)["j"] == AS_GOOD
    row["candidates"][8] |= {"source": "written"}
    (found,) = run(row, depth=1)
    assert [h["doc_id"] for h in found["candidates"] if "rerank_score" in h] == ["j"]


OPTIONS: list[Row] = [
    {},
    {"depth": 3},
    {"promote": True, "promote_above": 0.5},
    {"min_rerank_rank": 3, "max_rerank_rank": 5, "margin": 0.5},
    {"promote": True, "against": "min", "margin": 0.0, "depth": 5},
    {"absolute_margin": 0.3, "max_score": 0.6},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_on_its_own_output_it_changes_nothing(run: Any, options: Row) -> None:
    rows = [mined("ei", "jhgfdcba"), mined("g", "jihfedcba", query_id="r")]
    once = run(*rows, **options)
    assert run(*once, **options) == once
    for other in OPTIONS:
        assert run(*run(*rows, **other), **options) == once, "what it said before is taken back"


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_order_of_rows_does_not_matter(run: Any, options: Row) -> None:
    dice = random.Random(3)
    rows = [
        mined(p, "".join(d for d in LETTERS if d not in p), query_id=f"q{n}")
        for n, p in enumerate(["a", "ci", "j", "gh", "e"])
    ]
    mixed = dice.sample(rows, 5)
    found = {row["query_id"]: row for row in run(*mixed, **options)}
    assert [found[row["query_id"]] for row in rows] == run(*rows, **options)


def test_what_others_dropped_or_promoted_stays(run: Any) -> None:
    row = mined("gj", "jihfedcba", promoted=["j"])
    row["candidates"][0] |= {"verdict": "drop", "reason": "a judge says so"}
    row["candidates"][3] |= {"verdict": "drop", "reason": "by a rule of mining", "rules": ["x"]}
    row["candidates"][3].pop("choice")
    (found,) = run(row, promote=True, promote_above=0.8, margin=0.0)
    assert found["positives"] == ["g", "j", "i"] and found["promoted"] == ["j", "i"]
    for n in (0, 3):
        assert found["candidates"][n] == row["candidates"][n]
    (back,) = run(found, margin=0.0)
    assert back["positives"] == ["g", "j"] and back["promoted"] == ["j"]


def test_a_labelled_positive_is_never_taken_for_a_promoted_one(run: Any) -> None:
    """Datasets put together may have a candidate that is a positive: the label stands."""
    row = mined("gj", "jihfedcba")
    (found,) = run(row, promote=True, margin=0.0)
    assert found["positives"] == ["g", "j"] and "promoted" not in found
    assert reasons(found)["j"] == AS_GOOD
    (again,) = run(found, promote=True, margin=0.0)
    assert again == found
    (back,) = run(found)
    assert back["positives"] == ["g", "j"]


def test_a_promoted_positive_that_is_the_last_one_stays(run: Any) -> None:
    """A later stage took the others away."""
    (found,) = run(mined("g", "jihfedcba"), promote=True, margin=0.0)
    left = only(found, [1])
    (again,) = run(left, margin=0.0)
    assert again["positives"] == ["j"] and "j" in dropped(again)


def test_choosing_again_takes_in_nothing_that_was_not_scored(run: Any, tmp_path: Path) -> None:
    """Of a row without any score, as of its neighbours; from a shard as from a pipe."""
    row = mined("i", "jh")
    for hit in row["candidates"]:
        hit |= {"positive_similarity": 0.1, "verdict": "drop", "reason": "too close"}
    (alone,) = run(row)
    assert not kept(next(iter(select_negatives([alone], relative_margin=0.0))))


def test_another_reranker_replaces_all_that_one_said(run: Any, corpus: Path) -> None:
    (row,) = run(mined(), promote=True, promote_above=0.5, margin=0.0)
    (other,) = run(row, reranker="maxsim", margin=0.2)
    (alone,) = run(mined(), reranker="maxsim", margin=0.2)
    assert other == alone and other["rerank_scale"] == "cosine"


def test_chosen_again_in_between(run: Any) -> None:
    """select-negatives leaves what was dropped; a looser filter takes it back, behind the rest."""
    row = mined()
    for hit in row["candidates"]:
        hit |= {"positive_similarity": 0.1}
        hit["score"] = 0.4 - hit["rank"] / 100
    (first,) = run(row, max_score=0.5)
    (chosen,) = select_negatives([first], relative_margin=0.0)
    assert dropped(chosen) == dropped(first) == "jhgf"
    (back,) = run(chosen, margin=0.0)
    assert dropped(back) == "j"
    assert [hit["doc_id"] for hit in kept(back)] == list("edcbahgf")


def test_rows_with_too_few_are_counted_or_dropped(run: Any, corpus: Path, server: Server) -> None:
    rows = [mined(), mined("a", "jihg", query_id="few")]
    told: Row = {"corpus": (corpus,), "reranker": "openai:m", "base_url": (server.url,)}
    for shortage, out in (("partial", 2), ("drop", 1)):
        ctx, events = Context(), list[Rejected]()
        cfg = FilterConfig.of({**told, "shortage": shortage})
        found = list(filter_negatives.run(rows, cfg, ctx, events.append))
        assert len(found) == out and len(events) == 2 - out
        if shortage == "partial":
            assert ctx.ledger.notes["queries with fewer than 5 negatives"] == 1
        else:
            assert events[0].row["rules"] == ["too few negatives are left"]
    assert (
        FilterConfig.of(told).identity() == FilterConfig.of({**told, "num_negatives": 7}).identity()
    )


def test_emit_and_inspect_take_it(run: Any, corpus: Path, tmp_path: Path) -> None:
    rows = run(mined("g", "jihfedcba"), promote=True, margin=0.0)
    (one, two) = emit(rows, corpus=(corpus,), num_negatives=3)
    assert {one["positive"], two["positive"]} == {text(7), text(10)}
    assert one["negative_1"] == text(6)
    io.write(tmp_path / "filtered" / "00000.parquet", rows)
    shown = cli("inspect", tmp_path / "filtered").stdout
    assert "openai:m, probability" in shown and PROMOTED in " ".join(shown.split())


def test_equal_scores_are_ranked_by_id() -> None:
    scores = np.array([0.5, 0.7, 0.5, 0.9, 0.9], np.float32)
    owner, ids = np.array([0, 0, 0, 1, 1]), np.array([5, 1, 2, 9, 3])
    which = np.array([True, True, True, True, True])
    assert ranks_of(scores, owner, ids, which).tolist() == [3, 1, 2, 2, 1]
    which[1] = False
    assert ranks_of(scores, owner, ids, which).tolist() == [2, 0, 1, 2, 1]


def test_negative_scores_have_a_margin_too() -> None:
    """Below a positive of -0.2 by 15 % is -0.23, not -0.17."""
    ones = np.ones(3, dtype=bool)
    scores = np.array([-0.17, -0.21, -0.24], np.float32)
    broken = Rules(0.15).broken(scores, np.full(3, -0.2), np.zeros(3), ones, ones)
    assert broken[:, 1].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"reranker": "maxsim", "max_score": 0.1}, "--max-score is a probability, but .* cosines"),
        ({"reranker": "maxsim", "promote": True, "promote_above": 0.5}, "cosines"),
        ({"promote_above": 0.5}, "does nothing without --promote"),
        ({"min_rerank_rank": 5, "max_rerank_rank": 4}, "nothing would be left"),
        ({"reranker": "maxsim", "instruction": "find"}, "--instruction does nothing for maxsim"),
        ({"reranker": "maxsim", "server_scale": "logit"}, "--server-scale does nothing for maxsim"),
        ({"dtype": "bfloat16"}, "--dtype does nothing for openai:m"),
    ],
)
def test_options_that_contradict_each_other(run: Any, options: Row, told: str) -> None:
    with pytest.raises(BadOption, match=told):
        run(mined(), **options)


def test_rows_that_no_miner_wrote(run: Any) -> None:
    odd: list[tuple[Row, str]] = [
        ({"positives": []}, "row 'q' has no positives"),
        ({"positives": [3]}, r"row 'q' must have positives that are doc_ids, found \[3\]"),
        ({"query": 3}, "row 'q' must have a query that is a text, found 3"),
        ({"candidates": [{"doc_id": "zz"}]}, "row 'q' names 'zz', which is not in"),
        ({"candidates": [{"doc_id": 4}]}, "row 'q' has candidates that no miner wrote"),
        ({"candidates": [{"rank": 4}]}, "row 'q' has candidates without doc_id"),
        (
            {"candidates": [{"doc_id": "a"}, {"rank": 4}]},
            "row 'q' has a candidate without a doc_id",
        ),
        ({"candidates": ["a"]}, "row 'q' has candidates|must be a list of objects"),
    ]
    for change, told in odd:
        with pytest.raises(BadInput, match=told):
            run(mined() | change)
    assert run(mined(candidates=""))[0]["candidates"] == []


def test_scores_that_are_none_name_the_row(corpus: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", bad_substring="six seven") as refusing:
        told: Row = {
            "reranker": "openai:m",
            "base_url": (refusing.url,),
            "score_cache": tmp_path / "s",
        }
        with pytest.raises(EndpointError, match=r"refused \(400\).*\(asked for row 'q'\)"):
            list(filter_negatives([mined()], corpus=(corpus,), **told))


def test_as_command_pipe_and_workers_the_same_and_paid_for_once(
    corpus: Path, server: Server, tmp_path: Path
) -> None:
    names = [f"q{n}" for n in range(12)]
    rows = [mined(query_id=n, query=f"{QUERY} {n}") for n in names]
    for shard in range(3):
        io.write(tmp_path / "mined" / f"{shard:05d}.parquet", rows[shard * 4 : shard * 4 + 4])
    told: list[object] = ["--corpus", corpus, "--reranker", "openai:m", "--base-url", server.url]
    before = len(server.requests())
    ok("filter-negatives", tmp_path / "mined", "-o", tmp_path / "one", *told)
    assert (corpus / "_scores").is_dir()
    asked = len(server.requests())
    assert asked - before == 12 + 1, "a call for each query, and one for the server's shape"
    again = [*told, "--margin", 0.3, "--promote"]
    said = ok("filter-negatives", tmp_path / "mined", "-o", tmp_path / "two", *again)
    assert "scores from the cache: 120" in said and "pairs scored" not in said
    workers = ("--workers", 2)
    ok("filter-negatives", tmp_path / "mined", "-o", tmp_path / "three", *again, *workers)
    assert files(tmp_path / "two", "*.parquet") == files(tmp_path / "three", "*.parquet")
    lines = b"".join(io.to_line(row) for row in io.read_all(tmp_path / "mined"))
    piped = cli("filter-negatives", "-", "-o", "-", *again, input=lines)
    found = [json.loads(line) for line in piped.stdout.splitlines()]
    assert found == json.loads(
        json.dumps([json.loads(io.to_line(row)) for row in io.read_all(tmp_path / "two")])
    )
    assert len(server.requests()) == asked
    ok("ingest", corpus, "-o", tmp_path / "copy")
    assert not (tmp_path / "copy" / "_scores").exists()
    elsewhere = ("--score-cache", tmp_path / "scores")
    ok("filter-negatives", tmp_path / "mined", "-o", tmp_path / "four", *told, *elsewhere)
    assert len(server.requests()) > asked
    assert files(tmp_path / "one", "*.parquet") == files(tmp_path / "four", "*.parquet")


def test_killed_what_was_scored_is_not_paid_for_again(corpus: Path, tmp_path: Path) -> None:
    rows = [mined(query_id=f"q{n}", query=f"{QUERY} {n}") for n in range(30)]
    io.write(tmp_path / "mined" / "00000.parquet", rows)
    with serve(tmp_path / "log.jsonl", latency=0.15) as slow:
        words = ("filter-negatives", tmp_path / "mined", "-o", tmp_path / "out", "--corpus", corpus,
                 "--reranker", "openai:k", "--base-url", slow.url, "--concurrency", 2,
                 "--score-cache", tmp_path / "scores")  # fmt: skip
        for moment in (5, 14):
            process = start(*words)
            while len(slow.requests()) < moment:
                assert process.poll() is None
                time.sleep(0.01)
            kill(process)
            assert not (tmp_path / "out" / "00000.parquet").exists()
        ok(*words)
        asked = [line["key"] for line in slow.requests() if line["attempt"] == 1]
        assert len(asked) == 30 + 1
        twice = [line for line in slow.requests() if line["attempt"] > 1]
        assert len(twice) <= 2 * (4 + 1), (
            "what was under way at each kill, and the first small call"
        )
        ok(*words[:3], tmp_path / "whole", *words[4:])
    assert files(tmp_path / "out", "*.parquet") == files(tmp_path / "whole", "*.parquet")
