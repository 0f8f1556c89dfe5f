"""Recipes for passages, whole: against the test server, against real vLLM, and as pipelines."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import ROOT, cli, ok
from server import serve
from test_recipes import few
from test_vllm import PYTHON, VENV, vllm_server

from gpte_data import io
from gpte_data.inspection import survey
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Rejected
from gpte_data.stages.synth import SynthConfig, synth

Rows = list[dict[str, Any]]
PERSONAS = [
    "a midwife in a village clinic", "a structural engineer who inspects bridges",
    "a pastry apprentice in the first year", "a tax clerk close to retirement",
    "a radio amateur with a small garden", "a law student who works in a bar",
    "a nurse on night duty", "a driver of long freight trains",
]  # fmt: skip
EXAMPLES = ROOT / "data" / "examples.jsonl"


@pytest.fixture(scope="module")
def passages() -> Rows:
    """Thirty passages of the sample, in the language they say they are in."""
    lines = (ROOT / "data/sample/corpus.jsonl").read_text().splitlines()[::8]
    docs = [json.loads(line) for line in lines]
    return [
        {"doc_id": doc["_id"], "title": doc["title"], "text": doc["text"], "language": "en"}
        for doc in docs
    ]


@pytest.fixture(scope="module")
def personas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("personas") / "mine.jsonl"
    rows = [{"persona_id": f"p{n}", "persona": persona} for n, persona in enumerate(PERSONAS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("server") / "log.jsonl") as server:
        yield server.url


@pytest.fixture(scope="module")
def few_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "few.jsonl"
    path.write_text("".join(EXAMPLES.read_text().splitlines(keepends=True)[:3]))
    return path


def written(rows: Rows, url: str, **options: Any) -> tuple[Rows, list[Rejected], Context]:
    """Run synth; return pairs, rejected ones and the context with the books, which have closed."""
    cfg = SynthConfig.of({"llm": "openai:m", "base_url": url, "check_language": False} | options)
    ctx, rejected = Context(), list[Rejected]()
    synth.hooks.prepare(cfg, lambda: rows)  # type: ignore[misc]
    return list(synth.run(rows, cfg, ctx, rejected.append)), rejected, ctx


def settings(pair: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(pair.get("settings", "{}"))
    return found


def test_query_mixes_six_types(passages: Rows, url: str) -> None:
    pairs, _, _ = written(passages, url, recipe="query", per_passage=6)
    types = load_recipe("query").types.keys()
    assert set(types) == {"question", "search", "claim", "yes_no", "keywords", "title"}
    assert {pair["query_type"] for pair in pairs} == types
    one, _, _ = written(passages * 1, url, recipe="query", per_passage=1)
    counts = Counter(pair["query_type"] for pair in one)
    assert counts["question"] + counts["search"] > counts["claim"] + counts["title"]


def test_persona_query_says_who_asks_and_how(passages: Rows, personas: Path, url: str) -> None:
    pairs, rejected, ctx = written(passages, url, recipe="persona-query", personas=personas)
    assert len(pairs) + len(rejected) == 3 * len(passages)
    assert ctx.ledger.notes["calls of persona-query"] == 2 * 3 * len(passages)
    assert not ctx.ledger.failed, "every choice names a persona that was shown"
    schema = load_recipe("persona-query").steps[0].answer["properties"]
    for pair in pairs:
        assert PERSONAS[int(pair["persona_id"][1:])] == pair["persona"]
        assert pair["query_type"] in schema["query_type"]["enum"]
        assert pair["difficulty"] in schema["difficulty"]["enum"]
        assert settings(pair)["words"] in load_recipe("persona-query").draws["words"]
        assert pair["language"] == "en"
    assert len({pair["query_type"] for pair in pairs}) == 5
    assert len({pair["difficulty"] for pair in pairs}) == 3
    assert len({pair["persona_id"] for pair in pairs}) > 4


def test_the_second_call_reads_what_the_first_one_chose(
    passages: Rows, personas: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpte_data.writing import Asking

    asked: list[tuple[int, Any, Any]] = []
    request = Asking.request

    def spy(self: Asking, item: Any, number: int, step: Any) -> Any:
        made = request(self, item, number, step)
        asked.append((number, item, made))
        return made

    monkeypatch.setattr(Asking, "request", spy)
    written(passages[:4], url, recipe="persona-query", personas=personas, persona_candidates=3)
    first = [made for number, _, made in asked if number == 0]
    second = [(item, made) for number, item, made in asked if number == 1]
    assert len(first) == len(second) == 12
    for made in first:
        shown = made.messages[1]["content"]
        assert [f"\n{n}. a" in shown for n in (1, 2, 3, 4)] == [True, True, True, False]
        assert made.schema["properties"]["persona_number"]["maximum"] == 3
        assert "choice" in shown
    for item, made in second:
        user = made.messages[1]["content"]
        assert f"<persona>\n{item.facts['persona']}\n</persona>" in user
        tail = user.split("</persona>")[1]
        assert f"Type: {item.answer['query_type']}. Difficulty: {item.answer['difficulty']}" in tail
        assert f"about {item.facts['words']} words" in tail and "in English." in tail
        assert user.startswith("Language of the passage: English.\n<passage>\n")


def test_promptagator_follows_examples(passages: Rows, few_examples: Path, url: str) -> None:
    options = {"recipe": "promptagator", "examples": few_examples, "per_passage": 8}
    pairs, rejected, _ = written(passages[:10], url, **options)
    assert len(pairs) + len(rejected) == 80 and len(pairs) > 70
    assert {pair["recipe"] for pair in pairs} == {"promptagator"}


def test_queries_in_other_languages(passages: Rows, url: str) -> None:
    options = {"recipe": "summarize-then-ask", "query_languages": "de,zh,sw:0.2", "per_passage": 4}
    pairs, rejected, _ = written(passages, url, **options)
    counts = Counter(pair["language"] for pair in pairs)
    assert counts.keys() == {"de", "zh", "sw"} and sum(counts.values()) == len(pairs)
    assert counts["sw"] < 0.3 * len(pairs) < min(counts["de"], counts["zh"])
    assert not any("summary" in pair for pair in pairs)
    assert not rejected or {event.reason for event in rejected} <= {"copies the passage"}
    _, rejected, _ = written(passages, url, check_language=True, **options)
    assert {event.reason for event in rejected} >= {"wrong language"}, "English was written"


def test_the_summary_comes_before_the_query() -> None:
    assert list(load_recipe("summarize-then-ask").answer["properties"]) == ["summary", "query"]


def test_aspects_that_a_passage_has(passages: Rows, url: str) -> None:
    pairs, rejected, ctx = written(passages, url, recipe="aspect", aspects="method,price of it,use")
    types = {pair["query_type"] for pair in pairs}
    assert types == {"method", "price of it", "use"}, "names that the file does not know as well"
    gone = [event for event in rejected if event.reason == "passage says nothing of this aspect"]
    assert 20 < len(gone) < 70 and not any(event.failed for event in gone)
    assert all(event.row["answer"]["present"] is False for event in gone)
    assert len(pairs) + len(rejected) == 90 == ctx.ledger.rows_in + ctx.ledger.expanded
    for pair in pairs:
        assert not {"present", "answer"} & pair.keys()


def test_an_aspect_is_said_in_words() -> None:
    drawing = SynthConfig.of({"recipe": "aspect", "aspects": "task, cost"}).drawing(None)
    step = load_recipe("aspect").steps[0]
    values = {"passage": "x", "title": "", "text": "x", "context": ""}
    items = drawing.items({"doc_id": "d", "text": "x"}, 2, values)
    tails = {step.messages(item.values)[1]["content"].split("The aspect is ")[1] for item in items}
    assert "cost." in tails and any(tail.startswith("the task: which problem") for tail in tails)


def test_situated_needs_the_text_around(url: str, tmp_path: Path) -> None:
    docs = few(tmp_path / "docs", 12)
    ok("ingest", docs, "-o", tmp_path / "chunks", "--chunk-words", 40)
    rows = list(io.read_all(tmp_path / "chunks"))
    pairs, rejected, _ = written(rows, url, recipe="situated", per_passage=2)
    reasons = Counter(event.reason for event in rejected)
    assert reasons["passage is understood without its context"] > 10 and len(pairs) > 10
    assert {pair["query_type"] for pair in pairs} <= {"question", "search"}
    whole = [{"doc_id": "a", "text": "One sentence."}]
    _, rejected, _ = written(whole, url, recipe="situated")
    assert [event.reason for event in rejected] == [
        "no context: ingest with --chunk-words gives chunks theirs"
    ]
    _, rejected, _ = written([whole[0] | {"context": whole[0]["text"]}], url, recipe="situated")
    assert [event.reason for event in rejected] == ["no context beyond the passage"]


def test_a_step_that_declines_ends_the_item(url: str, tmp_path: Path, passages: Rows) -> None:
    """No second call is paid for where the first one says that there is nothing to write."""
    path = tmp_path / "two.md"
    path.write_text(
        "---\nversion: 1\nsteps:\n  look: {answer: {type: object, required: [present],"
        " additionalProperties: false, properties: {present: {type: boolean}}}}\n"
        "  write: {answer: {type: object, required: [query], additionalProperties: false,"
        " properties: {query: {type: string, maxLength: 90}}}}\n---\n"
        "# look: user\n<passage>{{passage}}</passage>\n{{number}}\n"
        "# write: user\n<passage>{{passage}}</passage>\nNow write {{number}}.\n"
    )
    _, rejected, ctx = written(passages, url, recipe=str(path))
    gone = sum(event.reason == "passage says nothing of this aspect" for event in rejected)
    assert gone > 20 and ctx.ledger.notes["calls of two"] == 2 * 90 - gone


# Pipelines


def pipeline(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a pipeline as a user does, on a few documents."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOCS": str(folder / "docs"), "RUN": str(folder / "run"), "MODEL": "m", **variables,
    }  # fmt: skip
    return subprocess.run(
        ["bash", str(ROOT / "pipelines" / name)], env=environment, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


LOCAL = {"TEACHER": "st:all-MiniLM-L6-v2", "RERANKER": "maxsim", "LANGUAGES": "en:0.8,de:0.2"}


@pytest.mark.parametrize(
    ("name", "recipe", "count"),
    [
        ("persona_query.sh", "persona-query", 10),
        ("few_shot.sh", "promptagator", 6),
        ("cross_lingual.sh", "summarize-then-ask", 12),
        ("aspects.sh", "aspect", 12),
        ("situated.sh", "situated", 8),
    ],
)
def test_pipelines_run_whole(name: str, recipe: str, count: int, tmp_path: Path, url: str) -> None:
    few(tmp_path / "docs", count)
    done = pipeline(name, tmp_path, BASE_URL=url, **LOCAL)
    assert done.returncode == 0, done.stderr
    found = {dataset["stage"]: dataset for dataset in survey(tmp_path / "run")["datasets"]}
    assert found["emit"]["rows"] > 5 and set(found["synth"]["fields"]["recipe"]) == {recipe}
    for dataset in found.values():
        books = dataset["ledger"]
        gone = sum(books["dropped"].values()) + sum(books["failed"].values())
        assert books["in"] + books["expanded"] == books["out"] + gone
    if name == "few_shot.sh":  # one is enough: what is skipped does not hang on the recipe
        again = pipeline(name, tmp_path, BASE_URL=url, **LOCAL)
        assert again.returncode == 0 and again.stdout == done.stdout
        assert all("nothing to do" in line for line in again.stderr.splitlines() if line)


# Real vLLM


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the tiny model, for as long as a test of this module needs it."""
    import tiny_models

    folder = tmp_path_factory.mktemp("vllm")
    tiny_models.tiny_llama(folder / "tiny")
    with vllm_server(folder / "vllm.log", folder / "tiny", "--max-model-len", "2048") as url:
        yield url


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chunks")
    ok("ingest", few(folder / "docs", 8), "-o", folder / "chunks", "--chunk-words", 40)
    return folder / "chunks"


