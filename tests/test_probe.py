"""The probe: help that is there is found, none is claimed where none is, and nothing leaks."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Ended, cli, files, ok
from typer.testing import CliRunner

from gpte_data import io, manifest
from gpte_data.backends.adapter import Maps, read_adapter
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.cli import app_for
from gpte_data.errors import BadOption, GpteError
from gpte_data.probing.evaluation import Judged
from gpte_data.probing.measuring import interval, measured
from gpte_data.probing.probe import Asked
from gpte_data.probing.probe import probe as run_probe
from gpte_data.probing.reading import columns
from gpte_data.probing.splitting import groups, held_out
from gpte_data.probing.training import Settings
from gpte_data.stage import Row

TRAIN, TEST, OTHERS, SIGNAL, NOISE = 160, 80, 120, 28, 4
QUERIES = TRAIN + TEST


def vectors(signal_noise: float = 0.25, loud: float = 5) -> dict[str, Any]:
    """Return a vector for each word: asked and answered alike, but for loud noise in 4 numbers.

    So a map that takes 4 directions away, of rank 4, makes every answer the nearest.
    """
    dice = np.random.default_rng(0)
    words = {}
    for n in range(QUERIES + OTHERS):
        signal = dice.normal(size=SIGNAL)
        for kind in ("ask", "doc"):
            own = signal + signal_noise * dice.normal(size=SIGNAL)
            words[f"{kind}{n}"] = np.concatenate([own, loud * dice.normal(size=NOISE)])
    return words


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers whose vectors are known, pairs to train on and an evaluation, all of one word."""
    folder = tmp_path_factory.mktemp("world")
    teach(folder / "teacher", vectors())
    teach(folder / "even", vectors(1.2, 1.2))
    train = [shard_row(n, n, [n + 1, n + 2]) for n in range(TRAIN)]
    io.write(folder / "train" / "00000.parquet", train)
    evaluation(folder / "eval", range(TRAIN, QUERIES))
    return folder


