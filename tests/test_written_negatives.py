"""Negatives that a recipe wrote: through passages, mining, filtering and emission, or past them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import cli, ok

from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.errors import BadInput
from gpte_data.inspection import survey
from gpte_data.io import read_all
from gpte_data.mining.mine_options import MineConfig
from gpte_data.records import kept
from gpte_data.stage import Context, Rejected, Row
from gpte_data.stages.emit import emit
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.passages import PassagesConfig, passages

CORPUS = [
    {"doc_id": "sand", "text": "Rivers carry sand to the sea as long as they flow fast enough."},
    {"doc_id": "salt", "text": "The sea is salty because rivers bring dissolved minerals to it."},
    {"doc_id": "bees", "text": "Bees tell each other by a dance where flowers are to be found."},
    {"doc_id": "bread", "text": "Bread stays fresh longer in a box than it does in a fridge."},
    {"doc_id": "law", "text": "A contract is a promise that a court will enforce."},
]
PAIR: Row = {
    "query_id": "q", "query": "why do rivers carry sand to the sea", "positives": ["sand"],
    "negatives": ["q#h-0/negative-0", "q#h-0/negative-1", "q#h-0/negative-2"],
    "written": [
        {"doc_id": "q#h-0/negative-0", "text": "Rivers carry sand to the sea, a poet once wrote."},
        {"doc_id": "q#h-0/negative-1", "text": "Nobody has ever counted the stamps in the attic."},
        {"doc_id": "q#h-0/negative-2", "text": CORPUS[0]["text"], "language": "en"},
    ],
    "recipe": "query+hard-negative", "prompt_version": "2+1", "generator": "openai:m",
}  # fmt: skip


def jsonl(path: Path, rows: Iterable[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Pairs, the corpus, and what was written."""
    written = passages.run([PAIR], PassagesConfig.of({}), Context())
    return {
        "corpus": jsonl(tmp_path / "corpus.jsonl", CORPUS),
        "pairs": jsonl(tmp_path / "pairs.jsonl", [PAIR]),
        "written": jsonl(tmp_path / "written.jsonl", written),
    }


def mine(folders: dict[str, Path], **options: Any) -> Row:
    """Return the one pair, mined."""
    corpora = [folders["corpus"], folders["written"]]
    cfg = MineConfig.of({"corpus": corpora, "num_negatives": 1} | options)
    (row,) = mine_negatives.run([dict(PAIR)], cfg, Context())
    return row


def test_passages_are_a_corpus(folders: dict[str, Path]) -> None:
    rows = list(read_all(folders["written"]))
    assert [row["doc_id"] for row in rows] == PAIR["negatives"]
    assert all(row["recipe"] == "query+hard-negative" and row["generator"] for row in rows)
    assert ["language" in row for row in rows] == [False, False, True]


def test_a_passage_stands_there_once() -> None:
    ctx, rejected = Context(), list[Rejected]()
    copy = PAIR | {"query_id": "other"}
    bare = {"query_id": "bare", "query": "x"}
    rows = list(passages.run([PAIR, copy, bare], PassagesConfig.of({}), ctx, rejected.append))
    assert len(rows) == 3 and ctx.ledger.rows_in == 3 and ctx.ledger.expanded == 4
    assert [one.reason for one in rejected] == [
        *["passage met before"] * 3, "no passage was written for it"
    ]  # fmt: skip


def test_rows_are_the_same_from_parquet_and_jsonl(tmp_path: Path) -> None:
    """What one passage has and another lacks is no field of the other."""
    from gpte_data import io

    io.write(tmp_path / "00000.parquet", [PAIR])
    (row,) = io.read(tmp_path / "00000.parquet")
    assert row == PAIR


