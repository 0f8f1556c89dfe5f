"""Casting: each passage's nearest personas, and the personas of a domain, by a real embedder."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FOLK, cli, ok
from server import serve

from gpte_data import casting, io
from gpte_data.backends import Options, open_embedder
from gpte_data.backends.embedded import embed
from gpte_data.backends.encoding import embedder_identity
from gpte_data.backends.st_embedder import STEmbedder
from gpte_data.casting import Cast, Casting
from gpte_data.corpus import open_corpus
from gpte_data.embedding import ensure_vectors
from gpte_data.errors import BadInput
from gpte_data.personas import Personas, id_of
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Rejected
from gpte_data.stages.synth import SynthConfig, _prepare, synth
from gpte_data.vectors import VectorSpec

MINILM = "st:all-MiniLM-L6-v2"
TEXTS = [
    "Bees dance in the hive to tell each other where the flowers are.",
    "Prices rose by four percent last year, more than the bank had expected.",
    "Slopes of clay slide after long rain, and take whole forests along.",
    "The back of a violin is of maple, its top of spruce.",
    "A newborn is weighed, measured and put on the mother's breast.",
    "Reefs lose their colours when the sea is too warm for a month.",
    "Gifts to a charity are deducted from the income before taxes.",
]


def folk(path: Path, shards: int = 3) -> Path:
    """Write the personas as a folder of shards, and return it."""
    rows = [{"persona_id": f"p{n:02d}", "persona": text} for n, text in enumerate(FOLK)]
    size = len(rows) // shards
    for number in range(shards):
        io.write(path / f"{number:05d}.parquet", rows[number * size : (number + 1) * size])
    return path


def passages(count: int = 70) -> list[dict[str, Any]]:
    return [
        {"doc_id": f"d{n}", "title": f"Part {n}", "text": TEXTS[n % len(TEXTS)]}
        for n in range(count)
    ]


def cast(rows: list[dict[str, Any]], recipe: str = "persona-query", **options: Any) -> list[Cast]:
    cfg = SynthConfig.of({"llm": "openai:m", "recipe": recipe, **options})
    return list(Casting.of(cfg, load_recipe(recipe), cfg.in_words()).cast(rows))


def ids(found: list[Cast]) -> list[list[str]]:
    return [[one["persona_id"] for one in personas] for _, personas, _ in found]


def embedded(texts: list[str]) -> Any:
    return embed(open_embedder(MINILM, Options()), texts).vectors


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are embedded in this process."""
    texts: list[str] = []
    stream = STEmbedder.stream

    def count(self: STEmbedder, some: Any, prompt: str) -> Any:
        texts.extend(some)
        return stream(self, some, prompt)

    monkeypatch.setattr(STEmbedder, "stream", count)
    return texts


# The nearest personas


def test_the_nearest_personas_in_order(tmp_path: Path) -> None:
    rows = passages()
    found = cast(rows, personas=folk(tmp_path / "p"))
    assert [row for row, _, _ in found] == rows and not any(unfit for _, _, unfit in found)
    scores = embedded([f"{r['title']} {r['text']}" for r in rows]) @ embedded(FOLK).T
    for mine, row in zip(ids(found), scores, strict=True):
        assert mine == [f"p{n:02d}" for n in np.argsort(-row)[:5]]
    assert ids(found)[0][0] == "p02" and ids(found)[3][0] == "p11"
    assert found[0][1][0] == {"persona_id": "p02", "persona": FOLK[2]}


def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, rows = folk(tmp_path / "p"), passages(20)
    wanted = ids(cast(rows, personas=source))
    for size in (1, 3):
        monkeypatch.setattr(casting, "BLOCK", size)
        assert ids(cast(rows, personas=source)) == wanted
    assert ids(cast(rows[::-1], personas=source)) == wanted[::-1]
    monkeypatch.setattr("gpte_data.backends.flat_index.BLOCK", 2)
    monkeypatch.setattr(casting, "SLACK", 0)
    assert ids(cast(rows, personas=source)) == wanted


def test_equals_stand_by_their_ids_however_many(tmp_path: Path) -> None:
    """Also where more are equal than are fetched at first."""
    rows = [{"persona_id": f"z{99 - n}", "persona": FOLK[2]} for n in range(60)]
    rows += [{"persona_id": "far", "persona": FOLK[0]}]
    io.write(tmp_path / "p" / "00000.parquet", rows)
    found = ids(cast(passages(2)[:1], personas=tmp_path / "p"))
    assert found == [["z40", "z41", "z42", "z43", "z44"]]


