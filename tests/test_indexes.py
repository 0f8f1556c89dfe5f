"""Approximate indexes: what they find, that it is scored exactly, and when they are made again."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from conftest import cli, files, ok

from gpte_data import io
from gpte_data.backends import faiss_build, index_settings
from gpte_data.backends.faiss_build import build
from gpte_data.backends.faiss_index import FaissIndex
from gpte_data.backends.flat_index import exact_scores
from gpte_data.backends.index_settings import FETCHED, Kind, settings
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.corpus import open_corpus
from gpte_data.indexes import ensure_index
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.opening import place_of
from gpte_data.mining.recall import best_found

DIMENSION, PASSAGES, PAIRS, TOP = 64, 12_000, 60, 20
KINDS: list[Kind] = [kind for kind in get_args(Kind) if kind != "flat"]
every = pytest.mark.parametrize("kind", KINDS)


def clustered(count: int, seed: int = 0, dimension: int = DIMENSION) -> Any:
    """Return unit vectors in clusters that differ in a few directions, as texts do."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(60, dimension))
    spread = np.random.default_rng(8).normal(size=(12, dimension))
    found = centres[random.integers(60, size=count)]
    found = found + random.normal(size=(count, 12)) @ spread / 4
    found += random.normal(size=(count, dimension)) / 8
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def made(
    folder: Path, kind: Kind, vectors: Vectors, effort: float = 1.0, name: str = "index"
) -> FaissIndex:
    how = settings(kind, len(vectors), vectors.dimension)
    assert how is not None
    with (folder / name).open("wb") as file:
        build(vectors, how, file, lambda count: None)
    return FaissIndex(vectors, how, folder / name, effort)


def recall(index: FaissIndex, queries: Any, k: int) -> float:
    return sum(best_found(index.vectors, index, queries, k)) / (k * len(queries))


# What they find


@every
def test_most_of_the_best_are_found_and_more_with_more_effort(tmp_path: Path, kind: Kind) -> None:
    vectors, queries = Vectors.of(np.split(clustered(PASSAGES), [5000, 5000])), clustered(100, 1)
    index = made(tmp_path, kind, vectors)
    usual = recall(index, queries, 50)
    index.effort = 0.05
    little = recall(index, queries, 50)
    index.effort = 8
    much = recall(index, queries, 50)
    assert usual > 0.9 and much > 0.97 and little < usual <= much, (little, usual, much)


@pytest.mark.parametrize("kind", ["ivfpq", "binary"])
def test_hits_are_the_best_by_exact_scores(tmp_path: Path, kind: Kind) -> None:
    """Codes decide what is scored, not what is best of it."""
    vectors, queries = Vectors.of([clustered(PASSAGES).astype(np.float16)]), clustered(40, 1)
    index = made(tmp_path, kind, vectors)
    raw = index._search(queries, 30)
    assert raw.shape == (40, FETCHED[kind] * 30)
    for query, seen, hits in zip(queries, raw, index.hits(queries, 30), strict=True):
        seen = seen[seen >= 0]
        scores = exact_scores(vectors.take(seen), query)
        assert set(seen[np.argsort(-scores)[:30]]) == set(hits) != set(seen[:30])


@every
def test_a_query_finds_the_same_beside_any_others(tmp_path: Path, kind: Kind) -> None:
    queries = clustered(300, 1)
    index = made(tmp_path, kind, Vectors.of([clustered(PASSAGES)]))
    together = index.hits(queries, TOP)
    for part in (slice(7, 8), slice(0, 25), slice(200, 300)):
        for alone, hits in zip(index.hits(queries[part], TOP), together[part], strict=True):
            assert (alone == hits).all()


@pytest.mark.parametrize("kind", ["ivf", "ivfpq", "binary"])
def test_an_index_is_made_twice_alike(tmp_path: Path, kind: Kind) -> None:
    vectors = Vectors.of([clustered(PASSAGES)])
    for name in ("one", "other"):
        made(tmp_path, kind, vectors, name=name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("dimension", [7, 50])
@every
def test_any_dimension_will_do(tmp_path: Path, kind: Kind, dimension: int) -> None:
    vectors = Vectors.of([clustered(PASSAGES, dimension=dimension)])
    queries = clustered(30, 1, dimension)
    assert recall(made(tmp_path, kind, vectors), queries, TOP) > 0.5


def test_signs_of_millions_are_put_in_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_settings, "BINARY_LISTS", PASSAGES)
    index = made(tmp_path, "binary", Vectors.of([clustered(PASSAGES)]))
    assert index.settings.lists > 100
    assert recall(index, clustered(50, 1), TOP) > 0.8