def test_written_negatives_are_candidates_wherever_they_rank(folders: dict[str, Path]) -> None:
    row = mine(folders, top_k=2)
    assert "written" not in row and row["negatives"] == PAIR["negatives"]
    by_id = {hit["doc_id"]: hit for hit in row["candidates"]}
    assert set(PAIR["negatives"]) <= by_id.keys() and len(by_id) == 3, "two best, and a far one"
    assert [hit["rank"] for hit in row["candidates"]] == [1, 2, 3]
    assert row["candidates"][-1]["doc_id"] == "q#h-0/negative-1"
    scores = [hit["score"] for hit in row["candidates"]]
    assert scores == sorted(scores, reverse=True)
    sources = {doc_id: hit["source"] for doc_id, hit in by_id.items()}
    assert sources == dict.fromkeys(PAIR["negatives"], "written")


def test_the_margin_spares_what_was_written_to_be_close(folders: dict[str, Path]) -> None:
    hits = {h["doc_id"]: h for h in mine(folders, relative_margin=0.5)["candidates"]}
    near = hits["q#h-0/negative-0"]
    assert near["score"] > 0.5 * 0.95 and near["reason"] == "written as a negative"
    assert near["verdict"] == "keep"
    copy = hits["q#h-0/negative-2"]
    assert (copy["verdict"], copy["reason"]) == ("drop", "same text as a positive")
    mined = [hit for hit in hits.values() if hit["source"] != "written"]
    assert len(mined) == 4 and "written as a negative" not in {hit["reason"] for hit in mined}


def test_what_was_written_is_used_first(folders: dict[str, Path]) -> None:
    row = mine(folders)
    order = [hit["doc_id"] for hit in kept(row)]
    assert order[:2] == ["q#h-0/negative-0", "q#h-0/negative-1"]
    rest = [hit["rank"] for hit in kept(row)[2:]]
    assert rest == sorted(rest) and len(rest) >= 3
    assert kept({"negatives": ["b", "a", "b"]}) == [
        {"doc_id": "b", "source": "written"}, {"doc_id": "a", "source": "written"}
    ]  # fmt: skip
    assert kept({"candidates": [], "negatives": ["b"]}) == []


def test_another_querys_negatives_are_mined_like_any_document(folders: dict[str, Path]) -> None:
    other = {"query_id": "r", "query": "how do bees find flowers", "positives": ["bees"]}
    corpora = [folders["corpus"], folders["written"]]
    cfg = MineConfig.of({"corpus": corpora, "num_negatives": 1})
    _, row = mine_negatives.run([dict(PAIR), other], cfg, Context())
    assert {hit["source"] for hit in row["candidates"]} == {"st:all-MiniLM-L6-v2"}
    assert set(PAIR["negatives"]) < {hit["doc_id"] for hit in row["candidates"]}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (PAIR, "'q' has the negative 'q#h-0/negative-0'.*the corpus that gpte-data passages makes"),
        (PAIR | {"written": []}, "of passages that a recipe wrote, gpte-data passages makes one"),
        (PAIR | {"negatives": "bees"}, "must hold a list of doc_ids as negatives, found 'bees'"),
        (PAIR | {"positives": ["q#h-0/negative-2"]}, "has the positive .*gpte-data passages"),
    ],
)
@pytest.mark.parametrize("how", ["mine", "pipe"])
def test_a_negative_that_is_not_there(row: Row, says: str, how: str, tmp_path: Path) -> None:
    corpus = jsonl(tmp_path / "corpus.jsonl", CORPUS)
    cfg = MineConfig.of({"corpus": [corpus]})
    with pytest.raises(BadInput, match=says) as told:
        if how == "pipe":
            list(mine_negatives.run([row], cfg, Context()))
        else:
            assert mine_negatives.hooks.prepare is not None
            mine_negatives.hooks.prepare(cfg, lambda: [row])
    assert "\n" not in str(told.value)


def test_the_sentence_reaches_the_user(folders: dict[str, Path], tmp_path: Path) -> None:
    ended = cli(
        "mine-negatives", folders["pairs"], "-o", tmp_path / "out", "--corpus", folders["corpus"]
    )
    assert "gpte-data passages" in ended.sentence() and not (tmp_path / "out").exists()


