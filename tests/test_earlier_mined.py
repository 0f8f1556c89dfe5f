"""Mining again: what earlier minings kept are candidates too, and take turns within the budget."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLE, cli, files, ok

from gpte_data import io
from gpte_data.corpus import open_corpus
from gpte_data.mining.choosing import order
from gpte_data.mining.earlier import GONE, UNKNOWN, open_earlier
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.mixing import Mixture, mixed_price
from gpte_data.records import kept
from gpte_data.stage import Context, Row
from gpte_data.stages import mine_negatives as mining
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import SelectConfig, select_negatives

PASSAGES, PAIRS, DIMENSION = 120, 24, 12
NEGATIVES, TOP_K = 3, 10
SHARES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)


# Turns


@pytest.mark.parametrize("share", SHARES)
def test_of_the_first_k_a_share_is_earlier(share: float) -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        earlier = random.random(int(random.integers(1, 40))) < random.random()
        taken = Mixture(share).order(earlier)
        assert sorted(taken) == list(range(len(earlier)))
        if not share:
            assert taken.tolist() == sorted(taken)
            continue
        old, new = int(earlier.sum()), int((~earlier).sum())
        for k in range(1, len(earlier) + 1):
            wanted = round(share * k)
            there = min(max(wanted, k - new), old)
            assert int(earlier[taken[:k]].sum()) == there, "where one side is short, the other"
        for side in (earlier, ~earlier):
            own = [n for n in taken if side[n]]
            assert own == sorted(own), "by their worth"


def test_what_is_likelier_than_the_limit_has_no_turn() -> None:
    earlier = np.array([True, True, False, False, True])
    likely = np.array([0.9, 0.1, 0.6, 0.2, 0.3])
    assert Mixture(0.5, 0.5).order(earlier, likely).tolist() == [3, 1, 4, 0, 2]
    assert Mixture(0.5).order(earlier, likely).tolist() == [2, 0, 1, 3, 4]
    assert Mixture(0.5, 0.0).order(earlier, likely).tolist() == [0, 1, 2, 3, 4]


def expected(
    table: Sequence[tuple[Any, Any, Any]], price: float, mixture: Mixture
) -> tuple[float, float]:
    """Return which share of five of each query is false, and earlier."""
    false, old = [], []
    for scores, likely, earlier in table:
        ranked = order(scores, likely, price)
        taken = ranked[mixture.order(earlier[ranked], likely[ranked])][:5]
        false += likely[taken].tolist()
        old += earlier[taken].tolist()
    return float(np.mean(false)), float(np.mean(old))


@pytest.mark.parametrize("share", SHARES[1:])
@pytest.mark.parametrize("budget", [0.02, 0.1, 0.9])
def test_the_price_keeps_the_budget_of_the_mixture(share: float, budget: float) -> None:
    random = np.random.default_rng(2)
    table = [
        (-np.sort(-random.random(40)), random.beta(0.3, 1.5, 40), random.random(40) < 0.4)
        for _ in range(60)
    ]
    scores, likely, earlier = zip(*table, strict=True)
    choice, mixture, old = mixed_price(scores, likely, earlier, share, 5, budget)
    assert expected(table, choice.price, mixture) == pytest.approx((choice.false_negatives, old))
    assert choice.false_negatives <= budget and mixture.share == share
    assert choice.unchecked == pytest.approx(expected(table, 0.0, Mixture(share))[0])
    assert old == pytest.approx(round(share * 5) / 5, abs=0.01)
    if budget == 0.9:
        assert choice.price == 0 and mixture == Mixture(share)
    else:
        assert expected(table, choice.price * 0.99, mixture)[0] > budget, "and no lower price"


def test_the_budget_comes_before_the_share() -> None:
    """Earlier candidates that are likely positives are not taken for the share's sake."""
    scores = [np.linspace(0.9, 0.1, 20)] * 30
    earlier = [np.arange(20) < 10] * 30
    likely = [np.where(earlier[0], 0.4, 0.01)] * 30
    choice, mixture, old = mixed_price(scores, likely, earlier, 0.5, 5, 0.05)
    assert choice.false_negatives <= 0.05 and mixture == Mixture(0.5, 0.25) and old == 0
    choice, mixture, old = mixed_price(scores, likely, earlier, 0.5, 5, 0.2)
    assert choice.price == 0 and mixture == Mixture(0.5) and old == pytest.approx(0.4)


