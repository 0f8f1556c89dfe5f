"""Mining against an oracle in numpy, and the rule's edges."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data import io
from gpte_data.backends import flat_index
from gpte_data.mining.evidence import EVIDENCE, OF_POSITIVES
from gpte_data.mining.mine_options import MineConfig
from gpte_data.stage import Context, Rejected, Row
from gpte_data.stages import load
from gpte_data.stages import mine_negatives as mining
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import SelectConfig, select_negatives

DIMENSION = 16
MARGIN = {"relative_margin": 0.05}


def unit(random: np.random.Generator, count: int) -> Any:
    vectors = random.normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus_of(folder: Path, sizes: list[int]) -> Path:
    number = 0
    for shard, size in enumerate(sizes):
        rows = [{"doc_id": f"d{number + i:04d}", "text": f"text {number + i}"} for i in range(size)]
        io.write(folder / f"{shard:05d}.parquet", rows)
        number += size
    return folder


def given(folder: Path, vectors: Any, queries: Any, rows: list[Row]) -> str:
    """Return a teacher whose vectors are given."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "documents.npy", vectors)
    np.save(folder / "queries.npy", queries)
    (folder / "queries.txt").write_text("".join(f"{row['query_id']}\n" for row in rows))
    return f"vectors:{folder}"


def mine(corpus: Path, vectors: Any, queries: Any, rows: list[Row], **options: Any) -> list[Row]:
    """Mine with given vectors; a margin decides, unless something else is asked for."""
    teacher = given(corpus / "v", vectors, queries, rows)
    cfg = MineConfig.of({"corpus": (corpus,), "teacher": (teacher,), **(options or MARGIN)})
    return list(mine_negatives(rows, cfg))


def pairs(*positives: list[str]) -> list[Row]:
    return [
        {"query_id": f"q{n}", "query": f"query {n}", "positives": own}
        for n, own in enumerate(positives)
    ]


def oracle(
    vectors: Any, query: Any, positives: list[int], top_k: int, margin: float
) -> list[tuple[str, float, str]]:
    """Return (doc_id, score, verdict) the slow and obvious way."""
    scores = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    lowest = min(float(scores[p]) for p in positives)
    ceiling = lowest - abs(lowest) * margin
    order = sorted(range(len(vectors)), key=lambda i: (-scores[i], f"d{i:04d}"))
    hits = [i for i in order if i not in positives][:top_k]
    return [
        (f"d{i:04d}", float(scores[i]), "keep" if scores[i] <= ceiling else "drop") for i in hits
    ]


@pytest.mark.parametrize("sizes", [[300], [100, 1, 0, 199]])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("fast", [True, False])
def test_mining_is_what_the_oracle_says(
    tmp_path: Path, sizes: list[int], margin: float, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat_index, "has_bf16", lambda: fast)
    random = np.random.default_rng(7)
    corpus = corpus_of(tmp_path, sizes)
    vectors, queries = unit(random, 300), unit(random, 40)
    own = [random.choice(300, size=1 + i % 4, replace=False).tolist() for i in range(40)]
    rows = pairs(*[[f"d{p:04d}" for p in some] for some in own])
    options = {"relative_margin": margin, "top_k": 20}
    found = mine(corpus, vectors, queries, rows, **options)
    for positives, query, mined in zip(own, queries, found, strict=True):
        hits = [(h["doc_id"], h["score"], h["verdict"]) for h in mined["candidates"]]
        assert hits == oracle(vectors, query, positives, 20, margin)
        assert [h["rank"] for h in mined["candidates"]] == list(range(1, 21))
        assert not {h["doc_id"] for h in mined["candidates"]} & set(mined["positives"])
        assert {h["source"] for h in mined["candidates"]} == {"vectors:v"}
        exact = (vectors[positives].astype(np.float64) @ query.astype(np.float64)).astype("f4")
        assert mined["positive_scores"] == exact.tolist()
        others = [h["score"] for h in mined["candidates"]]
        above = [sum(score > one for score in others) for one in mined["positive_scores"]]
        assert mined["positive_ranks"] == [n + 1 if n < 20 else 0 for n in above]
        similar = (
            vectors[[int(h["doc_id"][1:]) for h in mined["candidates"]]] @ vectors[positives].T
        )
        told = [h["positive_similarity"] for h in mined["candidates"]]
        assert told == pytest.approx(similar.max(axis=1).tolist(), abs=1e-6)