def test_fewer_than_wanted_are_all(tmp_path: Path) -> None:
    source = tmp_path / "mine.jsonl"
    source.write_text("".join(json.dumps({"persona": text}) + "\n" for text in FOLK[:3]))
    found = cast(passages(2), personas=source, persona_candidates=20)
    assert all(len(mine) == 3 for mine in ids(found))
    assert {one for mine in ids(found) for one in mine} == {
        id_of({"persona": text}) for text in FOLK[:3]
    }
    assert len(cast(passages(1), personas=source, persona_candidates=2)[0][1]) == 2


def test_a_pair_is_cast_by_its_query(tmp_path: Path) -> None:
    rows = [{"query_id": "q", "query": "How do bees find flowers?", "positives": ["d"], "text": ""}]
    assert ids(cast(rows, personas=folk(tmp_path / "p")))[0][0] == "p02"


def test_a_row_that_says_nothing_is_left_out(tmp_path: Path, counted: list[str]) -> None:
    rows = [{"doc_id": "a", "text": " \n"}, *passages(1), {"doc_id": "b", "text": ""}]
    found = cast(rows, personas=folk(tmp_path / "p"))
    assert [unfit for _, _, unfit in found] == ["empty", "", "empty"]
    assert all(text.strip() for text in counted)


def test_candidates_are_numbered_lines() -> None:
    rows = [{"persona_id": "a", "persona": "One\n  two."}, {"persona_id": "b", "persona": "Three."}]
    assert Casting().said(rows) == {"personas": "1. One two.\n2. Three."}
    assert Casting().said(()) == {}


def test_without_personas_nothing_is_looked_up() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"doc_id": "a", "text": "x"}
        raise AssertionError("a row was read before it was wanted")

    cfg = SynthConfig.of({"teacher": "st:/nowhere"})
    assert next(Casting.of(cfg, load_recipe("query"), "").cast(rows()))[1:] == ((), "")


# Vectors


def test_vectors_are_made_once_before_the_shards(tmp_path: Path, counted: list[str]) -> None:
    source = folk(tmp_path / "p")
    options = {"llm": "openai:m", "recipe": "persona-query", "personas": source}
    with serve(tmp_path / "log") as server:
        cfg = SynthConfig.of({**options, "base_url": server.url})
        _prepare(cfg, lambda: iter(passages(1)))
        assert counted == FOLK
        list(synth.run(passages(2), cfg, Context()))
        assert len(counted) == len(FOLK) + 2
        assert len(list((source / "_vectors").glob("*/*.npy"))) == 3
        rows = list(io.read(source / "00001.parquet"))
        io.write(source / "00001.parquet", [*rows, {"persona_id": "new", "persona": "A dancer"}])
        _prepare(cfg, lambda: iter(passages(1)))
    assert counted[len(FOLK) + 2 :] == ["A dancer"], "unchanged texts keep their vectors"


def test_a_corpus_brings_its_own_vectors(tmp_path: Path, sample: Path, counted: list[str]) -> None:
    source, rows = folk(tmp_path / "p"), list(io.read_all(sample))[:40]
    corpus = tmp_path / "corpus"
    for number in range(4):
        io.write(corpus / f"{number:05d}.parquet", rows[10 * number : 10 * number + 10])
    wanted = ids(cast(rows, personas=source, corpus=corpus))
    assert len(counted) == len(FOLK) + 40
    spec = VectorSpec(MINILM, embedder_identity(MINILM), "")
    ensure_vectors(open_corpus((corpus,)), spec, lambda: open_embedder(MINILM, Options()))
    counted.clear()
    assert ids(cast(rows, personas=source, corpus=corpus)) == wanted and not counted
    assert ids(cast(rows[12:24], personas=source, corpus=corpus)) == wanted[12:24]
    assert len(counted) == 8, "in the middle of a shard nothing is found until the next begins"
    changed = rows[0] | {"text": "Bees dance."}
    counted.clear()
    assert ids(cast([changed], personas=source, corpus=corpus))[0][0] == "p02"
    assert counted == [f"{changed['title']} Bees dance."]


# A domain


def test_personas_of_a_domain_are_taken(tmp_path: Path) -> None:
    rows = [{"persona_id": f"p{n}", "persona": text} for n, text in enumerate(FOLK)]
    found = cast(rows, "finance-persona")
    fit = {row["persona_id"] for row, _, unfit in found if not unfit}
    assert fit == {"p0", "p6", "p8"}
    assert {unfit for _, _, unfit in found} == {"", "not of the domain"}
    medicine = cast(rows, "finance-persona", domain="medicine: hospitals, nurses, births")
    assert {row["persona_id"] for row, _, unfit in medicine if not unfit} >= {"p1", "p9"}
    assert not any(unfit for _, _, unfit in cast(rows, "finance-persona", domain_floor=-1))