def teach(folder: Path, words: dict[str, Any]) -> None:
    """Write a teacher that has a vector for each word."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    table = np.stack([np.zeros(SIGNAL + NOISE) + 0.01, *words.values()]).astype(np.float32)
    names = {"[UNK]": 0} | {word: n for n, word in enumerate(words, 1)}
    tokenizer = Tokenizer(WordLevel(names, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    StaticModel(table, tokenizer).save_pretrained(folder)


def shard_row(query: int, positive: int, negatives: Sequence[int]) -> Row:
    """Return a row as emit writes it for sentence-transformers."""
    row = {"anchor": f"ask{query}", "positive": f"doc{positive}"}
    return row | {f"negative_{n}": f"doc{one}" for n, one in enumerate(negatives, 1)}


def evaluation(folder: Path, queries: Sequence[int]) -> None:
    """Write a BEIR folder: all documents, and queries whose document has their number."""
    lines(folder / "corpus.jsonl", [
        {"_id": f"d{n}", "title": "", "text": f"doc{n}"} for n in range(QUERIES + OTHERS)
    ])  # fmt: skip
    lines(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"ask{n}"} for n in queries])
    qrels(folder, [(f"q{n}", f"d{n}", 1) for n in queries])


def lines(path: Path, rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def qrels(folder: Path, judged: Sequence[tuple[str, str, object]]) -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    rows = "".join("\t".join(map(str, one)) + "\n" for one in judged)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)


def probe(world: Path, shards: Path, *more: object, eval: Path | None = None) -> Ended:
    """Run the command in this process, which has torch loaded already."""
    given = (
        "probe", shards, "--eval", eval or world / "eval", "--seeds", 2,
        "--teacher", f"model2vec:{world / 'teacher'}", *more,
    )  # fmt: skip
    found = CliRunner().invoke(app_for(["probe"]), [str(one) for one in given])
    if isinstance(found.exception, GpteError):  # which the program prints
        return Ended(found.exception.exit_code, found.stdout, f"error: {found.exception}")
    if not isinstance(found.exception, SystemExit | None):
        raise found.exception
    return Ended(found.exit_code, found.stdout, found.stderr)


def probed(world: Path, shards: Path, *more: object, eval: Path | None = None) -> Any:
    """Return what a probe prints as JSON, without what a clock says."""
    ended = probe(world, shards, "--json", *more, eval=eval)
    assert ended.rc == 0, ended.stderr
    found = json.loads(ended.stdout)
    return {name: value for name, value in found.items() if not name.startswith("seconds")}


# Does it tell the truth


@pytest.fixture(scope="module")
def helped(world: Path) -> Any:
    """What the probe finds in data that help; its maps are beside."""
    return probed(world, world / "train", "-o", world / "maps")


def test_help_that_is_there_is_found(helped: Any) -> None:
    one = helped["measures"]["ndcg@10"]
    assert one["helps"]
    assert one["low"] > 0.1
    assert one["before"] < 0.6 < 0.8 < one["after"]
    assert one["difference"] == pytest.approx(one["after"] - one["before"])
    assert helped["queries_counted"] == helped["queries"] == TEST
    assert helped["documents"] == QUERIES + OTHERS
    assert [run["rows"] + run["held_out"] for run in helped["trainings"]] == [TRAIN, TRAIN]
    assert all(run["held_out_after"] > run["held_out_before"] for run in helped["trainings"])


def test_figures_before_are_those_of_brute_force(world: Path, helped: Any) -> None:
    words = {word: one / np.linalg.norm(one) for word, one in vectors().items()}
    documents = np.stack([words[f"doc{n}"] for n in range(QUERIES + OTHERS)])
    ndcg, recall = [], []
    for n in range(TRAIN, QUERIES):
        scores = documents @ words[f"ask{n}"]
        rank = 1 + int((scores > scores[n]).sum())
        ndcg.append(1 / math.log2(1 + rank) if rank <= 10 else 0.0)
        recall.append(rank <= 100)
    found = helped["measures"]
    assert found["ndcg@10"]["before"] == pytest.approx(np.mean(ndcg), abs=2e-3)  # float16
    assert found["recall@100"]["before"] == pytest.approx(np.mean(recall), abs=0.013)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_help_is_claimed_of_random_labels(world: Path, tmp_path: Path, seed: int) -> None:
    """Where no direction is louder than others: making loud ones softer helps with any labels."""
    drawn = np.random.default_rng(seed).permutation(TRAIN)
    rows = [shard_row(n, int(other), [int(other) + 1]) for n, other in enumerate(drawn)]
    io.write(tmp_path / "random" / "00000.parquet", rows)
    even = ("--teacher", f"model2vec:{world / 'even'}")
    measures = probed(world, tmp_path / "random", *even)["measures"]
    assert 0.3 < measures["ndcg@10"]["before"] < 0.6
    for one in measures.values():
        assert one["low"] <= 0
        assert not one["helps"]


def test_the_same_figures_twice_and_others_with_another_seed(world: Path, helped: Any) -> None:
    again = probed(world, world / "train", "-o", world / "maps", "--force")
    assert again == helped
    assert probed(world, world / "train", "--seed", 7) != helped


def test_flagembedding_gives_the_figures_of_sentence_transformers(
    world: Path, tmp_path: Path, helped: Any
) -> None:
    rows = [
        {"query": f"ask{n}", "pos": [f"doc{n}"], "neg": [f"doc{n + 1}", f"doc{n + 2}"],
         "pos_scores": [1.0], "neg_scores": [0.0, 0.0], "prompt": "", "type": "normal"}
        for n in range(TRAIN)
    ]  # fmt: skip
    lines(tmp_path / "flag" / "00000.jsonl", rows)
    found = probed(world, tmp_path / "flag")
    assert found["measures"] == helped["measures"]


def test_ids_with_their_corpus_give_the_same_and_no_text_is_embedded(
    world: Path, tmp_path: Path, helped: Any
) -> None:
    ok("ingest", world / "eval", "-o", tmp_path / "corpus")
    teacher = f"model2vec:{world / 'teacher'}"
    ok("embed", tmp_path / "corpus", "--teacher", teacher)
    rows = [
        {"query_id": f"q{n}", "query": f"ask{n}", "positives": [f"d{n}"], "candidates": [
            {"doc_id": f"d{n + k}", "rank": k, "score": 0.5, "source": "x", "verdict": "keep",
             "choice": k} for k in (1, 2)
        ]} for n in range(TRAIN)
    ]  # fmt: skip
    io.write(tmp_path / "mined" / "00000.parquet", rows)
    corpus = ("--corpus", tmp_path / "corpus")
    ended = probe(world, tmp_path / "mined", "--json", *corpus, "--cache", tmp_path / "cache")
    assert json.loads(ended.stdout)["measures"] == helped["measures"]
    assert not list((tmp_path / "cache").rglob("*.npy"))
    assert "give --corpus" in probe(world, tmp_path / "mined").sentence()
    lost = [rows[0] | {"positives": ["nowhere"]}]
    io.write(tmp_path / "lost" / "00000.parquet", lost)
    assert "'nowhere', which is not in" in probe(world, tmp_path / "lost", *corpus).sentence()


def test_a_cache_keeps_vectors_and_changes_no_figure(
    world: Path, tmp_path: Path, helped: Any
) -> None:
    cache = ("--cache", tmp_path / "cache")
    assert probed(world, world / "train", *cache) == helped
    before = files(tmp_path / "cache", "**/*.npy")
    assert before
    assert probed(world, world / "train", *cache) == helped
    assert files(tmp_path / "cache", "**/*.npy") == before


def test_an_output_with_splits_is_read_as_its_train_split(world: Path, tmp_path: Path) -> None:
    corpus, pairs, out = (tmp_path / name for name in ("corpus", "pairs", "out"))
    ok("ingest", world / "eval", "-o", corpus, "--pairs", pairs, "--split", "test")
    emit = ("emit", pairs, "-o", out, "--corpus", corpus, "--num-negatives", 0)
    ok(*emit, "--split", "train=.7,test=.3")
    found = probed(world, out)
    assert found == probed(world, out / "train")
    assert found["shards"] == str(out / "train")
    assert found["queries_counted"] == TEST - found["rows"]
    (out / manifest.DONE / manifest.UNFINISHED).touch()
    for folder in (out, out / "train"):
        assert "is not finished" in probe(world, folder).sentence()


def test_an_output_with_a_folder_for_each_dataset_asks_for_one(world: Path, tmp_path: Path) -> None:
    corpus, pairs, out = (tmp_path / name for name in ("corpus", "pairs", "out"))
    ok("ingest", world / "eval", "-o", corpus, "--pairs", pairs, "--split", "test")
    named = ("--corpus", f"a={corpus}", "--corpus", f"b={corpus}", "--per-dataset")
    ok("emit", f"a={pairs},b={pairs}", "-o", out, *named, "--num-negatives", 0)
    assert f"name one of them, of {out / 'a'}, {out / 'b'}" in probe(world, out).sentence()


# What leaks does not count


def test_queries_whose_positive_was_trained_on_are_left_out(world: Path, tmp_path: Path) -> None:
    evaluation(tmp_path / "eval", range(TRAIN - 30, QUERIES))
    texts = list(io.read(tmp_path / "eval" / "corpus.jsonl"))
    texts[TRAIN - 1]["text"] = f"  DOC{TRAIN - 1}. "  # the same, written otherwise
    lines(tmp_path / "eval" / "corpus.jsonl", texts)
    found = probed(world, world / "train", eval=tmp_path / "eval")
    assert found["queries"] == TEST + 30
    assert (found["queries_counted"], found["left_out_by_document"]) == (TEST, 30)
    ended = probe(world, world / "train", eval=tmp_path / "eval")
    assert "left out: 30 queries" in ended.stdout


def test_a_query_that_was_trained_on_is_left_out_with_another_document(
    world: Path, tmp_path: Path
) -> None:
    evaluation(tmp_path / "eval", range(TRAIN, QUERIES))
    rows = list(io.read(tmp_path / "eval" / "queries.jsonl"))
    rows[0]["text"] = "Ask3?"
    lines(tmp_path / "eval" / "queries.jsonl", rows)
    found = probed(world, world / "train", eval=tmp_path / "eval")
    assert (found["queries_counted"], found["left_out_by_query"]) == (TEST - 1, 1)


def test_rows_that_were_not_drawn_leak_too(world: Path, tmp_path: Path) -> None:
    evaluation(tmp_path / "eval", range(TRAIN - 30, QUERIES))
    found = probed(world, world / "train", "--rows", 50, eval=tmp_path / "eval")
    assert (found["rows"], found["rows_used"]) == (TRAIN, 50)
    assert found["left_out_by_document"] == 30


def test_all_left_out_is_one_sentence(world: Path, tmp_path: Path) -> None:
    evaluation(tmp_path / "eval", range(20))
    sentence = probe(world, world / "train", "-o", tmp_path / "m", eval=tmp_path / "eval")
    assert "all 20 queries" in sentence.sentence()
    assert not (tmp_path / "m").exists()


def test_what_is_held_out_shares_no_document() -> None:
    dice = np.random.default_rng(3)
    queries, positives = dice.integers(0, 150, 300), dice.integers(0, 400, 300)
    group = groups(queries, positives)
    out = held_out(group, 0)
    assert 30 <= out.sum() <= 60
    assert not set(positives[out]) & set(positives[~out])
    assert not set(queries[out]) & set(queries[~out])
    assert (held_out(group, 1) != out).any()


# The measures


def test_measures_are_those_of_trec_eval_by_brute_force() -> None:
    """Grades are gains, the ideal has all relevant documents, a query's own document is no hit."""
    dice = np.random.default_rng(5)
    documents, queries = dice.normal(size=(300, 8)), dice.normal(size=(12, 8))
    documents /= np.linalg.norm(documents, axis=1)[:, None]
    queries /= np.linalg.norm(queries, axis=1)[:, None]
    judged = []
    for n in range(12):
        places = {int(p): float(dice.integers(1, 4)) for p in dice.choice(300, 15, replace=False)}
        grades = {str(place): grade for place, grade in places.items()} | {"lost": 3.0}
        judged.append(Judged(f"q{n}", "", grades, places, own=n if n % 2 else -1))
    stored = Vectors.of([documents.astype(np.float32)])
    found = measured(judged, queries.astype(np.float32), stored, np.arange(300), None)
    for n, one in enumerate(judged):
        order = [int(p) for p in np.argsort(-(documents @ queries[n])) if p != one.own]
        gains = [one.places.get(p, 0) / math.log2(r + 2) for r, p in enumerate(order[:10])]
        ideal = sorted(one.grades.values(), reverse=True)[:10]
        best = sum(grade / math.log2(r + 2) for r, grade in enumerate(ideal))
        recall = sum(p in one.places for p in order[:100]) / 16
        assert found[n] == pytest.approx((sum(gains) / best, recall))