def test_everything_is_told_of_a_candidate(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    vectors, rows = unit(random, 60), pairs(["d0001"], ["d0002", "d0003"])
    for row in mine(corpus_of(tmp_path, [60]), vectors, unit(random, 2), rows, num_negatives=3):
        assert len(row["candidates"]) == 60 - len(row["positives"]), "fewer than the top 100"
        for hit in row["candidates"]:
            assert len(hit["evidence"]) == len(EVIDENCE) and np.isfinite(hit["evidence"]).all()
            assert 0 <= hit["false_negative"] <= 1 and hit["reason"]
            assert ("choice" in hit) == (hit["verdict"] == "keep")
        choices = sorted(hit["choice"] for hit in row["candidates"] if "choice" in hit)
        assert choices == list(range(1, len(choices) + 1)) and len(choices) >= 3
        assert [len(one) for one in row["positive_evidence"]] == [len(OF_POSITIVES)] * len(
            row["positives"]
        )


def test_equal_scores_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [30, 30])
    one, other = np.eye(DIMENSION, dtype=np.float32)[:2]
    vectors = np.stack([one] + [other] * 59)
    query = np.stack([(one + other * 0.5) / np.float32(np.sqrt(1.25))])
    (mined,) = mine(corpus, vectors, query, pairs(["d0000"]), top_k=10, **MARGIN)
    assert [h["doc_id"] for h in mined["candidates"]] == [f"d{i:04d}" for i in range(1, 11)]


def test_margin_holds_for_negative_scores(tmp_path: Path) -> None:
    """With a positive at -0.5, the ceiling is below it, not above (abs in the margin)."""
    corpus = corpus_of(tmp_path, [4])
    axis = np.eye(DIMENSION, dtype=np.float32)
    make = [(-0.5, 1), (-0.49, 2), (-0.51, 3), (-0.6, 4)]
    vectors = np.stack(
        [axis[0] * np.float32(s) + axis[i] * np.float32(np.sqrt(1 - s * s)) for s, i in make]
    )
    (mined,) = mine(corpus, vectors, axis[:1], pairs(["d0000"]))
    verdicts = {h["doc_id"]: h["verdict"] for h in mined["candidates"]}
    assert verdicts == {"d0001": "drop", "d0002": "drop", "d0003": "keep"}


def test_a_copy_of_the_positive_is_no_negative(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [50])
    random = np.random.default_rng(3)
    vectors = unit(random, 50)
    vectors[17] = vectors[4]
    for options in (MARGIN, {"num_negatives": 5}):
        (mined,) = mine(corpus, vectors, unit(random, 1), pairs(["d0004"]), top_k=49, **options)
        (copy,) = [h for h in mined["candidates"] if h["doc_id"] == "d0017"]
        assert (copy["verdict"], copy["reason"]) == ("drop", "same text as a positive")