# Candidates


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, pairs, the vectors of two teachers of one name, and what the first has mined."""
    folder = tmp_path_factory.mktemp("earlier")
    random = np.random.default_rng(0)
    passages = [{"doc_id": f"d{n:03d}", "text": f"Passage {n} of it"} for n in range(PASSAGES)]
    pairs = [
        {"query_id": f"q{n}", "query": f"passage {n}", "positives": [f"d{n:03d}"]}
        for n in range(PAIRS)
    ]
    for name, rows in (("corpus", passages), ("pairs", pairs)):
        for number, part in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
            io.write(folder / name / f"{number:05d}.parquet", part)
    for teacher in ("first", "second"):
        documents = random.normal(size=(PASSAGES, DIMENSION)).astype(np.float32)
        queries = documents[:PAIRS] + random.normal(size=(PAIRS, DIMENSION)).astype(np.float32)
        (folder / teacher / "v").mkdir(parents=True)
        np.save(folder / teacher / "v" / "documents.npy", documents)
        np.save(folder / teacher / "v" / "queries.npy", queries)
        ids = "".join(f"{row['query_id']}\n" for row in pairs)
        (folder / teacher / "v" / "queries.txt").write_text(ids)
    ok(*command(folder, "mined", teacher="first"))
    return folder


def command(folder: Path, out: str, *flags: object, teacher: str = "second") -> list[object]:
    return [
        "mine-negatives", folder / "pairs", "-o", folder / out, "--corpus", folder / "corpus",
        "--teacher", f"vectors:{folder / teacher / 'v'}", "--top-k", TOP_K,
        "--num-negatives", NEGATIVES, *flags,
    ]  # fmt: skip


def again(
    folder: Path, *earlier: Path, rows: Sequence[Row] = (), books: Context | None = None,
    **options: Any,
) -> list[Row]:  # fmt: skip
    """Mine with the second teacher."""
    cfg = MineConfig.of(
        {
            "corpus": (folder / "corpus",), "teacher": (f"vectors:{folder / 'second' / 'v'}",),
            "earlier": earlier, "top_k": TOP_K, "num_negatives": NEGATIVES, **options,
        }
    )  # fmt: skip
    rows = rows or list(io.read_all(folder / "pairs"))
    return list(mine_negatives.run(rows, cfg, books or Context()))


def first_kept(folder: Path, most: int = 2 * NEGATIVES) -> dict[str, list[str]]:
    """Return the first negatives of each query in the order of choice."""
    rows = io.read_all(folder / "mined")
    return {row["query_id"]: [hit["doc_id"] for hit in kept(row)[:most]] for row in rows}


def test_earlier_candidates_join_and_stand_behind(folder: Path) -> None:
    old, behind = first_kept(folder), 0
    documents = np.load(folder / "second" / "v" / "documents.npy").astype(np.float64)
    queries = np.load(folder / "second" / "v" / "queries.npy").astype(np.float64)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    for n, (row, alone) in enumerate(
        zip(again(folder, folder / "mined"), again(folder), strict=True)
    ):
        hits, known = list(row["candidates"]), old[row["query_id"]]
        assert len(known) == 2 * NEGATIVES
        assert [h["doc_id"] for h in hits[:TOP_K]] == [h["doc_id"] for h in alone["candidates"]]
        assert [h["rank"] for h in hits] == list(range(1, len(hits) + 1))
        assert {h["doc_id"] for h in hits[TOP_K:]} <= set(known)
        places = {h["doc_id"]: h["earlier_rank"] for h in hits if "earlier_rank" in h}
        gone = set(known) & set(row["positives"])
        assert places == {d: k for k, d in enumerate(known, 1) if d not in gone}
        assert {h["source"] for h in hits[:TOP_K]} == {"vectors:v"}
        assert {h["source"] for h in hits[TOP_K:]} <= {"vectors:v (earlier)"}
        cosines = [float(queries[n] @ documents[int(h["doc_id"][1:])]) for h in hits]
        assert [h["score"] for h in hits] == pytest.approx(cosines, abs=1e-5)
        assert cosines[TOP_K:] == sorted(cosines[TOP_K:], reverse=True)
        assert row["positive_ranks"] == alone["positive_ranks"]
        assert row["positive_scores"] == alone["positive_scores"]
        assert all(len(h["evidence"]) == 10 and h["reason"] for h in hits)
        behind += len(hits) - TOP_K
    assert behind > PAIRS


@pytest.mark.parametrize("share", SHARES)
def test_choices_take_turns(folder: Path, share: float) -> None:
    for row in again(folder, folder / "mined", earlier_share=share, max_false_negatives=1.0):
        hits = kept(row)
        if share:
            for k in range(1, NEGATIVES + 1):
                assert sum("earlier_rank" in hit for hit in hits[:k]) == round(share * k)
        else:
            scores = [hit["score"] for hit in hits]
            assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("budget", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_budget_holds_for_what_is_taken(folder: Path, budget: float, share: float) -> None:
    options: dict[str, Any] = {"max_false_negatives": budget, "earlier_share": share}
    rows = again(folder, folder / "mined", **options)
    least = again(folder, folder / "mined", **options | {"max_false_negatives": 1e-9})
    told, lowest = (
        np.mean([hit["false_negative"] for row in some for hit in kept(row)[:NEGATIVES]])
        for some in (rows, least)
    )
    assert told <= max(budget, lowest) + 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"earlier_share": 0.8, "max_false_negatives": 0.01},
        {"earlier_share": 0.0},
        {"relative_margin": 0.3, "sampling": "softmax", "seed": 4},
    ],
)
def test_chosen_again_by_the_same_options_nothing_changes(
    folder: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    chosen = {"num_negatives": NEGATIVES, **options}
    io.write(tmp_path / "a" / "00000.parquet", again(folder, folder / "mined", **chosen))
    rows = select_negatives(io.read_all(tmp_path / "a"), SelectConfig.of(chosen))
    io.write(tmp_path / "b" / "00000.parquet", rows)
    first, second = (tmp_path / name / "00000.parquet" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_another_share_is_chosen_without_mining(folder: Path) -> None:
    mined = again(folder, folder / "mined", earlier_share=0.0)
    other = again(folder, folder / "mined", earlier_share=1.0)
    cfg = SelectConfig.of({"num_negatives": NEGATIVES, "earlier_share": 1.0})
    chosen = [[hit["doc_id"] for hit in kept(row)] for row in select_negatives(mined, cfg)]
    assert chosen == [[hit["doc_id"] for hit in kept(row)] for row in other]
    assert chosen != [[hit["doc_id"] for hit in kept(row)] for row in mined]


def test_several_teachers_and_blocks_of_any_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tuple(f"vectors:{folder / name / 'v'}" for name in ("second", "first"))
    whole = again(folder, folder / "mined", teacher=both)
    late = [h for row in whole for h in row["candidates"] if h["source"] == "vectors:v (earlier)"]
    assert not late, "the first teacher finds them again"
    narrow = again(folder, folder / "mined", teacher=both, top_k=2)
    sources = Counter(h["source"] for row in narrow for h in row["candidates"])
    assert sources["vectors:v (earlier)"] and all(len(row["teachers"]) == 2 for row in narrow)
    monkeypatch.setattr(mining, "QUERIES", 7)
    monkeypatch.setattr("gpte_data.mining.miner.TOGETHER", 3)
    margin: dict[str, Any] = {"relative_margin": 0.05}
    some = again(folder, folder / "mined", teacher=both, top_k=2, **margin)
    monkeypatch.undo()
    assert some == again(folder, folder / "mined", teacher=both, top_k=2, **margin)


# What is gone, new or elsewhere


def test_what_is_gone_and_who_is_new_is_counted(folder: Path, tmp_path: Path) -> None:
    old = first_kept(folder)
    gone = old["q0"][0]
    rows = list(io.read_all(folder / "mined"))
    other = {gone: "d-gone"}
    changed = [
        row
        | {"candidates": [h | {"doc_id": other.get(h["doc_id"], h["doc_id"])} for h in candidates]}
        for row, candidates in ((row, list(row["candidates"])) for row in rows[:20])
    ]
    io.write(tmp_path / "old" / "00000.parquet", changed)
    positive = list(io.read_all(folder / "pairs"))
    positive[1] = positive[1] | {"positives": ["d001", old["q1"][1]]}
    ctx = Context()
    found = again(folder, tmp_path / "old", rows=positive, books=ctx)
    lost = sum(gone in old[row["query_id"]] for row in changed)
    assert ctx.ledger.notes[GONE] == lost >= 1 and ctx.ledger.notes[UNKNOWN] == PAIRS - 20
    told = {h["doc_id"]: h.get("earlier_rank") for h in found[0]["candidates"]}
    assert sorted(n for n in told.values() if n) == list(range(2, 2 * NEGATIVES + 1))
    assert not {h["doc_id"] for h in found[1]["candidates"]} & set(positive[1]["positives"])
    assert all("earlier_rank" not in h for h in found[-1]["candidates"])
    assert len(found[-1]["candidates"]) == TOP_K


def test_of_several_minings_the_earlier_place_counts(folder: Path, tmp_path: Path) -> None:
    base = {"query": "x", "positives": ["d000"]}
    names = {"a": ["d001", "d002", "d003"], "b": ["d004", "d002", "d001"]}
    for name, ids in names.items():
        hits = [
            {"doc_id": d, "choice": n, "verdict": "keep", "source": name}
            for n, d in enumerate(ids, 1)
        ]
        hits.append({"doc_id": "d009", "verdict": "drop", "source": name})
        hits.append({"doc_id": "d010", "choice": 9, "verdict": "keep", "source": "written"})
        rows = [{"query_id": "other", **base, "candidates": []}]
        io.write(
            tmp_path / name / "00000.jsonl", [*rows, {"query_id": "q", **base, "candidates": hits}]
        )
    corpus = open_corpus((folder / "corpus",))
    found = open_earlier((tmp_path / "a", tmp_path / "b"), corpus, 5, 0.5)
    assert found is not None
    notes = Counter[str]()
    one, none, new = found.of([{"query_id": name} for name in ("q", "other", "new")], notes)
    assert one.positions.tolist() == [1, 2, 3, 4]
    assert one.places.tolist() == [1, 2, 3, 1], "what was written has no place"
    assert [found.labels[n] for n in one.sources] == ["a", "a", "a", "b"]
    assert not len(none.positions) and not len(new.positions) and notes == {UNKNOWN: 1}
    io.write(tmp_path / "c" / "00000.parquet", io.read_all(tmp_path / "a"))
    same = open_earlier((tmp_path / "c", tmp_path / "b"), corpus, 5, 0.5)
    assert same is not None
    assert same.of([{"query_id": "q"}], notes)[0].places.tolist() == [1, 2, 3, 1]


# The command


def test_one_run_after_another(folder: Path, tmp_path: Path) -> None:
    said = ok(*command(folder, "out", "--earlier", folder / "mined", "--workers", 2))
    assert "are earlier candidates" in said
    assert list(io.read_all(folder / "out")) == again(folder, folder / "mined")
    assert "nothing to do" in ok(*command(folder, "out", "--earlier", folder / "mined"))
    before = files(folder / "out")
    shutil.copytree(folder / "mined", tmp_path / "less")
    (tmp_path / "less" / "00001.parquet").unlink()
    (tmp_path / "less" / "_done" / "00001.json").unlink()
    told = cli(*command(folder, "out", "--earlier", tmp_path / "less")).sentence()
    assert "other settings (earlier: " in told
    assert "other settings (earlier: " in cli(*command(folder, "out")).sentence()
    assert files(folder / "out") == before
    shown = cli("inspect", folder / "out").stdout
    assert "vectors:v (earlier)" in shown


def test_an_audit_leaves_out_what_knew_the_positives(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "mined", tmp_path / "mined")
    flags = ("--earlier", tmp_path / "mined", "--earlier-share", 0.8)
    ok(*command(folder, "audited", *flags))
    shutil.rmtree(tmp_path / "mined")
    told = cli("audit", folder / "audited", "--json")
    assert told.rc == 0, told.stderr
    assert json.loads(told.stdout)["queries"] == PAIRS


def test_without_earlier_minings_runs_are_what_they_were() -> None:
    options = {"corpus": (SAMPLE / "corpus.jsonl",)}
    assert not {"earlier", "earlier_share"} & MineConfig.of(options).identity().keys()
    assert "earlier_share" not in SelectConfig.of({}).identity()
    assert SelectConfig.of({"earlier_share": 0.2}).identity()["earlier_share"] == 0.2


def test_what_is_no_mined_dataset(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "mined", tmp_path / "half")
    (tmp_path / "half" / "_done" / "_unfinished").touch()
    lines = b"".join(map(io.to_line, [{"query_id": "q", "candidates": "d1"}]))
    (tmp_path / "odd.jsonl").write_bytes(lines)
    (tmp_path / "none.jsonl").write_bytes(b"")
    for earlier, says in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (tmp_path / "half", "half is not finished"),
        (folder / "corpus", "--earlier takes the output of mine-negatives"),
        (folder / "pairs", "--earlier takes the output of mine-negatives"),
        (tmp_path / "odd.jsonl", "without candidates"),
        (tmp_path / "none.jsonl", "is empty"),
    ):
        assert says in cli(*command(folder, "wrong", "--earlier", earlier)).sentence()
        assert not (folder / "wrong").exists()
    share = cli(*command(folder, "wrong", "--earlier-share", 0.2)).sentence()
    assert "--earlier-share changes nothing here" in share and not (folder / "wrong").exists()
    before = files(folder / "mined")
    flags = ("--earlier", folder / "mined", "--force")
    assert "folder that is read" in cli(*command(folder, "mined", *flags)).sentence()
    assert files(folder / "mined") == before


TRAINER = """
import sys
from pathlib import Path
from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments
from sentence_transformers.losses import MultipleNegativesRankingLoss
from tiny_models import tiny_embedder