@pytest.mark.parametrize("count", [1, 10, 9_999])
def test_few_vectors_need_no_index(count: int) -> None:
    assert all(settings(kind, count, DIMENSION) is None for kind in KINDS)
    hundred_million = settings("ivf", 100_000_000, 384)
    assert hundred_million is not None and hundred_million.lists == 40_000


# The command


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and pairs of three shards, with vectors; to be read only."""
    folder = tmp_path_factory.mktemp("given")
    for name, count in (("corpus", PASSAGES), ("pairs", PAIRS)):
        rows: list[dict[str, Any]] = [
            {"doc_id": f"d{n}", "text": f"text {n}"} for n in range(count)
        ]
        if name == "pairs":
            rows = [
                {"query_id": f"q{n}", "query": f"text {n}", "positives": [f"d{n}"]}
                for n in range(count)
            ]
        for shard in range(3):
            part = rows[shard * count // 3 : (shard + 1) * count // 3]
            io.write(folder / name / f"{shard:05d}.parquet", part)
    save(folder, clustered(PASSAGES))
    return folder


def save(folder: Path, vectors: Any) -> None:
    (folder / "v").mkdir(exist_ok=True)
    np.save(folder / "v" / "documents.npy", vectors)
    np.save(folder / "v" / "queries.npy", clustered(PAIRS, 1))


def mine(folder: Path, out: str, *flags: object) -> tuple[object, ...]:
    corpus = ("--corpus", folder / "corpus", "--top-k", TOP)
    teacher = ("--teacher", f"vectors:{folder / 'v'}")
    return ("mine-negatives", folder / "pairs", "-o", folder / out, *corpus, *teacher, *flags)


def index_of(folder: Path, kind: Kind) -> Path:
    (path,) = (folder / "corpus" / "_vectors").glob(f"*/{kind}.index")
    return path


@every
def test_the_command_says_what_an_index_misses(given: Path, kind: Kind) -> None:
    said = ok(*mine(given, kind, "--index", kind))
    (line,) = [line for line in said.splitlines() if "of the exact best" in line]
    assert line.startswith(f"mine-negatives: {kind}, vectors:v: found ")
    assert line.endswith(f"% of the exact best {TOP} on {PAIRS} queries")
    ok(*mine(given, "exact"))
    exact = {row["query_id"]: row["candidates"] for row in io.read_all(given / "exact")}
    looked = found = 0
    for row in io.read_all(given / kind):
        scores = {hit["doc_id"]: hit["score"] for hit in exact[row["query_id"]]}
        for hit in row["candidates"]:
            assert hit["score"] == scores.get(hit["doc_id"], hit["score"])
            found += hit["doc_id"] in scores
        looked += len(scores)
        assert [hit["rank"] for hit in row["candidates"]] == list(range(1, 1 + TOP))
        ranked = [hit["score"] for hit in row["candidates"]]
        assert ranked == sorted(ranked, reverse=True)
    assert found / looked == pytest.approx(
        float(line.split("found ")[1].split("%")[0]) / 100, abs=0.02
    )
    notes = [
        json.loads(path.read_text())["rows"]["notes"] for path in (given / kind / "_done").glob("*")
    ]
    name = f"{kind}, vectors:v: exact hits looked for"
    assert sum(note[name] for note in notes) == TOP * PAIRS


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_workers_and_repetition_do_not_matter(given: Path, kind: Kind) -> None:
    made_at = []
    for out, flags in (("one", ()), ("two", ("--workers", 2)), ("again", ())):
        ok(*mine(given, f"{kind}-{out}", "--index", kind, *flags))
        made_at.append(index_of(given, kind).stat().st_mtime_ns)
    first = files(given / f"{kind}-one", "*.parquet")
    assert len(first) == 3 and len(set(made_at)) == 1
    assert first == files(given / f"{kind}-two", "*.parquet")
    assert first == files(given / f"{kind}-again", "*.parquet")


def test_a_low_recall_comes_with_what_to_do(given: Path) -> None:
    said = ok(*mine(given, "low", "--index", "binary", "--search-effort", 0.01))
    assert "; for more give --search-effort 0.02, or --index flat" in said


def test_with_rules_alone_recall_is_measured_too(given: Path) -> None:
    said = ok(*mine(given, "rules", "--index", "ivf", "--relative-margin", 0.05))
    assert "of the exact best" in said and "unlabelled" not in said


def test_a_pipe_books_what_was_found(given: Path) -> None:
    rows = b"".join(map(io.to_line, io.read_all(given / "pairs")))
    flags = ("--corpus", given / "corpus", "--top-k", TOP, "--index", "ivf")
    (given / "v" / "queries.txt").write_text("".join(f"q{n}\n" for n in range(PAIRS)))
    try:
        said = ok(
            "mine-negatives", "-", "-o", "-", "--teacher", f"vectors:{given / 'v'}", *flags,
            input=rows,
        )  # fmt: skip
    finally:
        (given / "v" / "queries.txt").unlink()
    assert f"ivf, vectors:v: exact hits looked for: {TOP * PAIRS:,}" in said


def test_an_index_of_other_vectors_is_made_again(given: Path) -> None:
    ok(*mine(given, "before", "--index", "ivf"))
    try:
        path = index_of(given, "ivf")
        before = path.read_bytes()
        save(given, clustered(PASSAGES, 5))
        said = ok(*mine(given, "after", "--index", "ivf"))
        assert path.read_bytes() != before
        assert float(said.split("found ")[1].split("%")[0]) > 90
    finally:
        save(given, clustered(PASSAGES))


def test_a_killed_build_leaves_nothing_half(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = MineConfig.of(
        {"corpus": (given / "corpus",), "teacher": (f"vectors:{given / 'v'}",), "index": "hnsw"}
    )
    place = place_of(open_corpus(cfg.corpus), cfg.open_teachers()[0])
    place.path("hnsw").unlink(missing_ok=True)

    def killed(vectors: Any, how: Any, target: Any, tell: Any) -> None:
        target.write(b"half an index")
        raise KeyboardInterrupt

    whole = faiss_build.build
    monkeypatch.setattr(faiss_build, "build", killed)
    with pytest.raises(KeyboardInterrupt):
        ensure_index(place, "hnsw")
    folder = place.path("hnsw").parent
    assert not [path for path in folder.iterdir() if "hnsw" in path.name]
    monkeypatch.setattr(faiss_build, "build", whole)
    ensure_index(place, "hnsw")
    assert place.path("hnsw").is_file()


def test_a_small_corpus_is_searched_exactly(tmp_path: Path) -> None:
    rows = [{"doc_id": f"d{n}", "text": f"text {n}"} for n in range(10)]
    io.write(tmp_path / "corpus" / "00000.parquet", rows)
    pairs = [{"query_id": f"q{n}", "query": "x", "positives": [f"d{n}"]} for n in range(PAIRS)[:10]]
    io.write(tmp_path / "pairs" / "00000.parquet", pairs)
    (tmp_path / "v").mkdir()
    np.save(tmp_path / "v" / "documents.npy", clustered(10))
    np.save(tmp_path / "v" / "queries.npy", clustered(10, 1))
    said = ok(*mine(tmp_path, "ivf", "--index", "ivf"))
    assert "too few passages for an index (10): searched exactly" in said
    ok(*mine(tmp_path, "flat"))
    assert files(tmp_path / "ivf", "*.parquet") == files(tmp_path / "flat", "*.parquet")


def test_every_teacher_is_searched_through_an_index(given: Path) -> None:
    second = given / "w"
    second.mkdir()
    np.save(second / "documents.npy", clustered(PASSAGES, 3))
    np.save(second / "queries.npy", clustered(PAIRS, 4))
    said = ok(*mine(given, "both", "--index", "ivf", "--teacher", f"vectors:{second}"))
    assert said.count("of the exact best") == 2 and "ivf, vectors:w: found" in said


# Options


def test_an_index_that_is_none_is_refused(given: Path) -> None:
    assert "--index 'annoy' won't do" in cli(*mine(given, "x", "--index", "annoy")).sentence()
    said = cli(*mine(given, "x", "--search-effort", 2)).sentence()
    assert "--search-effort changes nothing here" in said
    assert not (given / "x").exists()


def test_flat_changes_no_fingerprint() -> None:
    cfg = MineConfig.of({"corpus": (), "teacher": ("st:all-MiniLM-L6-v2",)})
    assert not {"index", "search_effort"} & cfg.identity().keys()
    other = cfg.model_copy(update={"index": "ivf", "search_effort": 2.0})
    assert (other.identity()["index"], other.identity()["search_effort"]) == ("ivf", 2.0)