def test_copies_are_known_whatever_float16_makes_of_their_length(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    whole = random.normal(size=(100, 384))
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    vectors = np.concatenate([whole, whole]).astype(np.float16)
    rows = pairs(*[[f"d{n:04d}"] for n in range(50)], *[["d0000"]] * 49)
    asked = whole[[*range(50, 100), *range(1, 50)]].astype(np.float32)
    found = mine(corpus_of(tmp_path, [200]), vectors, asked, rows, top_k=199, num_negatives=5)
    for n, row in enumerate(found):
        reasons = {hit["doc_id"]: hit["reason"] for hit in row["candidates"]}
        own = int(row["positives"][0][1:])
        assert reasons[f"d{own + 100:04d}"] == "same text as a positive", n
        text = n + 50 if n < 50 else n - 49
        copies = {reasons[f"d{text:04d}"], reasons[f"d{text + 100:04d}"]}
        assert copies == {"same text as the query"}, n


def test_copies_are_known_by_a_real_teacher(tmp_path: Path, sample: Path) -> None:
    texts = [row["text"] for row in list(io.read_all(sample))[:25]]
    rows = [{"doc_id": f"d{n:04d}", "text": text} for n, text in enumerate([*texts, *texts])]
    io.write(tmp_path / "00000.parquet", rows)
    asked = [
        {"query_id": f"q{n}", "query": " ".join(text.split()[:7]), "positives": [f"d{n:04d}"]}
        for n, text in enumerate(texts)
    ]
    for n, row in enumerate(mine_negatives(asked, corpus=(tmp_path,), num_negatives=5)):
        (copy,) = [hit for hit in row["candidates"] if hit["doc_id"] == f"d{n + 25:04d}"]
        assert copy["reason"] == "same text as a positive", copy["positive_similarity"]


def test_corpus_smaller_than_k_and_a_corpus_of_one(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for size in (1, 2, 7):
        corpus = corpus_of(tmp_path / str(size), [size])
        vectors = unit(random, size)
        for options in (MARGIN, {"num_negatives": 3}):
            (mined,) = mine(corpus, vectors, unit(random, 1), pairs(["d0000"]), **options)
            assert len(mined["candidates"]) == size - 1


def test_some_queries_may_have_no_candidates(tmp_path: Path) -> None:
    """Where all of a small corpus is known to be positive; before others and behind them."""
    random = np.random.default_rng(6)
    every = [f"d{n:04d}" for n in range(8)]
    rows = pairs(every, ["d0001"], every, ["d0002"], every)
    vectors, queries = unit(random, 8), unit(random, 5)
    for options in (MARGIN, {"num_negatives": 3}):
        found = mine(corpus_of(tmp_path, [8]), vectors, queries, rows, **options)
        assert [len(row["candidates"]) for row in found] == [0, 7, 0, 7, 0]
        io.write(tmp_path / "mined" / "00000.parquet", found)
        again = io.read_all(tmp_path / "mined")
        assert [len(row["candidates"]) for row in again] == [0, 7, 0, 7, 0]
        chosen = select_negatives(io.read_all(tmp_path / "mined"), SelectConfig.of(options))
        assert [len(row["candidates"]) for row in chosen] == [0, 7, 0, 7, 0]


def test_minilm_finds_the_neighbours(tmp_path: Path) -> None:
    """With the real teacher: near texts rank first, and the function equals itself on rerun."""
    docs = {
        "cat": "A cat sleeps on the warm windowsill.",
        "kitten": "A kitten naps on a sunny window ledge.",
        "bond": "The bond's coupon is paid twice a year.",
        "dough": "Knead the dough until it is smooth.",
    }
    io.write(tmp_path / "00000.parquet", [{"doc_id": d, "text": t} for d, t in docs.items()])
    rows = [{"query_id": "q", "query": "where do cats sleep?", "positives": ["cat"]}]
    stage = load("mine-negatives")
    first, again = (list(stage(rows, corpus=(tmp_path,))) for _ in range(2))
    assert first == again
    assert first[0]["candidates"][0]["doc_id"] == "kitten"
    assert first[0]["candidates"][0]["source"] == "st:all-MiniLM-L6-v2"
    assert len(list((tmp_path / "_vectors").glob("st-*/00000.npy"))) == 1


@pytest.mark.parametrize("queries", [1, 5, 64])
def test_copies_at_the_boundary_are_kept_by_their_ids(tmp_path: Path, queries: int) -> None:
    """Sixty copies of one text, ten places: which are kept is not for the other queries to say."""
    random = np.random.default_rng(0)
    vectors = unit(random, 360)
    asked = unit(random, queries)
    vectors[300:] = asked[0] * np.float32(0.9) + vectors[300] * np.float32(0.1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.concatenate([np.arange(300), np.arange(359, 299, -1)])
    io.write(tmp_path / "00000.parquet", [{"doc_id": f"d{i:04d}", "text": "x"} for i in order])
    rows = pairs(*[["d0000"]] * queries)
    first = mine(tmp_path, vectors[order], asked, rows, top_k=10, **MARGIN)[0]
    assert [hit["doc_id"] for hit in first["candidates"]] == [f"d{i:04d}" for i in range(300, 310)]


def test_chunks_of_a_positive_s_document_are_no_negatives(tmp_path: Path) -> None:
    chunks = [
        {"doc_id": f"d{i}#{j}", "text": f"text {i} {j}", "source": f"d{i}"}
        for i in range(10)
        for j in range(4)
    ]
    io.write(tmp_path / "00000.parquet", chunks)
    random = np.random.default_rng(5)
    vectors, query = unit(random, 40), unit(random, 1)
    (mined,) = mine(tmp_path, vectors, query, pairs(["d3#1"]), top_k=39, **MARGIN)
    siblings = {h["doc_id"]: h for h in mined["candidates"] if h["doc_id"].startswith("d3#")}
    assert siblings.keys() == {"d3#0", "d3#2", "d3#3"}
    for hit in siblings.values():
        assert (hit["verdict"], hit["reason"]) == ("drop", "chunk of a positive's document")


# What does not matter


def case(folder: Path, teachers: int) -> tuple[MineConfig, list[Row]]:
    """Return a config with some teachers, and pairs of which one has many positives."""
    random = np.random.default_rng(9)
    corpus = corpus_of(folder / "corpus", [200, 200])
    rows = pairs(*[[f"d{n:04d}"] for n in range(29)], [f"d{n:04d}" for n in range(100, 160)])
    specs = [
        given(folder / f"v{n}", unit(random, 400), unit(random, 30), rows) for n in range(teachers)
    ]
    options = {"corpus": (corpus,), "teacher": tuple(specs), "top_k": 12, **MARGIN}
    return MineConfig.of(options), rows


teachers = pytest.mark.parametrize("teachers", [1, 3])


@teachers
@pytest.mark.parametrize("fusion", ["rrf", "zscore"])
def test_a_query_does_not_depend_on_the_others(tmp_path: Path, teachers: int, fusion: str) -> None:
    """Nor on how many positives another has, and so not on the shard that it is in."""
    cfg, rows = case(tmp_path, teachers)
    cfg = cfg.model_copy(update={"fusion": fusion})
    together = list(mine_negatives(rows, cfg))
    for some in (slice(0, 1), slice(3, 9), slice(29, 30)):
        assert list(mine_negatives(rows[some], cfg)) == together[some]
    assert list(mine_negatives(rows[::-1], cfg)) == together[::-1]


@teachers
def test_the_kind_of_search_does_not_matter(
    tmp_path: Path, teachers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, rows = case(tmp_path, teachers)
    found = []
    for fast in (True, False):
        monkeypatch.setattr(flat_index, "has_bf16", lambda fast=fast: fast)
        found.append(list(mine_negatives(rows, cfg)))
    assert found[0] == found[1]


@teachers
def test_blocks_of_queries_do_not_matter(
    tmp_path: Path, teachers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, rows = case(tmp_path, teachers)
    whole = list(mine_negatives(rows, cfg))
    for queries, together in ((7, 3), (1, 1), (30, 4)):
        monkeypatch.setattr(mining, "QUERIES", queries)
        monkeypatch.setattr("gpte_data.mining.miner.TOGETHER", together)
        assert list(mine_negatives(rows, cfg)) == whole


# Too few, and again


def test_a_query_that_goes_short_is_kept_or_dropped(tmp_path: Path) -> None:
    random = np.random.default_rng(10)
    corpus, rows = corpus_of(tmp_path, [6]), pairs(["d0000"], ["d0001", "d0002", "d0003"])
    vectors, queries = unit(random, 6), unit(random, 2)
    teacher = given(corpus / "v", vectors, queries, rows)
    options: dict[str, Any] = {"corpus": (corpus,), "teacher": (teacher,), "num_negatives": 4}
    for how, expected in (("partial", 2), ("drop", 1)):
        rejected: list[Rejected] = []
        ctx, cfg = Context(), MineConfig.of({**options, "shortage": how})
        found = list(mine_negatives.run(rows, cfg, ctx, rejected.append))
        assert len(found) == expected and len(rejected) == 2 - expected
        note = "queries with fewer than 4 negatives"
        assert ctx.ledger.notes[note] == (1 if how == "partial" else 0)
        assert [one.reason for one in rejected] == ["fewer than 4 negatives"] * len(rejected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_false_negatives": 0.01},
        {"relative_margin": 0.3, "sampling": "softmax", "seed": 4},
        {"relative_margin": 0.1, "margin_against": "each"},
        {"min_reciprocal_rank": 9, "max_length_ratio": 1},
    ],
)
def test_chosen_again_by_the_same_options_nothing_changes(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    random = np.random.default_rng(11)
    rows = pairs(*[[f"d{n:04d}"] for n in range(20)])
    vectors, queries = unit(random, 150), unit(random, 20)
    chosen = {"num_negatives": 3, **options}
    mined = mine(corpus_of(tmp_path, [150]), vectors, queries, rows, top_k=30, **chosen)
    io.write(tmp_path / "mined" / "00000.parquet", mined)
    again = list(select_negatives(io.read_all(tmp_path / "mined"), SelectConfig.of(chosen)))
    io.write(tmp_path / "again" / "00000.parquet", again)
    first, second = (tmp_path / name / "00000.parquet" for name in ("mined", "again"))
    assert first.read_bytes() == second.read_bytes()