def emitted(folders: dict[str, Path], row: Row, **options: Any) -> tuple[list[Row], list[Rejected]]:
    corpora = [folders["corpus"], folders["written"]]
    cfg = EmitOptions.of({"corpus": corpora} | options)
    rejected: list[Rejected] = []
    return list(emit.run([row], cfg, Context(facts={}), rejected.append)), rejected


def test_pairs_that_were_not_mined_have_what_was_written(folders: dict[str, Path]) -> None:
    texts = [passage["text"] for passage in PAIR["written"]]
    rows, _ = emitted(folders, PAIR, num_negatives=2)
    assert rows == [
        {"anchor": PAIR["query"], "positive": CORPUS[0]["text"],
         "negative_1": texts[0], "negative_2": texts[1]}
    ]  # fmt: skip
    (row,), _ = emitted(folders, PAIR, num_negatives=2, format="flagembedding")
    assert row["neg"] == texts[:2] and row["pos_scores"] == [1.0] and row["neg_scores"] == [0, 0]
    rows, rejected = emitted(folders, PAIR, num_negatives=4)
    assert not rows and rejected[0].reason == "fewer than 4 negatives"


def test_mined_negatives_come_after_the_written(folders: dict[str, Path]) -> None:
    row = mine(folders)
    (out,), _ = emitted(folders, row, num_negatives=3, format="flagembedding")
    texts = {p["doc_id"]: p["text"] for p in [*CORPUS, *PAIR["written"]]}
    expected = [hit["doc_id"] for hit in kept(row)[:3]]
    assert out["neg"] == [texts[doc_id] for doc_id in expected]
    by_id = {hit["doc_id"]: hit["score"] for hit in row["candidates"]}
    assert out["neg_scores"] == [by_id[doc_id] for doc_id in expected]


def test_negatives_written_after_mining_must_be_mined(folders: dict[str, Path]) -> None:
    row = mine(folders)
    cfg = EmitOptions.of({"corpus": [folders["corpus"], folders["written"]]})
    assert list(emit([row], cfg))
    late = row | {"negatives": [*row["negatives"], "law-2"]}
    with pytest.raises(BadInput, match="'law-2', written after it was mined: run mine-negatives"):
        list(emit([late], cfg))
    cfg = EmitOptions.of({"corpus": [folders["corpus"]], "num_negatives": 1})
    with pytest.raises(BadInput, match="gpte-data passages makes one"):
        list(emit([PAIR], cfg))


def test_from_pairs_to_shards(folders: dict[str, Path], tmp_path: Path) -> None:
    ok("passages", folders["pairs"], "-o", tmp_path / "written")
    corpora = ("--corpus", folders["corpus"], "--corpus", tmp_path / "written")
    ok("mine-negatives", folders["pairs"], "-o", tmp_path / "mined", *corpora)
    ok("filter-negatives", tmp_path / "mined", "-o", tmp_path / "filtered", *corpora)
    (row,) = read_all(tmp_path / "filtered")
    reranked = {hit["doc_id"]: hit for hit in row["candidates"] if hit["source"] == "written"}
    far = reranked["q#h-0/negative-1"]
    assert "rerank_score" in far and far["verdict"] == "keep", "the reranker looks at them too"
    near = reranked["q#h-0/negative-0"]
    assert near["reason"].startswith(("reranker finds", "below the reranker"))
    ok("emit", tmp_path / "filtered", "-o", tmp_path / "train", *corpora, "--num-negatives", 1)
    found = survey(tmp_path / "filtered")["datasets"][0]["sources"]
    assert sum(found["written"].values()) == 3 and sum(found["st:all-MiniLM-L6-v2"].values()) == 4
    shown = cli("inspect", tmp_path / "filtered").stdout
    assert "Candidates by source" in shown and "written" in shown
    card = (tmp_path / "train" / "README.md").read_text()
    assert "found negatives" not in card, "the one negative was written"
    assert "negatives were written for their query" in card
    assert "stamps" in cli("inspect", folders["pairs"]).stdout, "unmined, they are shown too"