base, shards, student = map(Path, sys.argv[1:])
data = load_dataset(str(shards), split="train", cache_dir=str(base / "cache"))
model = SentenceTransformer(str(tiny_embedder(base / "model")), device="cpu")
arguments = SentenceTransformerTrainingArguments(
    output_dir=str(base / "out"), max_steps=5, per_device_train_batch_size=8, learning_rate=1e-3,
    save_strategy="no", report_to=[], use_cpu=True, seed=1, disable_tqdm=True,
)
loss = MultipleNegativesRankingLoss(model)
SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss).train()
model.save(str(student))
"""


def test_the_pipeline_trains_between_two_minings(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINER)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}",
        "RUN": str(tmp_path / "run"),
        "TRAIN": f"{sys.executable} {tmp_path / 'train.py'} {tmp_path}",
    }
    for _ in range(2):
        done = subprocess.run(
            ["bash", str(ROOT / "pipelines" / "dynamic_mining.sh")], env=environment, cwd=ROOT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert done.stderr.count("nothing to do") == len(done.stderr.splitlines())
    mined = list(io.read_all(tmp_path / "run" / "31-mined"))
    sources = Counter(hit["source"] for row in mined for hit in kept(row)[:5])
    assert sources["st:all-MiniLM-L6-v2"] and len(sources) == 2
    assert list(io.read_all(tmp_path / "run" / "41-train"))
