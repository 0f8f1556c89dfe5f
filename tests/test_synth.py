"""Synth: queries by extraction and by a server, each row answered or told why not."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pytest
from server import serve

from gpte_data import io
from gpte_data.backends.extractive import Extractive, terms
from gpte_data.backends.openai_client import Caller
from gpte_data.errors import EndpointError
from gpte_data.ledger import Ledger
from gpte_data.plan import RunOptions
from gpte_data.recipes import load_recipe
from gpte_data.run import run
from gpte_data.stage import Context, Rejected
from gpte_data.stages.synth import SynthConfig, synth
from gpte_data.subjects import values_of

DATA = Path(os.environ.get("GPTE_SHARED_DATA", Path(__file__).parent.parent / "../shared/data"))
SUBJECTS = ["copper", "yeast", "glacier", "tariff", "violin", "enzyme", "harbour", "quartz"]


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a tenth as long as a user does before another try."""
    pause = Caller._pause
    monkeypatch.setattr(Caller, "_pause", lambda *args: pause(*args) / 10)


def passages(count: int) -> list[dict[str, Any]]:
    return [
        {
            "doc_id": f"d{n}",
            "title": f"About {SUBJECTS[n % 8]} {n}",
            "text": f"The {SUBJECTS[n % 8]} of place{n} is famous. It was found by person{n} long "
            f"ago. Nobody knows why the {SUBJECTS[n % 8]} has colour{n} and weighs so much.",
        }
        for n in range(count)
    ]