def test_a_document_with_the_id_of_its_query_is_a_hit_where_it_is_judged_so(
    world: Path, tmp_path: Path
) -> None:
    """Collections number queries and documents apart: 7 answers 7 by chance."""
    evaluation(tmp_path / "eval", range(TRAIN, QUERIES))
    both = [f"{n}" for n in range(TRAIN, QUERIES)]
    rows = io.read(tmp_path / "eval" / "corpus.jsonl")
    lines(tmp_path / "eval" / "corpus.jsonl", [row | {"_id": row["_id"][1:]} for row in rows])
    rows = io.read(tmp_path / "eval" / "queries.jsonl")
    lines(tmp_path / "eval" / "queries.jsonl", [row | {"_id": row["_id"][1:]} for row in rows])
    qrels(tmp_path / "eval", [(one, one, 1) for one in both])
    found = probed(world, world / "train", eval=tmp_path / "eval")
    assert found["measures"]["recall@100"]["before"] > 0.5


def test_the_interval_covers_as_often_as_it_says() -> None:
    dice = np.random.default_rng(1)
    covered = 0
    for seed in range(60):
        low, high = interval(dice.normal(0.1, 1, size=(150, 1)), seed)
        covered += low <= 0.1 <= high
        assert high - low == pytest.approx(4 / math.sqrt(150), rel=0.25)
    assert 52 <= covered <= 60
    seeds = np.tile(np.array([-0.3, 0.0, 0.3]), (150, 1)) + 0.1
    low, high = interval(seeds, 0)  # every query agrees, the trainings do not
    assert low < 0 < high


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"anchor": "a", "positive": "b"}, ("anchor", "positive", [])),
        ({"query": "a", "pos": ["b"], "neg": ["c"]}, ("query", "pos", ["neg"])),
        (
            {"anchor": "", "positive": "", "negative_10": "", "negative_2": ""},
            ("anchor", "positive", ["negative_2", "negative_10"]),
        ),
        ({"query": "a", "positives": ["d1"]}, None),
        ({"messages": []}, None),
    ],
)
def test_columns_are_known_by_name(row: Row, told: Any) -> None:
    assert columns(row) == told


