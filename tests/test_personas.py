"""Personas: drawn from texts and from each other, or the user's own; the distinct ones are kept."""

import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FOLK, cli, files, ok
from server import serve
from test_kill import chats, journalled, kill, lines_of, start
from test_vllm import PYTHON, vllm_server

from gpte_data import io, manifest
from gpte_data.ledger import Ledger
from gpte_data.near_duplicates import Kept
from gpte_data.plan import RunOptions, plan
from gpte_data.stage import Context, Rejected
from gpte_data.stages.personas import PersonasConfig, personas
from gpte_data.whole import run_whole

DATA = Path(os.environ.get("GPTE_SHARED_DATA", Path(__file__).parent.parent / "../shared/data"))
TRADES = FOLK[:6]
Made = tuple[list[dict[str, Any]], list[Rejected], Ledger]


def made(rows: Any, **options: Any) -> Made:
    """Run the stage; return personas, rejected rows and the books, which have closed."""
    ctx, rejected = Context(), list[Rejected]()
    cfg = PersonasConfig.of(options)
    return list(personas.run(rows, cfg, ctx, rejected.append)), rejected, ctx.ledger


def passages(count: int) -> list[dict[str, Any]]:
    return [
        {"doc_id": f"d{n}", "text": f"What place{n} grows, person{n} eats."} for n in range(count)
    ]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# Near-duplicates


def unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def greedy(vectors: Any, threshold: float) -> list[tuple[int, int]]:
    """Return (dropped, the nearest one kept) by the plainest way there is."""
    exact, kept, dropped = vectors.astype(np.float64), list[int](), list[tuple[int, int]]()
    for n, vector in enumerate(exact):
        scores = [float((exact[k] * vector).sum()) for k in kept]
        if scores and max(scores) >= threshold:
            dropped.append((n, kept[scores.index(max(scores))]))
        else:
            kept.append(n)
    return dropped


def in_blocks(vectors: Any, threshold: float, size: int) -> list[tuple[int, int]]:
    kept, names, dropped = Kept(threshold), list[int](), list[tuple[int, int]]()
    for first in range(0, len(vectors), size):
        block = vectors[first : first + size]
        kept.begin(block)
        for n in range(len(block)):
            if (near := kept.nearest(n)) is None:
                assert kept.keep(n) == len(names)
                names.append(first + n)
            else:
                dropped.append((first + n, names[near[0]]))
    return dropped


@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.95])
def test_blocks_drop_what_one_by_one_does(
    monkeypatch: pytest.MonkeyPatch, threshold: float
) -> None:
    monkeypatch.setattr("gpte_data.near_duplicates.CHUNK", 50)
    dice = np.random.default_rng(7)
    centres = dice.normal(size=(40, 16))
    vectors = unit(centres[dice.integers(40, size=600)] + 0.3 * dice.normal(size=(600, 16)))
    wanted = greedy(vectors, threshold)
    assert 100 < len(wanted) < 599
    for size in (1, 7, 64, 600):
        assert in_blocks(vectors, threshold, size) == wanted


def test_the_threshold_itself_is_a_duplicate_and_the_first_of_equals_counts() -> None:
    half = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    assert in_blocks(half, 1.0, 4) == [(2, 0)]
    exact = float((half[3].astype(np.float64) * half[1].astype(np.float64)).sum())
    assert in_blocks(half, exact, 2) == [(2, 0), (3, 1)]
    assert in_blocks(half, exact + 1e-9, 2) == [(2, 0)]
    same = np.array([[1, 0, 0], [0, 1, 0], [0.7, 0.7, 0.1]])
    assert in_blocks(unit(same), 0.5, 3) == [(2, 0)]


# The user's own