@pytest.mark.vllm
@pytest.mark.skipif(not PYTHON.exists(), reason=f"no vLLM in {VENV}")
@pytest.mark.parametrize(
    "recipe",
    ["query", "persona-query", "promptagator", "summarize-then-ask", "aspect", "situated"],
)
def test_every_answer_of_vllm_fits(
    recipe: str, vllm: str, chunks: Path, personas: Path, few_examples: Path, tmp_path: Path
) -> None:
    """Answers by schema from a real engine: rows are valid, if meaningless."""
    more = {
        "persona-query": ("--personas", personas),
        "promptagator": ("--examples", few_examples),
        "summarize-then-ask": ("--query-languages", "de,zh,sw:0.2"),
        "aspect": ("--aspects", "task,method,data"),
    }.get(recipe, ())
    words = ("--recipe", recipe, "--llm", "openai:tiny", "--base-url", vllm)
    gates = ("--no-check-language", "--max-words", 0)
    odd = ("--max-errors", 4)  # a model that knows nothing escapes half a surrogate now and then
    ended = cli("synth", chunks, "-o", tmp_path / "pairs", *words, *gates, *odd, *more)
    assert ended.rc == 0, ended.stderr
    (found,) = survey(tmp_path / "pairs")["datasets"]
    books = found["ledger"]
    assert books["out"] > 0 and sum(books["failed"].values()) <= 4
    assert books["in"] + books["expanded"] == 72, "aspects and context may be said to be missing"
