"""Recipes that write passages, and recipes that work on pairs, classes, personas and topics.

Each runs whole against the test server; its answers fit the schemas and mean nothing, so what is
held here is how rows, ids, texts and books come out. What an answer becomes is tested with answers
of our own making (`Scripted`). With real vLLM they run in test_written_recipes_vllm.py.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import cli
from server import Server, serve
from test_recipes import few

from gpte_data.backends import Completion, Keep, Request
from gpte_data.backends.answers import parse_answer
from gpte_data.errors import BadOption
from gpte_data.fields import FIELDS
from gpte_data.inspection import survey
from gpte_data.io import read_all
from gpte_data.plan import RunOptions
from gpte_data.recipes import load_recipe
from gpte_data.run import run
from gpte_data.stage import Context, Rejected, Row
from gpte_data.stages.synth import SynthConfig, synth

ROOT = Path(__file__).parent.parent
PAIRS = [
    {"query_id": f"q{n}", "query": f"why do rivers carry sand, part {n}", "positives": [f"d{n}"]}
    for n in range(4)
]
PASSAGES = [
    {"doc_id": f"d{n}", "text": f"Sand {n} is carried by water where it flows fast enough."}
    for n in range(4)
]
INPUTS: Mapping[str, list[Row]] = {
    "pair": PAIRS,
    "query": [{"query_id": "s1", "query": "why is the sea salty"}, PAIRS[1]],
    "label": [{"text": "where is it", "label": "card_arrival"}, {"text": "x", "label": "refund"}],
    "persona": [{"persona_id": "p1", "persona": "An accountant who audits small banks."}],
    "topic": [{"topic_id": "t1", "topic": "rivers"}, {"doc_id": "d9", "text": "Salt is mined."}],
}
RECIPES = {
    "e5": 6, "e5-short-long": 3, "e5-long-short": 3, "e5-short-short": 3, "e5-long-long": 3,
    "e5-sts": 3, "e5-bitext": 3, "hard-negative": None, "multi-level": None, "paraphrase": 2,
    "augment": 2, "pseudo-document": None, "label-attributes": None, "finance-persona": 2,
}  # fmt: skip
"""Recipe -> items for each row."""
ANY_LANGUAGE = {"check_language": False, "copied_words": 0, "domain_floor": -1.0}
"""The server's answers are words of the prompt, which is in English."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server") / "log.jsonl") as running:
        yield running