def test_rows_that_have_a_persona_are_taken_as_they_are() -> None:
    rows = [{"persona": text, "src": "mine", "doc_id": f"d{n}"} for n, text in enumerate(TRADES)]
    kept, rejected, ledger = made(rows)
    assert not rejected and ledger.rows_out == len(TRADES)
    assert [row | {"persona_id": "", "domain": ""} for row in rows] == [
        row | {"persona_id": ""} for row in kept
    ]
    ids = [row["persona_id"] for row in kept]
    assert len(set(ids)) == len(ids) and all(len(name) == 16 for name in ids)
    assert [row["persona_id"] for row in made(rows[::-1])[0]] == ids[::-1]
    named = [{"persona_id": "p7", "persona": TRADES[0], "domain": "Tax Law"}]
    assert made(named)[0] == named


def test_alike_ones_are_dropped_and_name_their_twin() -> None:
    rows = [
        {"persona_id": "a", "persona": TRADES[0]},
        {"persona_id": "b", "persona": TRADES[0].upper() + " "},
        {
            "persona_id": "c",
            "persona": "A tax accountant who is preparing returns for family farms",
        },
        {"persona_id": "d", "persona": TRADES[1]},
        {"persona_id": "d", "persona": TRADES[2]},
        {"persona": " \n"},
    ]
    kept, rejected, _ = made(rows)
    assert [row["persona_id"] for row in kept] == ["a", "d"]
    told = {event.row.get("persona_id"): (event.reason, event.row) for event in rejected}
    assert told["b"][0] == "copy of another persona" and told["b"][1]["duplicate_of"] == "a"
    assert told["c"][0] == "near-duplicate of another persona"
    assert told["c"][1]["duplicate_of"] == "a" and 0.9 <= told["c"][1]["similarity"] < 1
    assert told["d"][0] == "persona_id of another persona"
    assert told[None][0] == "empty"
    copies, _, _ = made(rows, max_similarity=1)
    assert [row["persona_id"] for row in copies] == ["a", "c", "d"]


def test_without_vectors_no_teacher_is_opened() -> None:
    assert len(made([{"persona": "x"}], max_similarity=1, teacher="st:/nowhere")[0]) == 1


def test_a_domain_is_full_whatever_the_case_of_its_name() -> None:
    domains = ["Finance", " finance ", "FINANCE", "medicine", "", ""]
    rows = [
        {"persona": text, "domain": domain} for text, domain in zip(TRADES, domains, strict=True)
    ]
    kept, rejected, ledger = made(rows, per_domain=2)
    assert [row["domain"] for row in kept] == ["Finance", " finance ", "medicine", "", ""]
    assert ledger.dropped == {"domain is full": 1} and rejected[0].row["domain"] == "FINANCE"
    # What was dropped for its domain puts no other out.
    twin = {"persona": TRADES[2], "domain": "honey"}
    assert made([*rows, twin], per_domain=2)[0][-1]["domain"] == "honey"


def test_the_shared_personas_are_mostly_near_duplicates(tmp_path: Path) -> None:
    source = DATA / "personas" / "personas.jsonl"
    if not source.is_file():
        pytest.skip(f"{source} is not there: set GPTE_SHARED_DATA")
    told = ok("personas", source, "-o", tmp_path / "p", "--limit", 600)
    rows = list(io.read_all(tmp_path / "p"))
    dropped = [
        json.loads(line) for line in (tmp_path / "p/_rejected/_all.jsonl").read_text().splitlines()
    ]
    assert len(rows) + len(dropped) == 600 and 200 < len(rows) < 500, told
    ids = {row["persona_id"] for row in rows}
    assert all(row["duplicate_of"] in ids and row["similarity"] >= 0.9 for row in dropped)
    assert {row["src"] for row in rows} == {"synthetic-persona-chat"}


# Written


