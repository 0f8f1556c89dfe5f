"""Every kind of source: what is found in it, and what is told of what can't be read."""

import bz2
import csv
import gzip
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpte_data.errors import BadInput
from gpte_data.sources import BROKEN, Columns, read_source, source_identity
from gpte_data.sources.beir import pairs

DATA = Path(os.environ.get("GPTE_SHARED_DATA", Path(__file__).parent.parent / "../shared/data"))
DOCS = [
    {"_id": "1", "title": "Über Öl", "text": "Erster Text."},
    {"_id": "2", "title": "", "text": "Second\ntext, “quoted”."},
    {"_id": "3", "text": "第三"},
]


def rows(source: object, **columns: str) -> list[dict[str, Any]]:
    return list(read_source(str(source), Columns(**columns)))


def good(source: object, **columns: str) -> list[tuple[Any, ...]]:
    """Return (id, title, text) of each row; fail if one is broken."""
    found = rows(source, **columns)
    assert not any(BROKEN in row for row in found), found
    return [(row.get("doc_id"), row.get("title"), row.get("text")) for row in found]


def expected(docs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(doc["_id"], doc.get("title"), doc["text"]) for doc in docs]


def lines(docs: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(doc) + b"\n" for doc in docs)


def zstd(content: bytes) -> bytes:
    """Return one zstd frame."""
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


# JSON lines


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.ndjson", "D.JSONL"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(lines(DOCS))
    assert good(tmp_path / name) == expected(DOCS)


def test_gzip_of_several_members(tmp_path: Path) -> None:
    """As `cat a.gz b.gz` and many dumps have it."""
    path = tmp_path / "d.jsonl.gz"
    many = [{"_id": str(n), "text": f"text {n} " * 50} for n in range(3000)]
    path.write_bytes(gzip.compress(lines(many[:1000])) + gzip.compress(lines(many[1000:])))
    assert good(path) == expected(many)


def test_zstd_of_several_frames(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.zst"
    many = [{"_id": str(n), "text": f"text {n} " * 50} for n in range(3000)]
    with pa.CompressedOutputStream(str(path), "zstd") as target:
        target.write(lines(many[:1000]))
    with pa.CompressedOutputStream(str(tmp_path / "more.zst"), "zstd") as target:
        target.write(lines(many[1000:]))
    path.write_bytes(path.read_bytes() + (tmp_path / "more.zst").read_bytes())
    assert good(path) == expected(many)


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.jsonl.zst", "d.csv.gz"])
def test_damaged_compression_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b"id,text\n" + b'{"_id": "1", "text": "x"}\n' * 9999
    packed = gzip.compress(content) if name.endswith("gz") else zstd(content)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadInput, match=name):
        rows(path)
    path.write_bytes(b"no such format, this is plain text\n" * 9)
    with pytest.raises(BadInput, match=name):
        rows(path)


def test_broken_lines_are_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    broken = [b'{"_id": "1", "te', b"[1, 2]", b'"text"', b"null", b'{"a": NaN}', b"\xff\xfe{}"]
    broken += [b'{"text": "\\ud800"}', b"x" * 2000]
    path.write_bytes(b"\n\n  \n" + b"\n".join(broken) + b"\n" + lines(DOCS[:1]).strip())
    found = rows(path)
    assert [row["line"] for row in found[:-1]] == list(range(4, 4 + len(broken)))
    assert all(row[BROKEN].startswith("the line is no") for row in found[:-1])
    assert found[0]["raw"] == '{"_id": "1", "te' and len(found[-2]["raw"]) == 500
    assert found[-1]["text"] == "Erster Text.", "the last line needs no end"


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines(DOCS).replace(b"}\n", b"}\r\n"))
    assert good(path) == expected(DOCS)


def test_a_line_of_many_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    big = [{"_id": "1", "text": "long " * 2_000_000}]
    path.write_bytes(lines(big + DOCS[1:]))
    assert good(path) == expected(big + DOCS[1:])


def test_a_folder_of_jsonl(tmp_path: Path) -> None:
    """Shards beside a README: the shards are the documents."""
    (tmp_path / "b.jsonl").write_bytes(lines(DOCS[2:]))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(DOCS[:2])))
    (tmp_path / "README.md").write_text("# About\nNot a document.")
    assert good(tmp_path) == expected(DOCS)


# Columns