def jsonl(path: Path, rows: Iterable[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def written(recipe: str, folder: Path, force: bool = False, **options: Any) -> Path:
    """Run a recipe on its kind of input; return the folder of pairs."""
    first = next(iter(load_recipe(recipe).mix), recipe)
    rows = jsonl(folder / "rows.jsonl", INPUTS[load_recipe(first).input])
    options |= {"corpus": [jsonl(folder / "corpus.jsonl", PASSAGES)], **ANY_LANGUAGE}
    cfg = SynthConfig.of(options | {"recipe": recipe, "per_passage": RECIPES[recipe]})
    run(synth, cfg, str(rows), folder / "pairs", RunOptions(force=force))
    return folder / "pairs"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_whole(recipe: str, server: Server, tmp_path: Path) -> None:
    model: dict[str, Any] = {"llm": "openai:m", "base_url": [server.url]}
    pairs = written(recipe, tmp_path, **model)
    check_pairs(recipe, pairs)
    before = {path.name: path.read_bytes() for path in pairs.glob("*.parquet")}
    journal = (pairs / "_journal" / "00000.jsonl").read_bytes()
    again = written(recipe, tmp_path, force=True, **model)
    assert {path.name: path.read_bytes() for path in again.glob("*.parquet")} == before
    assert (again / "_journal" / "00000.jsonl").read_bytes() == journal, "nothing is paid twice"


def check_pairs(recipe: str, pairs: Path) -> None:
    """Hold what a recipe wrote to what it promises."""
    rows = list(read_all(pairs))
    told = survey(pairs)["datasets"][0]["ledger"]
    gone = sum(told["dropped"].values()) + sum(told["failed"].values())
    assert told["in"] + told["expanded"] == told["out"] + gone
    assert rows and not told["failed"], told
    assert len({row["query_id"] for row in rows}) == len(rows)
    made = [row for row in rows if "recipe" in row]
    assert made
    for row in made:
        family = load_recipe(row["recipe"])
        assert row["recipe"] == recipe or row["recipe"] in load_recipe(recipe).mix
        assert row["prompt_version"] == family.version and row["seed"] == 0
        assert row["query"] and row["generator"]
        texts = {passage["doc_id"]: passage["text"] for passage in row.get("written", ())}
        for name in ("positives", "negatives"):
            kind = name.removesuffix("s")
            if {name, kind} & family.writes:
                assert texts.keys() & set(row[name]), f"{name} are written"
        if family.steps[0].each:
            assert re.fullmatch(r".*#.*-\d+\.\d+", row["query_id"])
            assert row["instruction"] and row["task"] == family.task
    everything = [p["doc_id"] for row in rows for p in row.get("written", ())]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize(
    ("script", "variables"),
    [
        ("e5.sh", {"DOCS": "topics.jsonl", "LANGUAGES": "en", "LISTS": "8"}),
        ("llm_negatives.sh", {}),
        ("graded_passages.sh", {}),
        ("paraphrase.sh", {}),
        ("classification.sh", {"DOCS": str(ROOT / "data" / "requests.jsonl")}),
        ("finance_personas.sh", {"FLOOR": "-1", "DOMAIN": "gardening"}),
        ("pseudo_documents.sh", {}),
    ],
)
def test_pipeline(script: str, variables: dict[str, str], server: Server, tmp_path: Path) -> None:
    few(tmp_path / "docs", 12)
    topics = (ROOT / "data" / "topics.jsonl").read_text().splitlines()[:3]
    (tmp_path / "topics.jsonl").write_text("\n".join(topics))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOCS": str(tmp_path / "docs"), "RUN": str(tmp_path / "run"),
        "LLM": "openai:m", "BASE_URL": server.url,
        **{k: v.replace("topics", str(tmp_path / "topics")) for k, v in variables.items()},
    }  # fmt: skip

    command = ["bash", str(ROOT / "pipelines" / script)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    datasets = survey(tmp_path / "run")["datasets"]
    for dataset in datasets:
        books = dataset["ledger"]
        gone = sum(books["dropped"].values()) + sum(books["failed"].values())
        assert books["in"] + books["expanded"] == books["out"] + gone
    assert datasets[-1]["stage"] == "emit" and datasets[-1]["rows"] > 0, done.stderr
    assert str(tmp_path / "run") in done.stdout


def test_topics_are_ours_and_unlike() -> None:
    rows = [json.loads(line) for line in (ROOT / "data/topics.jsonl").read_text().splitlines()]
    assert len(rows) == 200 and all(row.keys() == {"topic_id", "topic"} for row in rows)
    for name in ("topic_id", "topic"):
        assert len({row[name].casefold() for row in rows}) == 200


class Scripted:
    """A language model that answers as it is told to."""

    query_types = None

    def __init__(self, answer: Callable[[Request], Mapping[str, Any]]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request)
            yield Completion(self.answer(request))


def run_scripted(
    rows: Iterable[Row], answer: Callable[[Request], Mapping[str, Any]], **options: Any
) -> tuple[list[Row], list[Rejected], Context, list[Request]]:
    """Return rows, rejected rows, context and requests of a run."""
    llm, rejected = Scripted(answer), list[Rejected]()
    ctx = Context(llm=llm)
    cfg = SynthConfig.of({"llm": "openai:m", "check_language": False} | options)
    out = list(synth.run(iter(rows), cfg, ctx, rejected.append))
    return out, rejected, ctx, llm.asked


def tail(request: Request) -> str:
    """Return the user's message without its blocks."""
    return re.sub(r"<(\w+)>.*?</\1>", "", request.messages[-1]["content"], flags=re.DOTALL)


def listed(name: str, elements: list[str]) -> Callable[[Request], Mapping[str, Any]]:
    """Answer a first call with a list, and a second one with texts of its own."""
    count = iter(range(10**6))

    def answer(request: Request) -> Mapping[str, Any]:
        if name in request.schema["properties"]:
            return {name: elements}
        n = next(count)
        return {"query": f"q {n}", "positive": f"right {n}", "negative": f"wrong {n}"}

    return answer


def test_each_task_draws_for_itself() -> None:
    """The weights of SPEED (2410.18634) hold over examples, not over lists of tasks."""
    tasks = [f"task {n}" for n in range(20)]
    rows, _, ctx, asked = run_scripted(
        [{"topic": f"topic {n}"} for n in range(60)], listed("instructions", tasks),
        recipe="e5-short-long", per_passage=1,
    )  # fmt: skip
    assert len(rows) == 1200 and ctx.ledger.expanded == 60 * 19
    types = Counter(row["query_type"] for row in rows)
    for name, share in {"extremely long-tail": 0.4, "long-tail": 0.5, "common": 0.1}.items():
        assert types[name] / 1200 == pytest.approx(share, abs=0.05)
    open_ = sum("difficulty" not in row for row in rows)
    assert open_ / 1200 == pytest.approx(0.5, abs=0.05)
    said = [tail(request) for request in asked if "query" in request.schema["properties"]]
    assert sum("Education" in text for text in said) == 1200 - open_, "or the line is left out"
    lengths = {json.loads(row["settings"])["num_words"] for row in rows[:20]}
    assert len(lengths) > 3, "tasks of one list differ"
    languages = Counter(row["language"] for row in rows)
    assert languages["en"] / 1200 == pytest.approx(0.36, abs=0.07) and len(languages) > 20


def test_bitext_is_in_two_languages() -> None:
    rows, *_ = run_scripted(
        [{"topic": f"topic {n}"} for n in range(30)], listed("subjects", ["a b", "c d"]),
        recipe="e5-bitext", per_passage=2, language="English",
    )  # fmt: skip
    assert len(rows) == 120
    for row in rows:
        settings = json.loads(row["settings"])
        assert row["language"] == "English" and settings["target_language"] != "en"
        assert {p["language"] for p in row["written"]} == {settings["target_language"]}
        assert float(settings["high"]) >= 4 and float(settings["low"]) <= 2.5


def test_lists_with_empty_and_repeated_elements_close_the_books() -> None:
    rows, rejected, ctx, _ = run_scripted(
        INPUTS["topic"][:1], listed("instructions", ["Find rivers", " ", "find  RIVERS", "Find"]),
        recipe="e5-short-short", per_passage=2,
    )  # fmt: skip
    assert len(rows) == 4
    reasons = Counter(one.reason for one in rejected)
    assert reasons == {"empty in instructions": 2, "repeats another of the instructions": 2}
    assert ctx.ledger.rows_in == 1 and ctx.ledger.expanded == 7
    assert len({row["query_id"] for row in rows}) == 4


def test_a_list_of_nothing_is_told() -> None:
    rows, rejected, ctx, _ = run_scripted(
        INPUTS["topic"][:1], lambda request: {name: [] for name in request.schema["properties"]},
        recipe="e5", per_passage=9,
    )  # fmt: skip
    gone = [one.reason for one in rejected]
    assert not rows and ctx.ledger.expanded == 8
    assert len(gone) == 9 and set(gone) == {"no instructions", "no subjects"}


@pytest.mark.parametrize("topic", [{"topic": "Rivers"}, {"title": "Rivers"}, {"text": "Rivers"}])
def test_topics_need_no_id_and_are_taken_once(topic: Row) -> None:
    twice = [topic, topic, {"topic": "seas"}]
    rows, rejected, *_ = run_scripted(
        twice, listed("instructions", ["a"]), recipe="e5-long-short", per_passage=1
    )
    assert [one.reason for one in rejected] == ["topic met before"]
    assert len({row["query_id"] for row in rows}) == 2
    assert all(row["positives"] == [f"{row['query_id']}/positive-0"] for row in rows)


def test_a_passage_that_is_a_topic_is_no_positive() -> None:
    rows, *_ = run_scripted(
        [PASSAGES[0]], listed("instructions", ["a"]), recipe="e5-short-long", per_passage=1
    )
    assert rows[0]["positives"] == ["d0#e5-short-long-0.0/positive-0"]


def hard(*negatives: str) -> Callable[[Request], Mapping[str, Any]]:
    return lambda request: {"answered_by": "x", "negatives": list(negatives)}


def with_corpus(tmp_path: Path) -> dict[str, Any]:
    return {"corpus": [jsonl(tmp_path / "corpus.jsonl", PASSAGES)]}


def test_hard_negatives_are_added_and_say_by_whom(tmp_path: Path) -> None:
    pair = PAIRS[0] | {
        "recipe": "query", "prompt_version": "2", "generator": "openai:other", "seed": 7,
        "query_type": "claim", "language": "en", "settings": '{"words":"5"}',
    }  # fmt: skip
    (row,), _, _, asked = run_scripted(
        [pair], hard("one river", "two seas"), recipe="hard-negative", **with_corpus(tmp_path)
    )
    assert PASSAGES[0]["text"] in asked[0].messages[-1]["content"]
    assert row["query_id"] == "q0" and row["positives"] == ["d0"]
    assert row["negatives"] == [f"q0#hard-negative-0/negative-{n}" for n in range(2)]
    assert [p["text"] for p in row["written"]] == ["one river", "two seas"]
    assert (row["recipe"], row["generator"]) == ("query+hard-negative", "openai:other+openai:m")
    assert row["prompt_version"] == f"2+{load_recipe('hard-negative').version}"
    assert row["query_type"] == "claim" and row["seed"] == 7
    assert row["settings"] == '{"words":"5"}'


def test_own_queries_have_no_type_from_a_recipe_that_adds(tmp_path: Path) -> None:
    (row,), *_ = run_scripted(
        PAIRS[:1], hard("one river", "two"), recipe="hard-negative", **with_corpus(tmp_path)
    )
    assert row["recipe"] == "hard-negative" and "query_type" not in row


def test_bad_passages_of_a_list_are_left_out_and_counted(tmp_path: Path) -> None:
    again = f"  {PASSAGES[0]['text'].upper()} "
    (row,), rejected, ctx, _ = run_scripted(
        PAIRS[:1], hard("one river", "One river!", " ", again, "I cannot help with that."),
        recipe="hard-negative", **with_corpus(tmp_path),
    )  # fmt: skip
    assert [p["text"] for p in row["written"]] == ["one river"] and not rejected
    assert ctx.ledger.notes == {
        "passages left out, negative: repeats another text": 2,
        "passages left out, negative: empty": 1,
        "passages left out, negative: refuses": 1,
    }
    rows, rejected, *_ = run_scripted(
        PAIRS[:1], hard(" ", "-"), recipe="hard-negative", **with_corpus(tmp_path)
    )
    assert not rows and [one.reason for one in rejected] == ["negative: empty"]


def test_the_same_recipe_twice_gives_new_ids(tmp_path: Path) -> None:
    options = {"recipe": "hard-negative", **with_corpus(tmp_path)}
    once, *_ = run_scripted(PAIRS[:1], hard("one", "two"), **options)
    (row,), *_ = run_scripted(once, hard("three", "two"), **options, seed=1)
    ids = [passage["doc_id"] for passage in row["written"]]
    assert row["negatives"] == ids and len(set(ids)) == 4


def test_pairs_need_their_corpus(tmp_path: Path) -> None:
    pairs = jsonl(tmp_path / "pairs.jsonl", PAIRS)
    command = ("synth", pairs, "-o", tmp_path / "out", "--recipe", "hard-negative")
    told = cli(*command, "--llm", "openai:m", "--base-url", "http://127.0.0.1:9/v1").sentence()
    assert "give their --corpus" in told
    corpus = jsonl(tmp_path / "corpus.jsonl", PASSAGES[1:])
    with serve(tmp_path / "log.jsonl") as server:
        model = ("--llm", "openai:m", "--base-url", server.url)
        told = cli(*command, *model, "--corpus", corpus).sentence()
    assert "'q0' names 'd0'" in told and "gpte-data passages" in told


def test_what_adds_to_a_pair_takes_no_number() -> None:
    for recipe in ("hard-negative", "pseudo-document", "multi-level"):
        cfg = SynthConfig.of({"llm": "openai:m", "recipe": recipe, "per_passage": 2})
        with pytest.raises(BadOption, match="leave --per-passage out"):
            assert synth.hooks.prepare is not None
            synth.hooks.prepare(cfg, lambda: [])


def test_grades_decide_what_is_positive() -> None:
    texts = {f"relevance_{n}": f"grade {n}" for n in range(4)}
    rows, *_ = run_scripted(INPUTS["query"], lambda request: texts, recipe="multi-level")
    assert [row["query_id"] for row in rows] == ["s1", "q1"]
    alone, pair = rows
    assert alone["positives"] == ["s1#multi-level-0/relevance-3"]
    assert pair["positives"] == ["d1", "q1#multi-level-0/relevance-3"]
    assert {p["relevance"]: p["text"] for p in alone["written"]} == {
        n: f"grade {n}" for n in range(4)
    }
    assert [doc_id[-1] for doc_id in sorted(alone["negatives"])] == ["0", "1", "2"]


def test_new_anchors_keep_the_positives_and_nothing_of_the_old_query() -> None:
    mined = PAIRS[0] | {
        "candidates": [], "positive_scores": [0.5], "negatives": ["n"], "query_type": "claim",
        "written": [{"doc_id": "n", "text": "t"}], "recipe": "query", "language": "en",
    }  # fmt: skip
    answers = iter(["How come rivers move sand?", "Why do rivers carry sand, part 0!", "A third"])
    rows, rejected, ctx, asked = run_scripted(
        [mined], lambda request: {"query": next(answers)}, recipe="paraphrase", per_passage=3
    )
    original, *new = rows
    assert original == mined, "the pair itself stays as it is"
    assert [row["query"] for row in new] == ["How come rivers move sand?", "A third"]
    assert [one.reason for one in rejected] == ["repeats another query of the passage"]
    assert new[0].keys() & {"candidates", "positive_scores", "negatives", "written"} == set()
    assert new[0]["positives"] == ["d0"] and new[0]["recipe"] == "paraphrase"
    assert new[0]["query_type"] == "claim" and new[0]["language"] == "en"
    assert ctx.ledger.expanded == 3
    assert all("in English" in tail(request) for request in asked)
    rows, *_ = run_scripted(
        [mined], lambda request: {"query": "Another"}, recipe="paraphrase", per_passage=1,
        keep_originals=False,
    )  # fmt: skip
    assert [row["query"] for row in rows] == ["Another"]


def test_nothing_that_was_measured_of_a_query_is_said_of_another() -> None:
    """Else filter-pairs, as one example, would take over how a judge has rated the old query."""
    of_any = {name for name in FIELDS if name.startswith(("positive_", "pair_", "estimate_"))}
    of_any |= {"teachers", "consistency_teachers", "reranker", "rerank_scale", "judged_by"}
    of_any |= {"duplicates", "masked"}
    former = {"dropped_positives": ["d1"], "promoted": ["d0"]}
    rated = PAIRS[0] | {name: ["said"] for name in of_any} | former
    (new,), *_ = run_scripted(
        [rated], lambda request: {"query": "How come rivers move sand?"}, recipe="paraphrase",
        per_passage=1, keep_originals=False,
    )  # fmt: skip
    assert new["query"] == "How come rivers move sand?" and not new.keys() & of_any
    assert former.items() <= new.items(), "no negatives of it, however it is put"


def test_a_positive_that_is_added_was_not_measured_with_the_others() -> None:
    mined = PAIRS[0] | {"positive_scores": [0.5], "positive_judge_scores": [7.5], "candidates": []}
    answer = {"positive": "Fast water lifts grains of sand and takes them along to the sea."}
    (row,), *_ = run_scripted([mined], lambda request: answer, recipe="pseudo-document")
    assert len(row["positives"]) == 2 and "candidates" in row
    assert not {name for name in row if name.startswith("positive_")}


def test_augment_takes_turns_with_its_angles(tmp_path: Path) -> None:
    count = iter(range(99))
    rows, *_ = run_scripted(
        PAIRS[:1], lambda request: {"query": f"other {next(count)}"}, recipe="augment",
        per_passage=6, **with_corpus(tmp_path),
    )  # fmt: skip
    assert {row["query_type"] for row in rows[1:]} == set(load_recipe("augment").types)


def test_each_class_is_described_once() -> None:
    labels = ["card_arrival", "refund", "Card arrival", 7, "", "refund"]
    rows, rejected, *_ = run_scripted(
        [{"text": "t", "label": label} for label in labels],
        lambda request: {"positives": ["It is late.", "it is late", "Where is it?"]},
        recipe="label-attributes",
    )  # fmt: skip
    assert [row["query"] for row in rows] == ["card arrival", "refund"]
    assert [len(row["positives"]) for row in rows] == [2, 2]
    assert all(row["query_type"] == "label" for row in rows)
    reasons = Counter(one.reason for one in rejected)
    assert reasons == {"label met before": 2, "label is no name": 1, "no label": 1}


def test_a_class_is_not_named_in_its_text() -> None:
    def answer(request: Request) -> Mapping[str, Any]:
        if "instructions" in request.schema["properties"]:
            return {"instructions": ["tell the tone"]}
        return {"query": "I am so Angry, today!", "positive": "angry", "negative": "sad"}

    rows, rejected, *_ = run_scripted(
        [{"topic": "a"}], answer, recipe="e5-long-short", per_passage=1
    )
    assert not rows and [one.reason for one in rejected] == ["positive: stands in the query"]
    assert rejected[0].row["query"] == "I am so Angry, today!"


def test_long_texts_are_no_long_queries() -> None:
    words = " ".join(f"word{n}" for n in range(300))

    def answer(request: Request) -> Mapping[str, Any]:
        if "instructions" in request.schema["properties"]:
            return {"instructions": ["tell the tone"]}
        return {"query": words, "positive": "calm", "negative": "sad"}

    for recipe, more, reasons in (
        ("e5-long-short", {}, []),
        ("e5-long-short", {"max_words": 200}, ["too long"]),
        ("e5-short-short", {}, ["too long"]),
    ):
        rows, rejected, *_ = run_scripted(
            [{"topic": "a"}], answer, recipe=recipe, per_passage=1, **more
        )
        assert [one.reason for one in rejected] == reasons and len(rows) == 1 - len(reasons)


def test_a_pair_of_an_id_is_read_once() -> None:
    twice = [PAIRS[0], PAIRS[0] | {"positives": ["d1"]}]
    _, rejected, *_ = run_scripted(
        twice, lambda request: {"query": "x"}, recipe="paraphrase", per_passage=1
    )
    assert [one.reason for one in rejected] == ["query_id met before"]


def test_a_persona_is_told_in_every_row(tmp_path: Path) -> None:
    rows, *_, asked = run_scripted(
        INPUTS["persona"], listed("instructions", ["Find rules", "Find rates"]),
        recipe="finance-persona", per_passage=1, domain_floor=-1.0, domain="tax law",
    )  # fmt: skip
    assert [row["query_id"] for row in rows] == ["p1#finance-persona-0.0", "p1#finance-persona-0.1"]
    for row in rows:
        assert row["persona_id"] == "p1" and row["persona"].startswith("An accountant")
        assert row["task"] == "retrieval" and row["instruction"].startswith("Find")
    assert all("tax law" in request.messages[-1]["content"] for request in asked)


def test_languages_of_passages_are_checked() -> None:
    def answer(request: Request) -> Mapping[str, Any]:
        if "subjects" in request.schema["properties"]:
            return {"subjects": ["sand in rivers"]}
        return {
            "query": "The river carries a great deal of sand down to the sea.",
            "positive": "Der Fluss trägt sehr viel Sand hinunter bis ins Meer.",
            "negative": "The river carries very little sand down to the sea, they say.",
        }

    options = {"recipe": "e5-sts", "per_passage": 1, "check_language": True, "language": "en"}
    rows, rejected, *_ = run_scripted([{"topic": "a"}], answer, **options)
    assert not rows and [one.reason for one in rejected] == ["positive: wrong language"]


def test_raw_control_characters_are_no_reason_to_ask_again() -> None:
    """What vLLM's grammars let pass in strings with a length."""
    schema = load_recipe("pseudo-document").answer
    found = parse_answer('{\n "positive":\t"one\ntwo\tthree\x19four \\" \\n five and six"}', schema)
    assert found == {"positive": 'one\ntwo\tthree four " \n five and six'}
    assert parse_answer('{"positive": "one\x19two', schema) == "answer is not JSON"