def test_personas_of_passages(tmp_path: Path) -> None:
    rows = [*passages(20), {"doc_id": "none", "text": ""}]
    with serve(tmp_path / "log.jsonl") as server:
        options: dict[str, Any] = {"llm": "openai:m", "base_url": server.url, "per_passage": 4}
        found, rejected, ledger = made(rows, max_similarity=1, language="de", **options)
        asked = chats(server)
    assert ledger.rows_in == 21 and ledger.expanded == 60
    assert len(asked) == 80 and len(found) + len(rejected) == 81
    assert {event.reason for event in rejected} - {"no text"} == set()
    for row in found:
        assert row["persona_id"].startswith(f"{row['doc_id']}#text-to-persona-")
        assert row["recipe"] == "text-to-persona" and row["prompt_version"] == "1"
        assert row["generator"] == "openai:m" and row["seed"] == 0 and row["language"] == "de"
        assert row["persona"] and row["domain"]
    by_passage = Counter((row["doc_id"], row["relation"]) for row in found)
    assert max(by_passage.values()) == 1, "each relation once before any comes again"
    assert {kind for _, kind in by_passage} == {"reads", "writes", "likes", "dislikes"}
    assert ledger.notes["calls of text-to-persona"] == 80


def test_personas_of_personas(tmp_path: Path) -> None:
    rows = [{"persona": text, "doc_id": "d", "src": "mine"} for text in TRADES]
    with serve(tmp_path / "log.jsonl") as server:
        options: dict[str, Any] = {
            "llm": "openai:m", "base_url": server.url, "recipe": "persona-to-persona",
            "max_similarity": 1, "per_passage": 2,
        }  # fmt: skip
        found, rejected, ledger = made([*rows, {"persona": ""}], **options)
        alone, _, _ = made(rows, keep_originals=False, **options)
    originals = [row for row in found if "src" in row]
    assert [row["persona"] for row in originals] == TRADES
    related = [row for row in found if "src" not in row]
    assert related == alone and len(related) == 12
    assert len({row["persona_id"] for row in found}) == len(found)
    ids = {row["persona_id"] for row in originals}
    assert all(row["related_to"] in ids and row["doc_id"] == "d" for row in related)
    assert all(row["persona_id"].startswith(row["related_to"]) for row in related)
    assert [event.reason for event in rejected] == ["empty"]
    assert (ledger.rows_in, ledger.expanded, ledger.rows_out) == (7, 12, 18)