def test_those_of_other_domains_are_dropped_with_a_reason(tmp_path: Path) -> None:
    rows = [
        {"persona_id": f"p{n}", "persona": text, "doc_id": "same"} for n, text in enumerate(FOLK)
    ]
    rejected: list[Rejected] = []
    with serve(tmp_path / "log") as server:
        cfg = SynthConfig.of(
            {"llm": "openai:m", "base_url": server.url, "recipe": "finance-persona"}
        )
        ctx = Context()
        pairs = list(synth.run(rows, cfg, ctx, rejected.append))
    assert ctx.ledger.dropped["not of the domain"] == 9
    assert {pair["query_id"].partition("#")[0] for pair in pairs} == {"p0", "p6", "p8"}
    assert len({pair["query_id"] for pair in pairs}) == len(pairs)


# What decides


def identity(**options: Any) -> dict[str, Any]:
    return SynthConfig.of({"llm": "openai:m", **options}).identity()


def test_the_teacher_counts_only_where_personas_are_chosen(tmp_path: Path) -> None:
    source = folk(tmp_path / "p")
    names = {"teacher", "persona_candidates", "domain_floor"}
    assert not names & identity().keys()
    chosen = identity(recipe="persona-query", personas=source)
    assert names & chosen.keys() == {"teacher", "persona_candidates"}
    assert chosen["teacher"]["kind"] == "st" and len(chosen["teacher"]) > 1
    of_domain = identity(recipe="finance-persona")
    assert names & of_domain.keys() == {"teacher", "domain_floor"}
    assert of_domain["teacher"] == chosen["teacher"]
    assert identity(teacher="st:/nowhere") == identity(teacher_url="http://x")
    before = chosen["personas"]
    io.write(source / "00000.parquet", [{"persona_id": "p", "persona": "Someone else"}])
    assert identity(recipe="persona-query", personas=source)["personas"] != before


def test_nothing_heavy_is_imported_for_recipes_without_personas() -> None:
    script = (
        "import sys; from gpte_data.stages.synth import SynthConfig, _prepare\n"
        "cfg = SynthConfig.of({}); cfg.identity(); _prepare(cfg, lambda: iter(()))\n"
        "print([n for n in ('torch', 'faiss', 'sentence_transformers') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


# Bad input


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "is empty: expected at least one persona"),
        ([{"doc_id": "d", "text": "x"}], "row 1 has no text in `persona`"),
        ([{"persona": "x"}, {"persona": " "}], "row 2 has no text in `persona`"),
        ([{"persona": 7}], "row 1 has no text in `persona`"),
        ([{"persona": "x", "persona_id": "a"}, {"src": "y"}], "row 2 has no text in `persona`"),
    ],
)
def test_what_is_no_persona(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BadInput, match=told):
        Personas(path).at(0)


def test_the_command_tells_what_is_wrong(tmp_path: Path, sample: Path) -> None:
    def told(recipe: str, *options: object) -> str:
        out = tmp_path / "pairs"
        with serve(tmp_path / "log") as server:
            asking = ("--llm", "openai:m", "--base-url", server.url)
            command = ("synth", sample, "-o", out, "--recipe", recipe, *asking, *options)
            sentence = cli(*command).sentence()
            assert not out.exists() and not server.requests()
        return sentence

    assert "row 1 has no text in `persona`" in told("persona-query", "--personas", sample)
    assert "does not exist" in told("persona-query", "--personas", tmp_path / "nowhere")
    assert "asks for no personas: leave" in told("query", "--personas", folk(tmp_path / "p"))
    unknown = ("--personas", tmp_path / "p", "--teacher", "st:/nowhere")
    assert "/nowhere" in told("persona-query", *unknown)


def test_the_command_asks_in_the_voice_of_personas(tmp_path: Path, sample: Path) -> None:
    source = folk(tmp_path / "p")
    with serve(tmp_path / "log") as server:
        ok(
            "synth", sample, "-o", tmp_path / "pairs", "--recipe", "persona-query",
            "--personas", source, "--llm", "openai:m", "--base-url", server.url, "--limit", 50,
            "--per-passage", 1, "--workers", 2,
        )  # fmt: skip
    pairs = list(io.read_all(tmp_path / "pairs"))
    assert pairs
    for pair in pairs:
        assert FOLK[int(pair["persona_id"][1:])] == pair["persona"]
    assert len(list((source / "_vectors").glob("*/*.npy"))) == 3