# What is wrong


def test_formats_that_are_not_read(world: Path, tmp_path: Path) -> None:
    lines(tmp_path / "chat" / "00000.jsonl", [{"messages": [{"role": "user", "content": "x"}]}])
    sentence = probe(world, tmp_path / "chat").sentence()
    assert "rows with messages" in sentence
    assert "anchor or query" in sentence
    lines(tmp_path / "later" / "00000.jsonl", [shard_row(0, 0, []), {"text": "x"}])
    assert "row 2 holds rows with text" in probe(world, tmp_path / "later").sentence()
    lines(tmp_path / "number" / "00000.jsonl", [{"query": "a", "pos": [7]}])
    assert "holds no text but int" in probe(world, tmp_path / "number").sentence()


def test_shards_that_are_empty_or_too_few(world: Path, tmp_path: Path) -> None:
    lines(tmp_path / "none" / "00000.jsonl", [])
    assert "is empty" in probe(world, tmp_path / "none").sentence()
    lines(tmp_path / "blank" / "00000.jsonl", [{"anchor": " ", "positive": "x"}])
    assert "no row with a query and a positive" in probe(world, tmp_path / "blank").sentence()
    lines(tmp_path / "few" / "00000.jsonl", [shard_row(n, 3, []) for n in range(9)])
    assert "too few to hold some out" in probe(world, tmp_path / "few").sentence()
    assert "does not exist" in probe(world, tmp_path / "nowhere").sentence()