def test_a_recipe_of_ones_own_may_list_several(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(
        "---\nversion: 4\ninput: label\neach: personas\nanswer: {type: object, properties: "
        "{personas: {type: array, minItems: 2, maxItems: 4, items: {type: string, maxLength: 90}}},"
        " required: [personas], additionalProperties: false}\n---\n# user\n<label>\n{{label}}\n"
        "</label>\nWho says so?\n"
    )
    with serve(tmp_path / "log.jsonl") as server:
        options = {"llm": "openai:m", "base_url": server.url, "recipe": str(path)}
        rows = [{"label": "lost_card"}, {"label": "refund"}]
        found, rejected, ledger = made(rows, max_similarity=1, **options)
    assert len(found) + len(rejected) == 2 + ledger.expanded >= 4
    assert {row["recipe"] for row in found} == {"mine"}
    assert {row["domain"] for row in found} == {""}
    assert not any("relation" in row for row in found)


def test_gates_and_failures_have_reasons(tmp_path: Path) -> None:
    rows = passages(30)
    with serve(tmp_path / "log.jsonl", bad_substring="place7 ") as server:
        options = {"llm": "openai:m", "base_url": server.url, "max_similarity": 1}
        found, rejected, ledger = made(rows, min_words=6, **options)
    assert all(len(row["persona"].split()) >= 6 for row in found) and found
    assert ledger.dropped.keys() == {"too short"} and ledger.failed.total() == 1
    failed = next(event.row for event in rejected if event.failed)
    assert failed == {"persona_id": "d7#text-to-persona-0", "doc_id": "d7"}


@pytest.mark.vllm
@pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM: name its folder in GPTE_VLLM_VENV")
def test_vllm_writes_personas_and_queries_in_their_voice(tmp_path: Path, sample: Path) -> None:
    """Random weights, so the words mean nothing; what is asked and kept is as with any model."""
    import tiny_models

    model = tiny_models.tiny_llama(tmp_path / "tiny")
    with vllm_server(tmp_path / "vllm.log", model, "--max-model-len", "2048") as url:
        asking = ("--llm", "openai:tiny", "--base-url", url, "--limit", 30, "--max-errors", 100)
        ok("personas", sample, "-o", tmp_path / "p", *asking, "--min-words", 1)
        related = ("--recipe", "persona-to-persona", "--min-words", 1)
        ok("personas", tmp_path / "p", "-o", tmp_path / "q", *asking, *related)
        voiced = ("--recipe", "persona-query", "--personas", tmp_path / "q", "--per-passage", 1)
        ok("synth", sample, "-o", tmp_path / "pairs", *asking, *voiced, "--min-words", 0)
    first, both = list(io.read_all(tmp_path / "p")), list(io.read_all(tmp_path / "q"))
    assert len(first) > 15 and all(row["persona"] for row in first)
    assert sum("related_to" in row for row in both) > 10
    ids = {row["persona_id"] for row in both}
    pairs = list(io.read_all(tmp_path / "pairs"))
    assert len(pairs) > 10 and {pair["persona_id"] for pair in pairs} <= ids


# A run over a folder


def run_on(source: Path, out: Path, shard_rows: int = 10, **options: Any) -> Ledger:
    """Run the stage into shards of few rows, as the command does."""
    cfg = PersonasConfig.of({"llm": "openai:m", "max_similarity": 1, **options})
    (job,) = plan(personas, cfg, source, out, RunOptions())
    return run_whole(personas, job, shard_rows, lambda rows, tokens: None).ledger


def test_what_failed_is_tried_again_and_no_row_is_lost_or_twice(tmp_path: Path) -> None:
    source, out = jsonl(tmp_path / "d.jsonl", passages(100)), tmp_path / "out"
    with serve(tmp_path / "clean") as server:
        run_on(source, tmp_path / "wanted", base_url=server.url)
    wanted = files(tmp_path / "wanted", "*.parquet")
    with serve(tmp_path / "log", p500=0.2) as server:
        ledger = run_on(source, out, base_url=server.url, retries=0)
        assert 0 < ledger.failed.total() < 50
        tries = 0
        while run_on(source, out, base_url=server.url, retries=0).failed:
            tries += 1
            assert tries < 20
        asked = chats(server)
    assert files(out, "*.parquet") == wanted and len(wanted) > 5
    delivered = Counter(line["key"] for line in asked if line["delivered"])
    assert len(delivered) == 100
    answered = Counter(line["key"] for line in asked if line["status"] == 200)
    assert max(answered.values()) == 1, "an answer in the journal is never paid for again"
    assert manifest.is_complete(out)


def test_a_shard_that_is_no_more_goes(tmp_path: Path) -> None:
    """Where what was tried again puts others out, there may be fewer shards than before."""
    rows = [{"persona": text} for text in TRADES]
    out = tmp_path / "out"
    run_on(jsonl(tmp_path / "a" / "p.jsonl", rows), out, 2, llm="extractive")
    assert len(files(out, "*.parquet")) == 3
    (out / "_done" / "_all.json").unlink()
    for path in (out / "_done").glob("0*.json"):
        mark = json.loads(path.read_bytes())
        mark["rows"]["failed"] = {"lost": 1}
        path.write_text(json.dumps(mark))
    cfg = PersonasConfig.of({"max_similarity": 1})
    (job,) = plan(personas, cfg, tmp_path / "a" / "p.jsonl", out, RunOptions())
    run_whole(personas, job, 4, lambda rows, tokens: None)
    assert sorted(files(out, "*.parquet")) == ["00000.parquet", "00001.parquet"]
    assert manifest.names(out) == ["00000", "00001", "_all"]
    assert [row["persona"] for row in io.read_all(out)] == TRADES


def test_killed_it_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    dice = random.Random(5)
    source, out, log = (
        jsonl(tmp_path / "d.jsonl", passages(150)),
        tmp_path / "out",
        tmp_path / "log",
    )
    at_kill: list[tuple[float, int]] = []
    with serve(log, latency=0.03, p429=0.05, p500=0.05, retry_after=0.05) as server:
        command = (
            "personas", source, "-o", out, "--llm", "openai:m", "--base-url", server.url,
            "--concurrency", 4, "--per-passage", 2, "--max-similarity", 1,
        )  # fmt: skip
        for moment in sorted(dice.randrange(280) for _ in range(6)):
            process = start(*command)
            while lines_of(log) < moment and process.poll() is None:
                time.sleep(0.005)
            time.sleep(dice.random() * 0.3)
            assert process.poll() is None, process.communicate()[1].decode()
            kill(process)
            at_kill.append((time.time(), len(journalled(out))))
        ok(*command)
        asked = chats(server)
        assert "nothing to do" in ok(*command)
        assert len(chats(server)) == len(asked)
        for when, kept in at_kill:
            assert len({line["key"] for line in asked if line["t_start"] > when}) == 300 - kept
        ok(*command[:3], tmp_path / "unbroken", *command[4:])
    assert at_kill[-1][1] > 50
    assert files(out, "*.parquet") == files(tmp_path / "unbroken", "*.parquet")
    assert [path.name for path in (out / "_journal").iterdir()] == ["_all.jsonl"]


def test_the_command_from_documents_to_personas_of_personas(tmp_path: Path, sample: Path) -> None:
    with serve(tmp_path / "log") as server:
        asking = ("--llm", "openai:m", "--base-url", server.url, "--limit", 12)
        plan_ = cli("personas", sample, "--dry-run", *asking)
        assert plan_.rc == 0 and "12" in plan_.stdout and not chats(server)
        ok("personas", sample, "-o", tmp_path / "p", *asking)
        ok(
            "personas", tmp_path / "p", "-o", tmp_path / "q", *asking,
            "--recipe", "persona-to-persona", "--per-passage", 2,
        )  # fmt: skip
    first, both = list(io.read_all(tmp_path / "p")), list(io.read_all(tmp_path / "q"))
    assert first and [row for row in both if "related_to" not in row] == first[: len(first)]
    piped = cli("personas", tmp_path / "q", "-o", "-")
    assert piped.rc == 0 and [json.loads(line) for line in piped.stdout.splitlines()] == both


def test_identity_holds_what_decides(tmp_path: Path) -> None:
    taken = PersonasConfig.of({}).identity()
    assert taken["teacher"].keys() > {"kind"} and taken["llm"] == {"kind": "extractive"}
    assert not {"recipe", "per_passage", "min_words", "teacher_url"} & taken.keys()
    asked = PersonasConfig.of({"llm": "openai:m", "max_similarity": 1}).identity()
    assert "teacher" not in asked and asked["recipe"]["name"] == "text-to-persona"
    named = PersonasConfig.of({"llm": "openai:m", "recipe": "persona-to-persona"}).identity()
    assert named["recipe"] != asked["recipe"]


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ([{"text": "x"}], (), "doc_id and text, or taken from rows with persona; found text"),
        ([{"doc_id": "a", "text": "x"}], (), "text-to-persona needs a language model"),
        (
            [{"text": "x"}], ("--recipe", "persona-to-persona", "--llm", "openai:m"),
            "personas reads persona, but row 1 has no persona (found: text)",
        ),
        (
            [{"doc_id": "a", "text": "x"}], ("--recipe", "query", "--llm", "openai:m"),
            "recipe query writes no personas: its answer lacks 'persona'",
        ),
        ([], (), "is empty: expected at least one row"),
        ([{"persona": "x y z"}], ("--teacher", "st:/nowhere"), "/nowhere"),
        ([{"persona": "x y z"}], ("--max-similarity", "1.5"), "--max-similarity 1.5 won't do"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_a_sentence(
    tmp_path: Path, rows: list[dict[str, Any]], options: tuple[str, ...], told: str
) -> None:
    source = jsonl(tmp_path / "in.jsonl", rows)
    assert told in cli("personas", source, "-o", tmp_path / "p", *options).sentence()
    assert not (tmp_path / "p").exists()