@pytest.mark.parametrize("name", ["doc_id", "_id", "id", "docid", "document_id", "ID"])
def test_usual_ids(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.jsonl").write_bytes(lines([{name: 7, "text": "t", "year": 1999}]))
    assert rows(tmp_path / "d.jsonl") == [{"doc_id": 7, "text": "t", "year": 1999}]


@pytest.mark.parametrize(
    "name", ["text", "contents", "content", "body", "passage", "Text", " TEXT"]
)
def test_usual_texts(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.jsonl").write_bytes(lines([{"Title": "T", name: "t"}]))
    assert rows(tmp_path / "d.jsonl") == [{"title": "T", "text": "t"}]


def test_named_columns_win_over_usual_ones(tmp_path: Path) -> None:
    doc = {
        "id": "no",
        "text": "no",
        "title": "no",
        "url": "u",
        "abstract": "a",
        "head": "h",
        "n": 1,
    }
    (tmp_path / "d.jsonl").write_bytes(lines([doc]))
    found = rows(tmp_path / "d.jsonl", doc_id="url", title="head", text="abstract")
    assert found == [{"doc_id": "u", "title": "h", "text": "a", "id": "no", "n": 1}]


def test_a_named_column_that_is_not_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(lines([{"id": "1", "text": "t", "n": 1}]))
    assert rows(tmp_path / "d.jsonl", text="abstract") == [{"doc_id": "1", "n": 1}]


# Parquet


def table(docs: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(docs)


def test_parquet_file_and_folder(tmp_path: Path) -> None:
    docs = [{"_id": n, "title": None, "text": f"text {n}"} for n in range(2500)]
    pq.write_table(table(docs[:2000]), tmp_path / "a.parquet", row_group_size=300)
    pq.write_table(table(docs[2000:]), tmp_path / "b.parquet")
    (tmp_path / "README.md").write_text("# About\nNot a document.")
    assert good(tmp_path / "a.parquet") == expected(docs[:2000])
    assert good(tmp_path) == expected(docs)
    assert "title" not in rows(tmp_path)[0], "an empty field is absent"


def test_damaged_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 no it is not")
    with pytest.raises(BadInput, match=r"a\.parquet can't be read as Parquet"):
        rows(path)
    docs = [{"_id": str(n), "text": f"text {n} {os.urandom(40).hex()}"} for n in range(5000)]
    pq.write_table(table(docs), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[2000:150_000] = bytes(148_000)
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.parquet is damaged"):
        rows(path)


# CSV and TSV


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    docs = [*DOCS, {"_id": "4", "title": 'Say "so"', "text": 'a,b;\nc\r\nd\n\n"e"'}]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", "Title ", "Text"])
        writer.writerows([doc["_id"], doc.get("title", ""), doc["text"]] for doc in docs)
    found = [(doc["_id"], doc.get("title", ""), doc["text"]) for doc in docs]
    assert good(path) == found
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert good(tmp_path / "d.csv.gz") == found
    (tmp_path / "d.csv.zst").write_bytes(zstd(path.read_bytes()))
    assert good(tmp_path / "d.csv.zst") == found


def test_tsv(tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text('id\ttitle\ttext\n1\tA, b\tIt is 5" long, "really"\r\n2\t\t"a\tb"\n')
    assert good(path) == [("1", "A, b", 'It is 5" long, "really"'), ("2", "", "a\tb")]


def test_rows_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(
        b'id,text\n1,one\n\n2,two,more\n3\n4,"a\nb"\n5,caf\xe9\n6,six\n'
        + b"7,"
        + b"x" * 2**20
        + b"\n"
    )
    found = rows(path)
    broken = {row["line"]: row[BROKEN] for row in found if BROKEN in row}
    assert broken == {
        4: "the row has not as many values as the header",
        5: "the row has not as many values as the header",
        8: "the row is not UTF-8",
    }
    assert [row["doc_id"] for row in found if BROKEN not in row] == ["1", "4", "6", "7"]
    assert len(found[-1]["text"]) == 2**20
    assert orjson.dumps(found), "broken rows can be written down"


def test_an_open_quotation_mark_is_told(tmp_path: Path) -> None:
    """It takes all that follows into one value: that is no document, and not silent."""
    path = tmp_path / "d.csv"
    path.write_text('id,text\n1,one\n2,"two\n' + "3,three\n" * 500)
    found = rows(path)
    assert [row.get("doc_id") for row in found] == ["1", None]
    assert found[1][BROKEN] == "a quotation mark is not closed before the end"
    assert found[1]["line"] == 3 and found[1]["raw"].startswith("2\ttwo\n3,three")
    path.write_text('id,text\n1,one\n2,"two"')
    assert [row["doc_id"] for row in rows(path)] == ["1", "2"]


def test_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("")
    with pytest.raises(BadInput, match="empty: expected a header"):
        rows(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_text("id,text\n")
    assert rows(tmp_path / "d.csv") == []


# Folders of text


def test_text_folder(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b c" / "d"
    deep.mkdir(parents=True)
    (deep / "x.MD").write_bytes("\ufeff\n# About C# and more ##\n\nText **here**.\n".encode())
    (tmp_path / "plain.txt").write_text("# no title in plain text")
    (tmp_path / "none.md").write_text("Text first.\n# Then a heading\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.txt").write_text("hidden")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    found = {row["doc_id"]: row for row in rows(tmp_path)}
    assert list(found) == ["a/b c/d/x.MD", "empty.txt", "latin.txt", "none.md", "plain.txt"]
    assert found["a/b c/d/x.MD"]["title"] == "About C# and more"
    assert found["a/b c/d/x.MD"]["text"].strip() == "Text **here**."
    assert found["latin.txt"][BROKEN] == "the file is not UTF-8"
    assert found["latin.txt"]["raw"] == "caf\ufffd"
    assert "title" not in found["none.md"] and "title" not in found["plain.txt"]
    assert good(tmp_path / "plain.txt") == [("plain.txt", None, "# no title in plain text")]


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert good(tmp_path) == [("caf\ufffd.txt", None, "text")]


# BEIR


def beir(folder: Path, zipped: bool = False) -> Path:
    """Write a small collection."""
    queries: list[dict[str, Any]] = [
        {"_id": 10, "text": "first?"},
        {"_id": "11", "text": "second?"},
        {"_id": "12"},
    ]
    qrels = (
        "query-id\tcorpus-id\tscore\n10\t1\t1\n10\t2\t2\n11\t3\t0\n12\t1\t1\n99\t1\t1\n11\t1\t-1\n"
    )
    (folder / "qrels").mkdir(parents=True)
    for name, content in (
        ("corpus.jsonl", lines([{**doc, "metadata": {}} for doc in DOCS])),
        ("queries.jsonl", lines(queries)),
        ("qrels/test.tsv", qrels.encode()),
    ):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    (folder / "README.md").write_text("# Not a document\nNo.")
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_beir(tmp_path: Path, zipped: bool) -> None:
    folder = beir(tmp_path / "c", zipped)
    assert good(folder) == expected(DOCS)
    assert list(pairs(str(folder), "test")) == [
        {
            "query_id": "10",
            "query": "first?",
            "positives": ["1", "2"],
            "positive_grades": [1, 2],
        },
        {"query_id": "11", "query": "second?", "positives": [], "negatives": ["3", "1"]},
        {"query_id": "12", "query": "", "positives": ["1"]},
        {"query_id": "99", "positives": ["1"]},
    ]


def test_beir_that_lacks_something(tmp_path: Path) -> None:
    folder = beir(tmp_path / "c")
    with pytest.raises(BadInput, match=r"no qrels/dev\.tsv: --split takes one of test"):
        list(pairs(str(folder), "dev"))
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n1\t2\n")
    with pytest.raises(BadInput, match=r"dev\.tsv, line 2 is no judgement"):
        list(pairs(str(folder), "dev"))
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n1\t2\t0.5\n")
    with pytest.raises(BadInput, match="a whole number as score"):
        list(pairs(str(folder), "dev"))
    (folder / "qrels" / "dev.tsv").write_text("1\t2\t1\n2\t2\t1\n")
    with pytest.raises(BadInput, match="expected query-id, corpus-id"):
        list(pairs(str(folder), "dev"))
    (folder / "queries.jsonl").unlink()
    with pytest.raises(BadInput, match=r"no queries\.jsonl"):
        list(pairs(str(folder), "test"))


# The hub, through `datasets`


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_datasets_from_a_local_folder(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    docs = [{"id": n, "text": f"text {n}", "title": None} for n in range(30)]
    if kind == "parquet":
        pq.write_table(table(docs), folder / "train.parquet")
    elif kind == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["id", "text"], *[[doc["id"], doc["text"]] for doc in docs]])
        (folder / "train.csv").write_text(text.getvalue())
    else:
        (folder / "train.jsonl").write_bytes(lines(docs))
    assert good(f"hf:{folder}") == [(n, None, f"text {n}") for n in range(30)]
    assert rows(f"hf:{folder}@train", text="title", doc_id="text")[0] == {
        "doc_id": "text 0",
        "id": 0,
    }
    with pytest.raises(BadInput, match=r"can't be read through datasets: .*nope"):
        rows(f"hf:{folder}@nope")
    with pytest.raises(BadInput, match=r"can't be read through datasets: .*nope"):
        rows(f"hf:{folder}:nope")


@pytest.mark.parametrize("source", ["hf:", "hf:/no/such/folder", "hf:no-such-owner/no-such-name"])
def test_datasets_that_are_not_there(source: str) -> None:
    with pytest.raises(BadInput, match="can't be"):
        rows(source)
    with pytest.raises(BadInput, match="can't be"):
        source_identity(source)


def test_the_hub_is_read_at_the_commit_that_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*given: Any, **options: Any) -> list[dict[str, Any]]:
        asked.append((*given, options["split"], options["revision"]))
        return [{"id": "1", "text": "t"}]

    commits = iter(["first", "second"])
    info = SimpleNamespace(dataset_info=lambda name: SimpleNamespace(sha=next(commits)))
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: info)
    monkeypatch.setattr("datasets.load_dataset", load)
    assert source_identity("hf:some/set:conf@test") == "first:conf@test"
    assert good("hf:some/set:conf@test") == [("1", None, "t")]
    assert source_identity("hf:some/set") == "first:@train"
    assert asked == [("some/set", "conf", "test", "first")]


# Which kind it is


@pytest.mark.parametrize(
    ("read", "left"),
    [
        ("README.md", "data/train-0.parquet"),
        ("README.md", "d.csv"),
        ("README.md", "d.tsv.gz"),
        ("a.parquet", "d.jsonl.zst"),
        ("a.jsonl", "in/b.jsonl"),
    ],
)
def test_data_that_would_be_passed_over_are_told(tmp_path: Path, read: str, left: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "_done").mkdir()
    if read == "a.parquet":
        pq.write_table(table(DOCS), tmp_path / read)
    else:
        (tmp_path / read).write_bytes(lines(DOCS))
    (tmp_path / "_done" / "all.json").write_text("{}")
    (tmp_path / ".hidden.json").write_text("{}")
    assert rows(tmp_path), "what is hidden or kept as a book is no data"
    (tmp_path / left).write_bytes(lines(DOCS))
    with pytest.raises(BadInput, match=rf"\({left}\): name the file or the inner folder"):
        rows(tmp_path)


def test_what_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        rows(tmp_path / "nope.jsonl")
    (tmp_path / "d.jsonl.bz2").write_bytes(bz2.compress(lines(DOCS)))
    with pytest.raises(BadInput, match="of no kind that can be read"):
        rows(tmp_path / "d.jsonl.bz2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="of no kind that can be read"):
        rows(tmp_path / "empty")


def test_identity_is_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(DOCS))
    (tmp_path / "b.jsonl").write_bytes(lines(DOCS))
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "a.jsonl").write_bytes(lines(DOCS))
    same = source_identity(str(tmp_path / "e" / "a.jsonl"))
    assert source_identity(str(tmp_path / "a.jsonl")) == same
    assert source_identity(str(tmp_path / "b.jsonl")) != same, "a name decides how it is read"
    one = source_identity(str(beir(tmp_path / "c")))
    assert one == source_identity(str(beir(tmp_path / "d")))
    (tmp_path / "d" / "corpus.jsonl").write_bytes(lines(DOCS[:1]))
    assert one != source_identity(str(tmp_path / "d"))
    assert source_identity(f"hf:{tmp_path / 'c'}") == f"{one}:@train"
    assert source_identity(f"hf:{tmp_path / 'c'}:x@test") == f"{one}:x@test"
    with pytest.raises(BadInput, match="does not exist"):
        source_identity(str(tmp_path / "nope"))


# Real collections


def collection(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there: set GPTE_SHARED_DATA")
    return DATA / name


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("scifact", 5183),
        ("medquad", None),
        ("acl-anthology", 40_687),
        ("dbpedia-entity-sample", 5000),
    ],
)
def test_real_collections(name: str, documents: int | None) -> None:
    found = good(collection(name))
    assert documents is None or len(found) == documents
    assert len({doc_id for doc_id, _, _ in found}) == len(found)
    assert all(isinstance(text, str) for _, _, text in found)


def test_real_judgements() -> None:
    train = list(pairs(str(collection("scifact")), "train"))
    assert sum(bool(row["positives"]) for row in train) == 809
    folder = collection("dbpedia-entity-sample")
    split = next((folder / "qrels").glob("*.tsv")).stem
    zeros = set()
    for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]:
        query_id, doc_id, score = line.split("\t")
        if float(score) == 0:
            zeros.add((query_id, doc_id))
    found = [
        (row["query_id"], doc) for row in pairs(str(folder), split) for doc in row["positives"]
    ]
    assert zeros and found and not zeros & set(found)


def test_parquet_of_a_real_collection_is_the_same(tmp_path: Path) -> None:
    path = collection("xquad") / "th" / "corpus.jsonl"
    docs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    pq.write_table(table(docs), tmp_path / "th.parquet")
    assert good(tmp_path / "th.parquet") == good(path)