def test_evaluations_that_can_not_be_used(world: Path, tmp_path: Path) -> None:
    def wrong(*more: object) -> str:
        return probe(world, world / "train", *more, eval=tmp_path / "eval").sentence()

    assert "has no corpus.jsonl" in wrong()
    evaluation(tmp_path / "eval", range(TRAIN, QUERIES))
    assert "--split takes one of test" in wrong("--split", "dev")
    qrels(tmp_path / "eval", [("other1", "d1", 1)])
    assert "judges no query of queries.jsonl" in wrong()
    qrels(tmp_path / "eval", [(f"q{TRAIN}", "other", 1)])
    assert "names no relevant document that is in corpus.jsonl" in wrong()
    qrels(tmp_path / "eval", [(f"q{TRAIN}", f"d{TRAIN}", "nan")])
    assert "line 2 is no judgement" in wrong()
    for path in (tmp_path / "eval" / "qrels").iterdir():
        path.unlink()
    assert "has no qrels/test.tsv" in wrong()


def test_teachers_that_embed_no_new_text(world: Path, tmp_path: Path) -> None:
    for spec in ("bm25", "vectors:x", "promptreps:x"):
        ended = probe(world, world / "train", "--teacher", spec)
        assert "is no teacher that embeds texts" in ended.sentence()


def test_training_that_comes_to_no_numbers(world: Path) -> None:
    asked = Asked(
        world / "train", world / "eval", teacher=f"model2vec:{world / 'teacher'}",
        settings=Settings(learning_rate=1e30),
    )  # fmt: skip
    with pytest.raises(BadOption, match="--learning-rate"):
        run_probe(asked)
    assert probe(world, world / "train", "--learning-rate", 2).rc == 2