def corpus(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a corpus of one shard, whose term statistics are used."""
    io.write(path / "00000.parquet", rows)
    return path


def written(
    rows: Any, journal: Path | None = None, **options: Any
) -> tuple[list[dict[str, Any]], list[Rejected], Ledger]:
    """Run the stage; return pairs, rejected ones and the books, which have closed."""
    ctx, rejected = Context(journal), list[Rejected]()
    pairs = list(synth.run(rows, SynthConfig.of(options), ctx, rejected.append))
    return pairs, rejected, ctx.ledger


# Extraction


@pytest.fixture
def extract(tmp_path: Path) -> Any:
    """Give a function that writes queries by extraction over the term statistics of its rows."""

    def run_on(
        rows: list[dict[str, Any]], **options: Any
    ) -> tuple[list[dict[str, Any]], list[Rejected], Ledger]:
        folder = tmp_path / f"corpus{len(list(tmp_path.iterdir()))}"
        return written(rows, corpus=(corpus(folder, rows),), **options)

    return run_on


def test_extraction_writes_each_type_once(extract: Any) -> None:
    rows = passages(40)
    pairs, rejected, ledger = extract(rows)
    assert not rejected and (ledger.rows_in, ledger.expanded, ledger.rows_out) == (40, 80, 120)
    by_id = {row["doc_id"]: row for row in rows}
    for doc_id, group in groupby(pairs, key=lambda pair: pair["positives"][0]):
        mine = list(group)
        assert [pair["query_id"] for pair in mine] == [f"{doc_id}#query-{n}" for n in range(3)]
        queries = {pair["query_type"]: pair["query"] for pair in mine}
        assert set(queries) == {"title", "crop", "keywords"}
        assert queries["title"] == by_id[doc_id]["title"]
        assert queries["crop"] in by_id[doc_id]["text"]
        found = terms(by_id[doc_id]["title"] + " " + by_id[doc_id]["text"])
        assert set(queries["keywords"].split()) <= set(found)
    assert {pair["generator"].rstrip(":") for pair in pairs} == {"extractive"}
    assert {pair["recipe"] for pair in pairs} == {"query"}


def test_types_take_turns(extract: Any) -> None:
    """Of one query a passage each type is a third; of six, each comes twice."""
    pairs, _, _ = extract(passages(300), per_passage=1)
    counts = Counter(pair["query_type"] for pair in pairs)
    assert all(75 < counts[kind] < 125 for kind in ("title", "crop", "keywords"))
    pairs, rejected, ledger = extract(passages(10), per_passage=6)
    assert len(pairs) == 30 and {event.reason for event in rejected} == {
        "repeats another query of the passage"
    }
    assert ledger.dropped.total() == 30 and not ledger.failed
    assert Counter(event.row["query_type"] for event in rejected) == {
        "title": 10, "crop": 10, "keywords": 10,
    }  # fmt: skip


def test_keywords_are_the_rare_words(extract: Any) -> None:
    rows = [{"doc_id": str(n), "text": f"common words here and rare{n} too"} for n in range(50)]
    pairs, _, _ = extract(rows)
    keywords = [pair["query"].split() for pair in pairs if pair["query_type"] == "keywords"]
    assert all(any(word.startswith("rare") for word in query) for query in keywords)
    assert all(len(query) <= 4 for query in keywords)


def test_without_a_title_a_crop_is_called_a_crop(extract: Any) -> None:
    rows = [{"doc_id": row["doc_id"], "text": row["text"]} for row in passages(30)]
    pairs, rejected, _ = extract(rows)
    assert Counter(pair["query_type"] for pair in pairs) == {"crop": 30, "keywords": 30}
    assert Counter(event.reason for event in rejected) == {
        "repeats another query of the passage": 30
    }
    pairs, rejected, _ = extract(rows, per_passage=1)
    assert not rejected and {pair["query_type"] for pair in pairs} == {"crop", "keywords"}


def test_texts_without_words_are_dropped_with_a_reason(extract: Any) -> None:
    rows = [{"doc_id": "a", "text": "..."}, {"doc_id": "b", "text": "12 34"}, *passages(2)]
    pairs, rejected, ledger = extract(rows)
    assert {pair["positives"][0] for pair in pairs} == {"d0", "d1"}
    assert not ledger.failed, "nothing went wrong: there is nothing to ask"
    assert {event.reason for event in rejected} == {"empty"}


def test_a_query_is_not_the_whole_passage(extract: Any) -> None:
    rows = [{"doc_id": "a", "text": "One short sentence only."}, *passages(2)]
    _, rejected, _ = extract(rows)
    assert "the whole passage" in {event.reason for event in rejected}


def test_order_and_neighbours_do_not_matter(extract: Any, tmp_path: Path) -> None:
    rows = passages(60)
    folder = corpus(tmp_path / "all", rows)

    def queries(some: list[dict[str, Any]], **options: Any) -> dict[str, dict[str, Any]]:
        pairs, _, _ = written(some, corpus=(folder,), **options)
        return {pair["query_id"]: pair for pair in pairs}

    everything = queries(rows)
    assert queries(rows[::-1]) == everything
    alone = queries(rows[17:18])
    assert alone == {name: everything[name] for name in alone} and len(alone) == 3
    assert queries(rows, seed=1) != everything
    fewer = queries(rows, per_passage=2)
    assert fewer == {name: everything[name] for name in fewer}, "more queries, the same first ones"


def test_languages_of_the_rows_are_passed_on(extract: Any) -> None:
    rows = [{**row, "language": "de"} for row in passages(2)]
    assert {pair["language"] for pair in extract(rows)[0]} == {"de"}
    assert {pair["language"] for pair in extract(rows, language="fr")[0]} == {"fr"}
    assert not any("language" in pair for pair in extract(passages(2))[0])


@pytest.mark.parametrize(
    "language", ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"]
)
def test_extraction_in_many_languages(extract: Any, language: str) -> None:
    path = DATA / "xquad" / language / "corpus.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set GPTE_SHARED_DATA")
    docs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [{"doc_id": doc["_id"], "text": doc["text"]} for doc in docs]
    pairs, _, ledger = extract(rows)
    assert ledger.dropped.keys() <= {
        "repeats another query of the passage", "the whole passage",
    }  # fmt: skip
    texts = {row["doc_id"]: row["text"] for row in rows}
    kinds = Counter(pair["query_type"] for pair in pairs)
    assert kinds["keywords"] == len(rows) and kinds["crop"] > 0.97 * len(rows)
    for pair in pairs:
        text = texts[pair["positives"][0]]
        assert pair["query"] in " ".join(text.split()) or all(
            term in text.lower() for term in pair["query"].split()
        )
        assert 2 <= len(pair["query"]) <= 300
        if pair["query_type"] == "keywords":
            assert len(pair["query"].split()) > 1, pair["query"]


def test_terms_of_scripts() -> None:
    assert terms("The COVID-19 don't p53 3.5 _x") == ["the", "covid-19", "don't", "p53", "x"]
    assert terms("अकादमी पुरस्कार के") == ["अकादमी", "पुरस्कार", "के"]
    assert terms("น้ำที่ได้ เป็น") == ["น้ำที่ได้", "เป็น"]
    assert terms("黑豹队。X光 分") == ["黑豹", "豹队", "x", "光", "分"]
    assert terms("أدّت الفائزة") == ["أدّت", "الفائزة"]
    assert terms("... 12 !") == []


def test_no_statistics_no_crash() -> None:
    found = Extractive((0, {}))
    assert found.crop("") == "" and found.keywords("") == []


# A server


def test_a_server_writes_queries(tmp_path: Path) -> None:
    rows = passages(40)
    with serve(tmp_path / "log.jsonl") as server:
        pairs, rejected, ledger = written(rows, llm="openai:m", base_url=server.url)
        log = server.requests()
    assert len(pairs) + len(rejected) == 120 == len(log)
    assert {event.reason for event in rejected} <= {"repeats another query of the passage"}
    assert ledger.notes["prompt tokens"] > 120 * 100 and ledger.notes["completion tokens"] > 240
    assert {pair["generator"] for pair in pairs} == {"openai:m"}
    assert {pair["query_type"] for pair in pairs} <= load_recipe("query").types.keys()
    order = [pair["query_id"] for pair in pairs]
    assert order == sorted(order, key=lambda name: (int(name[1:].split("#")[0]), name))
    for row, group in zip(rows, groupby(pairs, lambda pair: pair["positives"][0]), strict=True):
        mine = list(group[1])
        assert group[0] == row["doc_id"] and 1 <= len(mine) <= 3
        assert len({pair["query_type"] for pair in mine}) == len(mine), "none twice"
    assert synth.adds <= pairs[0].keys()


def test_faults_are_not_seen_in_the_pairs(tmp_path: Path) -> None:
    rows = passages(60)
    with serve(tmp_path / "clean.jsonl") as server:
        clean, _, books = written(rows, llm="openai:m", base_url=server.url)
    faults = {"p429": 0.1, "p500": 0.05, "preset": 0.02, "ptruncate": 0.03}
    worse = {"pmalformed": 0.04, "fault_seed": 5}
    with serve(tmp_path / "log.jsonl", **faults, **worse) as server:
        pairs, _, ledger = written(rows, llm="openai:m", base_url=server.url)
        assert sum(line["status"] != 200 for line in server.requests()) > 40
    assert pairs == clean
    assert ledger.failed == books.failed and ledger.dropped == books.dropped


def test_an_answer_that_is_none_is_asked_for_once_more(tmp_path: Path) -> None:
    rows = passages(60)
    with serve(tmp_path / "clean.jsonl") as server:
        clean, _, _ = written(rows, llm="openai:m", base_url=server.url)
    with serve(tmp_path / "log.jsonl", pbadanswer=0.15, pempty=0.05) as server:
        pairs, rejected, ledger = written(rows, llm="openai:m", base_url=server.url)
        bad = sum(line["status"] in ("badanswer", "empty") for line in server.requests())
    failed = [event for event in rejected if event.failed]
    assert bad > 20 and len(failed) < bad / 4
    ours = {pair["query_id"]: pair for pair in pairs}
    same = [pair for pair in clean if ours.get(pair["query_id"]) == pair]
    assert 180 - 2 * bad < len(same) < len(clean), "only what was asked again is another"
    assert ledger.failed.total() == len(failed)


def test_rows_that_fail_are_found_again(tmp_path: Path) -> None:
    """One passage that is always refused, others that get nothing but errors."""
    rows = passages(30)
    options: dict[str, Any] = {"llm": "openai:m", "retries": 0, "concurrency": 16}
    with serve(tmp_path / "log.jsonl", bad_substring="place7 ", p500=0.2, pempty=0.6) as server:
        pairs, rejected, ledger = written(rows, base_url=server.url, **options)
    failed = [event for event in rejected if event.failed]
    assert len(pairs) + len(rejected) == 90 == ledger.rows_in + ledger.expanded
    assert ledger.failed.total() == len(failed) > 10
    reasons = {reason.split(":")[0] for reason in ledger.failed}
    assert reasons == {"refused (400)", "status 500", "empty answer"}
    refused = [event.row for event in failed if event.reason.startswith("refused")]
    assert {row["doc_id"] for row in refused} == {"d7"} and len(refused) == 3
    assert all(row.keys() == {"query_id", "doc_id", "query_type"} for row in refused)
    assert {row["query_id"] for row in refused} == {f"d7#query-{n}" for n in range(3)}


def test_nothing_is_bought_twice(tmp_path: Path) -> None:
    rows, journal = passages(20), tmp_path / "journal.jsonl"
    with serve(tmp_path / "log.jsonl", p500=0.3) as server:
        options: dict[str, Any] = {"llm": "openai:m", "base_url": server.url, "retries": 0}
        _, rejected, _ = written(rows, journal, **options)
        missing = sum(event.failed for event in rejected)
        bought = len(server.requests())
        assert bought == 60 and missing > 5
        _, again, _ = written(rows, journal, **options)
        assert len(server.requests()) == 60 + missing
        assert sum(event.failed for event in again) < missing
    with serve(tmp_path / "clean.jsonl") as server:
        pairs, _, _ = written(rows, journal, llm="openai:m", base_url=server.url)
        clean, _, _ = written(rows, llm="openai:m", base_url=server.url)
    assert pairs == clean


def test_a_server_that_dies_leaves_a_journal(tmp_path: Path) -> None:
    rows, journal = passages(500), tmp_path / "journal.jsonl"
    with serve(tmp_path / "log.jsonl", latency=0.02) as server:
        options = {"llm": "openai:m", "base_url": server.url, "concurrency": 8, "retries": 1}
        pairs = synth.run(iter(rows), SynthConfig.of(options), Context(journal))
        with pytest.raises(EndpointError, match="does not answer"):
            for number, _ in enumerate(pairs):
                if number == 60:
                    server.stop()
    known = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    assert 60 < len(known) < 200 and all(line["answer"]["query"] for line in known)


def test_few_rows_are_held(tmp_path: Path) -> None:
    """The input is read no further ahead than 16 times the requests in flight."""
    read = given = most = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        for row in passages(300):
            read += 1
            yield row

    with serve(tmp_path / "log.jsonl", latency_jitter=0.02) as server:
        options = {"llm": "openai:m", "base_url": server.url, "concurrency": 4, "per_passage": 1}
        for _ in synth.run(rows(), SynthConfig.of(options), Context()):
            given += 1
            most = max(most, read - given)
    assert given == 300 and most <= 24 * 4 + 1


def test_failed_rows_are_kept_in_the_output(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "corpus", passages(12))
    with serve(tmp_path / "log.jsonl", bad_substring="place7 ") as server:
        cfg = SynthConfig.of({"llm": "openai:m", "base_url": server.url})
        rejects = tmp_path / "r.jsonl"
        result = run(synth, cfg, str(folder), tmp_path / "pairs", RunOptions(rejected=rejects))
    kept = [orjson.loads(line) for line in rejects.read_bytes().splitlines()]
    failed = [row for row in kept if row["rejected"] == "failed"]
    assert result.ledger.failed.total() == len(failed) == 3
    assert all(row["doc_id"] == "d7" and "400" in row["reason"] for row in failed)


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(
        "---\nversion: 9\nanswer: {type: object, properties: {query: {type: string, minLength: 3}},"
        " required: [query]}\n---\n# user\n<passage>\n{{passage}}\n</passage>\nQuery {{number}}.\n"
    )
    with serve(tmp_path / "log.jsonl") as server:
        options: dict[str, Any] = {"llm": "openai:m", "base_url": server.url, "recipe": str(path)}
        pairs, rejected, _ = written(passages(3), per_passage=2, **options)
    assert len(pairs) + len(rejected) == 6
    assert {(pair["recipe"], pair["prompt_version"], pair["query_type"]) for pair in pairs} == {
        ("mine", "9", "query")
    }


def test_weights_of_zero_never_come(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(
        "---\nversion: 1\nanswer: {properties: {query: {type: string}}, required: [query]}\n"
        "types: {a: {weight: 3}, b: {weight: 1}, never: {weight: 0}}\n---\n# user\n{{say}}\n"
    )
    drawing = SynthConfig.of({"recipe": str(path)}).drawing(None)
    for row in passages(50):
        items = drawing.items(row, 7, values_of(row, "passage"))
        kinds = [item.facts["query_type"] for item in items]
        assert len(kinds) == 7 and set(kinds) == {"a", "b"}
        assert all({*kinds[i : i + 2]} == {"a", "b"} for i in (0, 2, 4)), "in rounds"
