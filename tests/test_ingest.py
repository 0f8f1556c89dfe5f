"""Ingest: every record is a passage or is counted with a reason, and ids stay the same."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from gpte_data import io
from gpte_data.emission.positives import Positives
from gpte_data.errors import BadInput, BadOption
from gpte_data.ledger import Ledger
from gpte_data.parquet import table_of
from gpte_data.pipe import pipe
from gpte_data.plan import RunOptions
from gpte_data.positives import added, only
from gpte_data.run import run
from gpte_data.stage import Context, Rejected
from gpte_data.stages.ingest import IngestConfig, ingest
from gpte_data.stages.ingest_pairs import IngestPairsConfig, ingest_pairs

DATA = Path(os.environ.get("GPTE_SHARED_DATA", Path(__file__).parent.parent / "../shared/data"))


def write(path: Path, docs: list[Any]) -> Path:
    """Write JSON lines; bytes are written as they are."""
    path.write_bytes(
        b"".join((doc if isinstance(doc, bytes) else orjson.dumps(doc)) + b"\n" for doc in docs)
    )
    return path


def passages(source: object, **options: Any) -> tuple[list[dict[str, Any]], list[Rejected], Ledger]:
    """Run the stage over a source; return rows, rejected rows and the books, which have closed."""
    cfg = IngestConfig.of({"source": str(source), **options})
    assert ingest.hooks.read is not None
    ctx, rejected = Context(), list[Rejected]()
    rows = list(ingest.run(ingest.hooks.read(cfg), cfg, ctx, rejected.append))
    return rows, rejected, ctx.ledger


MESS: list[Any] = [
    {"_id": "a", "title": " T ", "text": "  one  "},
    {"_id": "a", "text": "the same id"},
    {"_id": 7, "text": "a number as id"},
    {"_id": "7", "text": "the same as text"},
    {"_id": "b", "text": ""},
    {"_id": "c", "text": " \n\t "},
    {"_id": "d", "text": None},
    {"_id": "e"},
    {"_id": "f", "text": ["a", "list"]},
    {"_id": "g", "text": 3.5},
    {"_id": "h", "text": "t", "title": {"not": "text"}},
    {"_id": "i", "text": "nul \0 byte"},
    {"_id": "j", "text": "bytes \ufffd\ufffd\ufffd as text"},
    {"_id": None, "text": "no id"},
    {"_id": "", "text": "no id either"},
    {"text": "no id", "title": ""},
    b'{"_id": "torn", "te',
    b'["a list"]',
    b"",
    {"_id": 0, "text": "zero", "title": None},
    {"_id": True, "text": "odd"},
    {"_id": "z", "text": "last", "more": {"a": [1, None]}, "title": "   "},
]


def test_a_mess_is_counted_by_reason(tmp_path: Path) -> None:
    rows, rejected, ledger = passages(write(tmp_path / "d.jsonl", MESS))
    assert [row["text"] for row in rows] == [
        *("one", "a number as id", "no id", "no id either", "zero", "odd", "last"),
    ]
    assert ledger.dropped == Counter(
        {
            "duplicate doc_id": 3,
            "empty text": 2,
            "no text": 2,
            "text or title is not a string": 3,
            "binary text": 2,
            "the line is not JSON": 1,
            "the line is no JSON object": 1,
        }
    )
    assert ledger.rows_in == len(rows) + len(rejected) == len(MESS) - 1, "a blank line is no row"
    assert not ledger.failed, "what is dropped on purpose has not failed"
    assert rows[0] == {"doc_id": "a", "title": "T", "text": "one"}
    assert [row["doc_id"] for row in rows[-3:]] == ["0", "True", "z"]
    assert all("title" not in row for row in rows[1:])


def test_rejected_rows_are_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "d.jsonl", MESS)
    cfg = IngestConfig.of({"source": str(source)})
    result = run(
        ingest, cfg, str(source), tmp_path / "o", RunOptions(rejected=tmp_path / "r.jsonl")
    )
    kept = [orjson.loads(line) for line in (tmp_path / "r.jsonl").read_bytes().splitlines()]
    assert Counter(row["reason"] for row in kept) == result.ledger.dropped
    assert {"rejected": "dropped", "reason": "empty text", "doc_id": "b", "text": ""} in kept
    torn = next(row for row in kept if row["reason"] == "the line is not JSON")
    assert torn["line"] == 17 and torn["raw"] == '{"_id": "torn", "te'
    assert len(list(io.read_all(tmp_path / "o"))) == result.ledger.rows_out == 7


def test_missing_ids_are_the_content(tmp_path: Path) -> None:
    docs = [{"text": f"text {n}", "title": f"title {n % 2}"} for n in range(20)]
    rows, _, _ = passages(write(tmp_path / "a.jsonl", docs))
    back, _, _ = passages(write(tmp_path / "b.jsonl", docs[::-1]))
    assert [row["doc_id"] for row in rows] == [row["doc_id"] for row in back][::-1]
    assert len({row["doc_id"] for row in rows}) == 20
    assert rows[0]["doc_id"] == hashlib.sha256(b"title 0\0text 0").hexdigest()[:16]
    other, _, _ = passages(write(tmp_path / "c.jsonl", [{"text": " text 0 ", "title": "title 0"}]))
    assert other[0]["doc_id"] == rows[0]["doc_id"], "white space around it is no content"


def test_columns_by_name(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        "key,name,abstract,text\nk1,N1,long one,short\nk2,,long two,s\n"
    )
    rows, _, _ = passages(
        tmp_path / "d.csv", id_column="key", title_column="name", text_column="abstract"
    )
    assert rows == [
        {"doc_id": "k1", "title": "N1", "text": "long one"},
        {"doc_id": "k2", "text": "long two"},
    ]


def test_no_text_at_all_is_told(tmp_path: Path) -> None:
    source = write(tmp_path / "d.jsonl", [{"key": "1", "abstract": "long"}] * 3)
    with pytest.raises(BadInput, match=r"no column text .*it has abstract, key.*--text-column"):
        passages(source)
    with pytest.raises(BadInput, match=r"no column body, it has abstract, key"):
        passages(source, text_column="body")
    source = write(tmp_path / "e.jsonl", [{"id": "1", "text": "t"}])
    with pytest.raises(BadInput, match=r"no column body, it has id, text"):
        passages(source, text_column="body")
    with pytest.raises(BadInput, match="is empty"):
        passages(write(tmp_path / "f.jsonl", []))


@pytest.mark.parametrize("option", ["id", "title"])
def test_a_named_column_that_no_record_has_is_told(tmp_path: Path, option: str) -> None:
    docs = [{"doc_id": "1", "text": "t"}, {"id": "2", "title": "T", "text": "t", "late": "l"}]
    source = write(tmp_path / "d.jsonl", docs)
    says = rf"no column nmae, it has doc_id, id, late, text, title: .*--{option}-column"
    with pytest.raises(BadInput, match=says):
        passages(source, **{f"{option}_column": "nmae"})
    rows, _, _ = passages(source, **{f"{option}_column": "late"})
    assert len(rows) == 2, "one record that has it is enough"
    (tmp_path / "n.txt").write_text("text")
    with pytest.raises(BadInput, match="no column nmae, it has doc_id, text"):
        passages(tmp_path / "n.txt", **{f"{option}_column": "nmae"})


def test_a_language_is_a_string(tmp_path: Path) -> None:
    docs = [{"text": "a", "language": 5}, {"text": "b", "language": "de"}, {"text": "c"}]
    rows, _, _ = passages(write(tmp_path / "d.jsonl", docs))
    assert [row.get("language") for row in rows] == ["5", "de", None]


def test_only_broken_lines_are_all_dropped(tmp_path: Path) -> None:
    rows, rejected, ledger = passages(write(tmp_path / "d.jsonl", [b"no", b"json"]))
    assert not rows and len(rejected) == ledger.dropped.total() == 2


def test_messy_tables_and_folders(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"id,text\n1,one\n2\n3,caf\xe9\n4,\n1,again\n5,five\n")
    rows, _, ledger = passages(tmp_path / "d.csv")
    assert [row["doc_id"] for row in rows] == ["1", "5"]
    assert ledger.dropped == Counter(
        {
            "the row has not as many values as the header": 1,
            "the row is not UTF-8": 1,
            "empty text": 1,
            "duplicate doc_id": 1,
        }
    )
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# Title\n\nText.")
    (folder / "b.txt").write_bytes(b"caf\xe9")
    (folder / "c.txt").write_text(" ")
    (folder / "d.md").write_text("# Only a title\n")
    rows, _, ledger = passages(folder)
    assert rows == [{"doc_id": "a.md", "title": "Title", "text": "Text."}]
    assert ledger.dropped == Counter({"empty text": 2, "the file is not UTF-8": 1})


def test_chunks_of_documents(tmp_path: Path) -> None:
    text = "First sentence of it. " * 10
    docs = [{"_id": "d", "title": "T", "text": text}, {"_id": "e", "text": "Short."}, {"text": ""}]
    rows, _, ledger = passages(write(tmp_path / "d.jsonl", docs), chunk_words=9)
    assert [row["doc_id"] for row in rows] == ["d#0", "d#1", "d#2", "d#3", "d#4", "e#0"]
    assert all(row["text"] in row["context"] for row in rows)
    assert [row["source"] for row in rows] == ["d"] * 5 + ["e"]
    assert (ledger.rows_in, ledger.expanded, ledger.rows_out) == (3, 4, 6)


def test_text_without_words_is_a_chunk(tmp_path: Path) -> None:
    rows, _, ledger = passages(write(tmp_path / "d.jsonl", [{"text": "...!?"}]), chunk_words=9)
    assert [row["text"] for row in rows] == ["...!?"] and ledger.expanded == 0


def test_limit_and_shards(tmp_path: Path) -> None:
    source = write(tmp_path / "d.jsonl", [{"text": f"text {n}"} for n in range(100)])
    cfg = IngestConfig.of({"source": str(source), "shard_rows": 7})
    run(ingest, cfg, str(source), tmp_path / "o", RunOptions(limit=20))
    assert [io.count(path) for path in io.shards(tmp_path / "o")] == [7, 7, 6]


def test_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    source = write(tmp_path / "d.jsonl", MESS)
    cfg = IngestConfig.of({"source": "-"})
    with source.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        result = run(ingest, cfg, "-", tmp_path / "o", RunOptions())
    assert result.ledger.rows_out == 7
    with source.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ledger = pipe(ingest, cfg, "-", RunOptions())
    assert ledger.to_json() == result.ledger.to_json()
    out = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert out == list(io.read_all(tmp_path / "o")), "the same rows from a pipe and from a folder"


# Pairs


def beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    write(folder / "corpus.jsonl", [{"_id": n, "text": f"text {n}", "metadata": {}} for n in "abc"])
    queries: list[Any] = [{"_id": n, "text": f" query {n} "} for n in (1, 2, 3, 1)]
    write(folder / "queries.jsonl", [*queries, {"_id": 4, "text": " "}, {"_id": 5}, b"{no"])
    judged = ["1\ta\t1", "1\tb\t2", "1\ta\t1", "2\ta\t0", "4\ta\t1", "5\ta\t1", "9\tc\t1"]
    (folder / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return folder


def test_pairs_are_the_judged_queries(tmp_path: Path) -> None:
    cfg = IngestPairsConfig.of({"source": str(beir(tmp_path / "c"))})
    assert ingest_pairs.hooks.read is not None
    ctx = Context()
    rows = list(ingest_pairs.run(ingest_pairs.hooks.read(cfg), cfg, ctx))
    assert rows == [
        {"query_id": "1", "query": "query 1", "positives": ["a", "b"], "positive_grades": [1, 2]}
    ]
    assert ctx.ledger.dropped == Counter(
        {
            "no relevant document in train": 3,
            "empty query": 2,
            "judged, but not in queries.jsonl": 1,
            "the line is not JSON": 1,
        }
    )


def test_pairs_go_with_the_corpus(tmp_path: Path) -> None:
    folder = str(beir(tmp_path / "c"))
    cfg = IngestConfig.of({"source": folder, "pairs": str(tmp_path / "p"), "shard_rows": 3})
    assert ingest.hooks.also is not None
    found = ingest.hooks.also(cfg)
    assert found is not None
    stage, config, where = found
    assert stage is ingest_pairs and where == str(tmp_path / "p")
    assert config.model_dump(exclude={"seed"}) == {
        "source": folder,
        "split": "train",
        "shard_rows": 3,
        "judged_negatives": False,
    }
    assert ingest.hooks.also(IngestConfig.of({"source": folder})) is None


def test_pairs_can_not_go_with_chunks() -> None:
    assert ingest.hooks.also is not None
    with pytest.raises(BadOption, match="--pairs can't go with --chunk-words"):
        ingest.hooks.also(IngestConfig.of({"source": "x", "pairs": "p", "chunk_words": 60}))


def test_pairs_are_refused_before_the_corpus_is_made(tmp_path: Path) -> None:
    folder, also = beir(tmp_path / "c"), ingest.hooks.also
    assert also is not None
    (tmp_path / "n.txt").write_text("text")
    for source, pairs, split, says in (
        ("-", "p", "train", "stdin has .*--pairs needs a folder in BEIR's layout"),
        (str(tmp_path / "n.txt"), "p", "train", "needs a folder in BEIR's layout"),
        (str(folder), str(tmp_path / "p"), "nope", r"no qrels/nope\.tsv: --split takes one of"),
        (str(folder), str(folder), "train", "lies in .*, which is read"),
        (str(folder), str(folder / "p"), "train", "lies in .*, which is read"),
    ):
        with pytest.raises((BadInput, BadOption), match=says):
            also(IngestConfig.of({"source": source, "pairs": pairs, "split": split}))
    (folder / "queries.jsonl").unlink()
    with pytest.raises(BadInput, match=r"no queries\.jsonl"):
        also(IngestConfig.of({"source": str(folder), "pairs": str(tmp_path / "p")}))


def test_a_missing_split_names_those_there(tmp_path: Path) -> None:
    folder = beir(tmp_path / "c")
    (folder / "qrels" / "dev.tsv.gz").write_bytes(b"")
    cfg = IngestPairsConfig.of({"source": str(folder), "split": "test"})
    assert ingest_pairs.hooks.read is not None
    with pytest.raises(BadInput, match=r"no qrels/test\.tsv: --split takes one of dev, train"):
        list(ingest_pairs.hooks.read(cfg))


def test_scifact(tmp_path: Path) -> None:
    """The numbers that everyone finds: 5,183 documents, 809 training queries."""
    source = DATA / "scifact"
    if not source.is_dir():
        pytest.skip(f"{source} is not there: set GPTE_SHARED_DATA")
    cfg = IngestConfig.of({"source": str(source), "pairs": str(tmp_path / "p")})
    corpus = run(ingest, cfg, str(source), tmp_path / "c", RunOptions())
    assert corpus.ledger.rows_out == 5183
    assert ingest.hooks.also is not None
    also = ingest.hooks.also(cfg)
    assert also is not None
    found = run(also[0], also[1], str(source), Path(also[2]), RunOptions())
    assert found.ledger.rows_out == 809
    ids = {row["doc_id"] for row in io.read_all(tmp_path / "c", ("doc_id",))}
    assert all(set(row["positives"]) <= ids for row in io.read_all(tmp_path / "p"))


def test_explicit_zeros_are_no_positives() -> None:
    source = DATA / "dbpedia-entity-sample"
    if not source.is_dir():
        pytest.skip(f"{source} is not there: set GPTE_SHARED_DATA")
    (path,) = (source / "qrels").glob("*.tsv")
    judged = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    relevant = {(query, doc) for query, doc, score in judged if float(score) > 0}
    cfg = IngestPairsConfig.of({"source": str(source), "split": path.stem})
    assert ingest_pairs.hooks.read is not None
    rows = list(ingest_pairs(ingest_pairs.hooks.read(cfg), cfg))
    assert {(row["query_id"], doc) for row in rows for doc in row["positives"]} == relevant
    assert len(relevant) < len(judged)
    assert not any("negatives" in row for row in rows)


def test_grades_and_judged_negatives_are_those_of_the_judgements() -> None:
    source = DATA / "dbpedia-entity-sample"
    if not source.is_dir():
        pytest.skip(f"{source} is not there: set GPTE_SHARED_DATA")
    (path,) = (source / "qrels").glob("*.tsv")
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    judged = {(query, doc): int(grade) for query, doc, grade in lines}
    cfg = IngestPairsConfig.of(
        {"source": str(source), "split": path.stem, "judged_negatives": True}
    )
    assert ingest_pairs.hooks.read is not None
    rows = list(ingest_pairs(ingest_pairs.hooks.read(cfg), cfg))
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        grades = row.get("positive_grades", [1] * len(row["positives"]))
        found |= {(row["query_id"], d): g for d, g in zip(row["positives"], grades, strict=True)}
        found |= {(row["query_id"], doc): 0 for doc in row.get("negatives", ())}
    there = {row["query_id"] for row in rows}
    assert found == {pair: grade for pair, grade in judged.items() if pair[0] in there}
    assert set(found.values()) == {0, 1, 2}


def test_config_says_what_is_wrong() -> None:
    for options, says in (
        ({"chunk_words": 3}, "--chunk-words 3 won't do"),
        ({"shard_rows": 0}, "--shard-rows 0 won't do"),
        ({"colunm": 1}, "no option --colunm"),
    ):
        with pytest.raises(BadOption, match=says):
            IngestConfig.of({"source": "x", **options})
    assert json.dumps(IngestConfig.of({"source": "x"}).model_dump())


def test_grades_stay_with_their_positives() -> None:
    row = {"query_id": "q", "positives": ["a", "b", "c"], "positive_grades": [1, 3, 2]}
    assert only(row, [2, 1])["positive_grades"] == [2, 3]
    assert added(row, {"doc_id": "d"})["positive_grades"] == [1, 3, 2, 1]
    table = table_of([row, {"query_id": "r", "positives": ["a", "b"]}])
    assert Positives.of(table, one=False).grade.tolist() == [1, 3, 2, 1, 1]