def test_maps_are_not_written_over_what_is_there(world: Path, tmp_path: Path, helped: Any) -> None:
    assert "give --force" in probe(world, world / "train", "-o", world / "maps").sentence()
    (tmp_path / "mine.txt").write_text("x")
    sentence = probe(world, world / "train", "-o", tmp_path).sentence()
    assert "holds other files (mine.txt)" in sentence


# On the terminal


@pytest.mark.parametrize("width", ["80", "160"])
def test_a_table_fits_the_terminal(world: Path, width: str, helped: Any) -> None:
    command = ("probe", world / "train", "--eval", world / "eval", "--seeds", 2, "--teacher")
    ended = cli(*command, f"model2vec:{world / 'teacher'}", env={"COLUMNS": width})
    table, rest = ended.stdout.split("Recall@100", 1)
    assert all(len(line.rstrip()) <= 80 for line in table.splitlines())
    row = next(line for line in table.splitlines() if "nDCG@10" in line)
    one = helped["measures"]["ndcg@10"]
    for name in ("before", "after", "low", "high"):
        assert f"{one[name]:.4f}" in row
    assert "this data helps this teacher" in rest


# The maps as a teacher


@pytest.fixture
def corpus(world: Path, tmp_path: Path, helped: Any) -> Path:
    """A corpus of three shards and pairs of two beside it."""
    ok("ingest", world / "eval", "-o", tmp_path / "corpus", "--shard-rows", 150)
    pairs = [
        {"query_id": f"q{n}", "query": f"ask{n}", "positives": [f"d{n}"]}
        for n in range(TRAIN, QUERIES)
    ]
    io.write(tmp_path / "pairs" / "00000.parquet", pairs[:50])
    io.write(tmp_path / "pairs" / "00001.parquet", pairs[50:])
    return tmp_path / "corpus"


def mine(corpus: Path, teacher: str, out: str, *more: object) -> tuple[object, ...]:
    folder = corpus.parent
    flags = ("--corpus", corpus, "--teacher", teacher, "--top-k", 20, "--num-negatives", 3)
    return ("mine-negatives", folder / "pairs", "-o", folder / out, *flags, *more)


def test_an_adapted_teacher_mines_with_multiplied_vectors(world: Path, corpus: Path) -> None:
    adapted, base = f"adapter:{world / 'maps'}", f"model2vec:{world / 'teacher'}"
    ok(*mine(corpus, base, "base"))
    ok(*mine(corpus, adapted, "adapted"))
    stored = {path.name: path for path in (corpus / "_vectors").iterdir()}
    (below,) = (path for name, path in stored.items() if "-teacher-" in name)
    (above,) = (path for name, path in stored.items() if "-maps-" in name)
    maps = read_adapter(world / "maps").maps
    for path in sorted(below.glob("*.npy")):
        moved = maps.documents(np.load(path)).astype(np.float16)
        assert (np.load(above / path.name) == moved).all()
    before, after = (
        np.mean([row["positive_ranks"][0] == 1 for row in io.read_all(corpus.parent / name)])
        for name in ("base", "adapted")
    )
    assert before < 0.5 < 0.7 < after
    row = next(io.read_all(corpus.parent / "adapted"))
    assert {hit["source"] for hit in row["candidates"]} == {"adapter:maps"}
    words = vectors()
    query = maps.queries(np.array([words[row["query"]] / np.linalg.norm(words[row["query"]])]))[0]
    for hit in row["candidates"][:5]:
        raw = words[f"doc{hit['doc_id'][1:]}"]
        document = maps.documents(np.array([raw / np.linalg.norm(raw)]))[0]
        assert hit["score"] == pytest.approx(float(query @ document), abs=2e-3)


def test_mining_with_an_adapter_is_resumed_and_the_same_on_two_workers(
    world: Path, corpus: Path
) -> None:
    adapted, folder = f"adapter:{world / 'maps'}", corpus.parent
    ok(*mine(corpus, adapted, "whole"))
    assert "nothing to do" in ok(*mine(corpus, adapted, "whole"))
    ok(*mine(corpus, adapted, "two", "--workers", 2))
    whole = files(folder / "whole", "*.parquet")
    assert files(folder / "two", "*.parquet") == whole
    for path in (folder / "two" / "00001.parquet", folder / "two" / "_done" / "00001.json"):
        path.unlink()
    (stored,) = (corpus / "_vectors").glob("*-maps-*")
    (stored / "00001.npy").unlink()
    ok(*mine(corpus, adapted, "two"))
    assert files(folder / "two", "*.parquet") == whole


def test_another_adapter_is_refused_and_has_vectors_of_its_own(
    world: Path, corpus: Path, tmp_path: Path
) -> None:
    maps = tmp_path / "maps"
    ok(*made(world, maps, 1))
    ok(*mine(corpus, f"adapter:{maps}", "out"))
    ok(*made(world, maps, 2), "--force")
    before = files(tmp_path / "out")
    assert "files: " in cli(*mine(corpus, f"adapter:{maps}", "out")).sentence()
    assert files(tmp_path / "out") == before
    ok(*mine(corpus, f"adapter:{maps}", "out", "--force"))
    assert len(list((corpus / "_vectors").glob("*-maps-*"))) == 2
    assert len(list((corpus / "_vectors").glob("*-teacher-*"))) == 1


def made(world: Path, maps: Path, seed: int) -> tuple[object, ...]:
    """Return the command that writes maps."""
    teacher = f"model2vec:{world / 'teacher'}"
    flags = ("--seeds", 1, "--seed", seed, "-o", maps)
    return ("probe", world / "train", "--eval", world / "eval", "--teacher", teacher, *flags)


def test_embed_multiplies_and_a_probe_goes_on_from_there(world: Path, corpus: Path) -> None:
    adapted = f"adapter:{world / 'maps'}"
    assert "360 in = 360 out" in ok("embed", corpus, "--teacher", adapted)
    assert "nothing to do, 360 vectors" in ok("embed", corpus, "--teacher", adapted)
    ok("dedup", corpus, "-o", corpus.parent / "one", "--by", "semantic", "--teacher", adapted)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--query-prompt", "query: "), "was trained with --query-prompt '', not 'query: '"),
        (("--max-length", 8), "leave out --dtype, --max-length and --truncate-dim"),
        (("--truncate-dim", 8), "leave out --dtype, --max-length and --truncate-dim"),
    ],
)
def test_an_adapter_is_used_as_it_was_trained(
    world: Path, corpus: Path, flags: tuple[object, ...], told: str
) -> None:
    assert told in cli(*mine(corpus, f"adapter:{world / 'maps'}", "out", *flags)).sentence()
    assert not (corpus.parent / "out").exists()


def test_adapters_that_are_damaged_or_for_another_teacher(
    world: Path, corpus: Path, tmp_path: Path
) -> None:
    def wrong() -> str:
        return cli(*mine(corpus, f"adapter:{tmp_path / 'm'}", "out")).sentence()

    assert "must name a folder that gpte-data probe -o has written" in wrong()
    good = {path.name: path.read_bytes() for path in (world / "maps").iterdir()}
    (tmp_path / "m").mkdir()
    for name, content in good.items():
        (tmp_path / "m" / name).write_bytes(content)
    facts = json.loads(good["adapter.json"])
    facts["teacher_identity"]["files"] = "other"
    (tmp_path / "m" / "adapter.json").write_text(json.dumps(facts))
    assert "trained for another state of model2vec:" in wrong()
    (tmp_path / "m" / "adapter.json").write_text("{")
    assert "is damaged" in wrong()
    (tmp_path / "m" / "adapter.json").write_bytes(good["adapter.json"])
    (tmp_path / "m" / "adapter.safetensors").write_bytes(good["adapter.safetensors"][:50])
    assert "is damaged" in wrong()


def test_a_vector_comes_out_the_same_whatever_stands_beside_it() -> None:
    dice = np.random.default_rng(0)
    maps = Maps(*(dice.normal(size=s).astype(np.float32) / 20 for s in [(16, 384), (384, 16)] * 2))
    many = dice.normal(size=(1000, 384)).astype(np.float32)
    together = maps.documents(many)
    assert all((maps.documents(many[n : n + 1])[0] == together[n]).all() for n in range(0, 1000, 7))
    assert (maps.documents(many[3:900]) == together[3:900]).all()
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-6)
