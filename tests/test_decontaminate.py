"""Decontamination: evaluation texts are found however they are written, and nothing else goes."""

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import cli, files, ok

from gpte_data import io
from gpte_data.errors import BadInput, BadOption
from gpte_data.stage import Rejected
from gpte_data.stages import load

SHARED = Path(os.environ.get("GPTE_SHARED_DATA", "shared/data"))
WORDS = [f"w{number}" for number in range(4000)]
LONG = "The moon's gravity raises tides, which " + " ".join(WORDS[:60]) + " and so the sea falls."
MIDDLE = "Which of the two harbours in the north has the higher tide in spring, and why so?"
SHORT = "How do tides move the sea?"
TINY = "What are tides?"
OTHER = "Bread rises because yeast makes gas while the dough rests in a warm room for an hour."
SAME, OVERLAPS, PIECE, SIMILAR = (
    "same text as an evaluation text",
    "overlaps an evaluation text",
    "piece of an evaluation text",
    "similar to an evaluation text",
)


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def beir(folder: Path) -> Path:
    """Queries of test, of train and of neither; passages, one of them judged."""
    queries = {
        "short": SHORT,
        "middle": MIDDLE,
        "tiny": TINY,
        "trained": "how does bread rise then",
    }
    write_jsonl(folder / "queries.jsonl", [{"_id": q, "text": t} for q, t in queries.items()])
    passages = [
        {"_id": "long", "title": "Tides", "text": LONG},
        {"_id": "far", "title": "", "text": " ".join(WORDS[100:160])},
    ]
    write_jsonl(folder / "corpus.jsonl", passages)
    (folder / "qrels").mkdir()
    head = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "test.tsv").write_text(head + "short\tlong\t1\nmiddle\tlong\t1\n")
    (folder / "qrels" / "train.tsv").write_text(head + "trained\tfar\t1\n")
    return folder


@pytest.fixture
def sea(tmp_path: Path) -> Path:
    return beir(tmp_path / "sea")


def run(
    rows: Sequence[Mapping[str, Any]], *against: Path | str, **options: Any
) -> tuple[list[dict[str, Any]], list[Rejected]]:
    rejected: list[Rejected] = []
    stage = load("decontaminate")
    given = {"against": tuple(map(str, against)), **options}
    kept = list(stage([dict(row) for row in rows], on_reject=rejected.append, **given))
    return kept, rejected


def one(text: str, *against: Path | str, **options: Any) -> dict[str, Any] | None:
    """Return the row of a passage as it was rejected, or None if it was kept."""
    kept, rejected = run([{"doc_id": "d", "text": text}], *against, **options)
    assert len(kept) + len(rejected) == 1
    return {**rejected[0].row, "reason": rejected[0].reason} if rejected else None


def changed(text: str, every: int = 20, first: int = 0) -> str:
    """Change one word in so many."""
    words = text.split()
    for place in range(first, len(words), every):
        words[place] = "other"
    return " ".join(words)


def one_in_twenty(text: str) -> str:
    """Change a word where there are fewer than 20, too, but not in the shortest."""
    return changed(text, 20, len(text) % 10) if len(text.split()) > 12 else text


WAYS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "re-cased": str.upper,
    "re-spaced": lambda text: text.replace(" ", " \n\t "),
    "without punctuation": lambda text: text.replace("'", "’").replace(",", " -").replace("?", ""),
    "full width": lambda text: text.translate({c: c + 0xFEE0 for c in range(ord("A"), 123)}),
    "embedded": lambda text: f"{OTHER} {text} {OTHER}",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [LONG, MIDDLE, SHORT], ids=["long", "middle", "short"])
def test_evaluation_texts_are_found(sea: Path, text: str, way: str) -> None:
    found = one(WAYS[way](text), sea)
    assert found is not None
    assert found["reason"] == (OVERLAPS if way == "embedded" else SAME)
    assert found["overlap"] == 1.0
    assert found["contaminated_by"] == "sea"
    assert found["eval_part"] == ("passage" if text == LONG else "query")


@pytest.mark.parametrize("first", range(20))
def test_one_word_changed_in_twenty_hides_nothing(sea: Path, first: int) -> None:
    found = one(f"{OTHER * 5} {changed(LONG, 20, first)} {OTHER}", sea)
    assert found is not None
    assert found["rules"] == [OVERLAPS]
    assert 0.5 <= found["overlap"] < 1


def test_short_texts_need_more(sea: Path) -> None:
    assert one(f"{OTHER} {SHORT.replace('move', 'lift')}", sea) is None
    inside = one(f"{OTHER} {TINY} {OTHER}", sea)
    assert inside is not None, "three words are enough as a sentence"
    assert (inside["rules"], inside["eval_id"]) == ([OVERLAPS], "tiny")
    assert one(f"{OTHER[:-1]} what are tides {OTHER}", sea) is None, "and no evidence inside one"
    tiny = one(TINY.upper(), sea)
    assert tiny is not None
    assert tiny["rules"] == [SAME, OVERLAPS]
    half = " ".join(MIDDLE.split()[:9])
    assert one(f"{half} {OTHER}", sea) is None


@pytest.mark.parametrize("place", range(17))
def test_a_text_of_ten_words_and_more_is_found_with_any_one_changed(sea: Path, place: int) -> None:
    words = MIDDLE.split()
    assert len(words) == 17
    words[place] = "other"
    found = one(f"{OTHER} {' '.join(words)} {OTHER}", sea)
    assert found is not None
    assert found["eval_id"] == "middle"
    assert found["overlap"] >= 0.75
    words[place - 4] = "another"
    words[place - 8] = "third"
    assert one(f"{OTHER} {' '.join(words)} {OTHER}", sea) is None


def test_a_piece_of_an_evaluation_text_goes(sea: Path) -> None:
    words = LONG.split()
    piece = one(" ".join(words[20:45]), sea)
    assert piece is not None
    assert (piece["reason"], piece["eval_id"], piece["overlap"]) == (PIECE, "long", 1.0)
    assert one(" ".join(words[20:35]), sea) is None, "15 words may stand in any two texts"


def test_overlap_is_the_share_of_words_in_shared_runs(sea: Path) -> None:
    words = " ".join(WORDS[100:160]).split()
    text = " ".join([*words[:30], "cut", *words[30:39], "cut", *words[45:57]])
    found = one(f"{OTHER * 9} {text}", sea)
    assert found is not None
    assert found["overlap"] == pytest.approx((30 + 12) / 60)
    assert one(f"{OTHER * 9} {text}", sea, min_overlap=0.8) is None
    assert one(f"{OTHER * 9} {' '.join(words[:29])}", sea) is None


def test_columns_of_the_rows_own_stay(sea: Path) -> None:
    own = {"title": None, "similarity": 0.25, "overlap": 0.5, "eval_id": "e"}
    rows = [{"doc_id": "a", "text": OTHER} | own, {"doc_id": "b", "text": LONG} | own]
    kept, (gone,) = run(rows, sea)
    assert kept == rows[:1]
    assert "similarity" not in gone.row and gone.row["eval_id"] == "long"


def test_titles_make_no_difference(sea: Path) -> None:
    for title in ("Tides", "Another title", ""):
        kept, rejected = run([{"doc_id": "d", "title": title, "text": LONG}], sea)
        assert not kept
        assert rejected[0].reason == SAME


def test_scripts_without_spaces(tmp_path: Path) -> None:
    texts = {
        "zh": "潮汐是由月球和太阳的引力引起的海水周期性涨落现象，每天发生两次。",
        "th": "น้ำขึ้นน้ำลงเกิดจากแรงดึงดูดของดวงจันทร์และดวงอาทิตย์ที่กระทำต่อโลกของเรา",
        "zh-short": "海水为什么会涨落两次呢？",
    }
    path = write_jsonl(tmp_path / "e.jsonl", [{"id": k, "query": t} for k, t in texts.items()])
    for name, text in texts.items():
        found = one(f"前面还有别的话。{text}后面也有。", path)
        assert found is not None, name
        assert (found["eval_id"], found["eval_part"]) == (name, "query")
    assert one("月球和太阳都很远，海水很冷，面包很好吃，猫在睡觉。", path) is None


def test_which_queries_and_passages_count(sea: Path) -> None:
    bread, far = "How does bread rise, then?", " ".join(WORDS[100:160])
    assert one(bread, sea) is None, "train alone names it"
    assert one(bread, sea, split="train") is not None
    assert one(SHORT, sea, split="train") is None
    assert one(TINY, sea) is not None, "no split names it"
    assert one(far, sea) is not None
    assert one(far, sea, passages="judged") is None
    assert one(LONG, sea, passages="judged") is not None
    assert one(LONG, sea, passages="none") is None


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ""])
def test_files_and_folders_of_rows(tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, Any]] = [
        {"query_id": "q1", "query": SHORT, "positives": ["p"]},
        {"doc_id": "p", "text": LONG},
    ]
    path = tmp_path / f"mine{ending}"
    io.write(path if ending else path / "00000.parquet", rows)
    assert (one(SHORT, path) or {})["eval_id"] == "q1"
    assert (one(LONG, path) or {})["eval_id"] == "p"


def test_fields_of_other_names(tmp_path: Path) -> None:
    rows = [{"id": 7, "sentence1": MIDDLE, "odd": [SHORT, LONG]}]
    path = write_jsonl(tmp_path / "sts.jsonl", rows)
    assert (one(MIDDLE, path) or {})["eval_id"] == "7"
    assert one(SHORT, path) is None
    assert one(SHORT, path, text_field="odd") is not None
    with pytest.raises(BadInput, match=r"no evaluation texts.*id, odd.*--text-field"):
        run([], write_jsonl(tmp_path / "odd.jsonl", [{"id": 1, "odd": "x"}]))


def pairs_and_corpus(folder: Path) -> tuple[list[dict[str, Any]], Path]:
    texts = {"clean": OTHER, "dirty": f"{OTHER} {LONG}", "far": " ".join(WORDS[100:160])}
    io.write(folder / "00000.parquet", [{"doc_id": d, "text": t} for d, t in texts.items()])
    wanted = {
        "a": ("why does dough rise", ["clean"]),
        "b": ("what makes the sea fall", ["dirty", "clean", "far"]),
        "c": ("what makes the sea rise", ["far"]),
        "d": (SHORT, ["far", "dirty"]),
    }
    return [
        {"query_id": q, "query": t, "positives": p, "positive_scores": [0.5] * len(p)}
        for q, (t, p) in wanted.items()
    ], folder


def test_pairs_lose_queries_and_positives(sea: Path, tmp_path: Path) -> None:
    rows, corpus = pairs_and_corpus(tmp_path / "corpus")
    kept, rejected = run(rows, sea, corpus=(corpus,))
    assert [row["query_id"] for row in kept] == ["a", "b"]
    assert kept[0] == rows[0]
    assert kept[1]["positives"] == ["clean"]
    assert kept[1]["positive_scores"] == [0.5]
    assert kept[1]["contaminated_positives"] == ["dirty", "far"]
    c, d = rejected
    assert c.row["rules"] == ["all positives are evaluation texts", SAME, OVERLAPS, PIECE]
    assert c.row["positives"] == ["far"]
    assert d.reason == SAME
    assert "all positives are evaluation texts" in d.row["rules"]
    again, none = run(kept, sea, corpus=(corpus,))
    assert (again, none) == (kept, [])


def test_without_a_corpus_queries_alone_are_looked_at(sea: Path, tmp_path: Path) -> None:
    rows, _ = pairs_and_corpus(tmp_path / "corpus")
    path = write_jsonl(tmp_path / "pairs.jsonl", rows)
    said = ok("decontaminate", path, "-o", tmp_path / "out", "--against", sea)
    assert "4 in = 3 out + 1 dropped" in said
    assert "positives were not looked at, without --corpus: 4" in said


def test_books_name_every_set(sea: Path, tmp_path: Path) -> None:
    other = write_jsonl(
        tmp_path / "bread.jsonl", [{"query": "Is rye heavier than wheat flour is?"}]
    )
    data = write_jsonl(
        tmp_path / "d.jsonl", [{"doc_id": "1", "text": SHORT}, {"doc_id": "2", "text": OTHER}]
    )
    out = tmp_path / "out"
    said = ok("decontaminate", data, "-o", out, "--against", sea, "--against", f"rye={other}")
    assert "contaminated by sea, queries: 1" in said
    assert "contaminated by sea, passages: 0" in said
    assert "contaminated by rye, queries: 0" in said
    assert "evaluation texts of sea, queries: 3" in said
    assert "contaminated by rye, queries: 0" in cli("inspect", out).stdout
    (dropped,) = files(out, "_rejected/*.jsonl").values()
    assert json.loads(dropped)["rejected"] == "dropped"


def mixed(count: int) -> Iterator[dict[str, Any]]:
    """Yield passages, every third of which holds an evaluation text."""
    draw = random.Random(5)
    for number in range(count):
        text = " ".join(draw.choices(WORDS[200:], k=50))
        if number % 3 == 0:
            text = f"{text} {[LONG, MIDDLE, SHORT][number % 9 // 3]} {text}"
        yield {"doc_id": f"d{number}", "text": text}


def test_the_same_rows_any_way_it_is_run(sea: Path, tmp_path: Path) -> None:
    data, command = tmp_path / "data", ["--against", sea]
    rows = list(mixed(90))
    for shard in range(3):
        io.write(data / f"{shard:05d}.parquet", rows[30 * shard : 30 * shard + 30])
    ok("decontaminate", data, "-o", tmp_path / "one", *command)
    ok("decontaminate", data, "-o", tmp_path / "two", *command, "--workers", 2)
    assert files(tmp_path / "one", "*.parquet", "_rejected/*") == files(
        tmp_path / "two", "*.parquet", "_rejected/*"
    )
    piped = cli("decontaminate", data, "-o", "-", *command)
    kept = [json.loads(line) for line in piped.stdout.splitlines()]
    assert len(kept) == 60
    assert kept == run(rows, sea)[0] == list(io.read_all(tmp_path / "one"))
    shuffled = random.Random(1).sample(rows, len(rows))
    assert sorted(r["doc_id"] for r in run(shuffled, sea)[0]) == sorted(r["doc_id"] for r in kept)
    said = ok("decontaminate", tmp_path / "one", "-o", tmp_path / "again", *command)
    assert "60 in = 60 out + 0 dropped" in said


def test_killed_it_goes_on_to_the_same_bytes(sea: Path, tmp_path: Path) -> None:
    data, rows = tmp_path / "data", list(mixed(6000))
    for shard in range(6):
        io.write(data / f"{shard:05d}.parquet", rows[1000 * shard : 1000 * shard + 1000])
    ok("decontaminate", data, "-o", tmp_path / "whole", "--against", sea)
    command = ["decontaminate", data, "-o", tmp_path / "killed", "--against", sea]
    process = subprocess.Popen([sys.executable, "-m", "gpte_data", *map(str, command)])
    first = tmp_path / "killed" / "_done" / "00000.json"
    while not first.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    ok(*command)
    for pattern in ("*.parquet", "_rejected/*"):
        assert files(tmp_path / "killed", pattern) == files(tmp_path / "whole", pattern)


def test_another_evaluation_set_is_other_work(sea: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", list(mixed(6)))
    out = tmp_path / "out"
    ok("decontaminate", data, "-o", out, "--against", sea)
    assert "nothing to do" in ok("decontaminate", data, "-o", out, "--against", sea)
    with (sea / "queries.jsonl").open("a") as file:
        file.write('{"_id": "new", "text": "one more query of many words"}\n')
    assert "against" in cli("decontaminate", data, "-o", out, "--against", sea).sentence()


def test_similar_texts_go_where_a_teacher_is_asked(sea: Path, tmp_path: Path) -> None:
    said = "In which way is the sea moved by the tides?"
    assert one(said, sea) is None
    found = one(said, sea, max_similarity=0.7)
    assert found is not None
    assert found["rules"] == [SIMILAR]
    assert found["eval_id"] == "short"
    assert 0.7 <= found["similarity"] < 1
    assert one(OTHER, sea, max_similarity=0.7) is None
    data = write_jsonl(tmp_path / "d.jsonl", [{"text": said}, {"text": OTHER}, {"text": " "}])
    out = tmp_path / "out"
    told = ok("decontaminate", data, "-o", out, "--against", sea, "--max-similarity", 0.7)
    assert "3 in = 2 out + 1 dropped (similar to an evaluation text: 1)" in told


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda f: f / "none", "does not exist: give a BEIR folder"),
        (lambda f: write_jsonl(f / "e.jsonl", []), "is empty: expected at least one eval"),
        (lambda f: write_jsonl(f / "e.jsonl", [{"text": "!?"}]), "no evaluation text with a word"),
        (lambda f: write_jsonl(f / "e.jsonl", [{"query": 3}]), "query is no text but int"),
        (lambda f: write_jsonl(f / "b" / "corpus.jsonl", [{"_id": "1", "text": "x"}]).parent,
         "has no queries.jsonl, which a BEIR folder has"),
        (lambda f: write_jsonl(f / "b" / "queries.jsonl", [{"_id": "1", "text": "x"}]).parent,
         "has no corpus.jsonl, which a BEIR folder has: leave passages out with --passages none"),
    ],
)  # fmt: skip
def test_bad_evaluation_sets(tmp_path: Path, make: Callable[[Path], Path], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        run([{"text": OTHER}], make(tmp_path))


def test_bad_input_is_one_sentence(sea: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"query": "a"}\n{"query": \n')
    good = write_jsonl(tmp_path / "d.jsonl", [{"doc_id": "1", "text": OTHER}])
    out = tmp_path / "out"
    assert (
        "broken.jsonl, line 2"
        in cli("decontaminate", good, "-o", out, "--against", broken).sentence()
    )
    odd = write_jsonl(tmp_path / "odd.jsonl", [{"text": OTHER}, {"body": 3}])
    assert "row 2 is neither" in cli("decontaminate", odd, "-o", out, "--against", sea).sentence()
    rows, corpus = pairs_and_corpus(tmp_path / "corpus")
    pairs = write_jsonl(tmp_path / "p.jsonl", [rows[0] | {"positives": ["gone"]}])
    told = cli("decontaminate", pairs, "-o", out, "--against", sea, "--corpus", corpus).sentence()
    assert "'a' names 'gone', which is not in" in told
    told = cli("decontaminate", good, "-o", out, "--against", sea, "--split", "dev").sentence()
    assert "no qrels/dev.tsv: --split takes one of test, train" in told
    assert "--against" in cli("decontaminate", good, "-o", out).sentence()
    told = cli("decontaminate", good, "-o", out, "--against", "mteb:SciFact").sentence()
    assert "mteb" in told
    inside = cli("decontaminate", good, "-o", sea / "out", "--against", sea).sentence()
    assert "is the folder that is read, or inside it" in inside
    assert not out.exists()


def test_two_sets_of_one_name(sea: Path, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="two evaluation sets are called sea: name them"):
        run([], sea, beir(tmp_path / "other" / "sea"))


def test_many_alike_and_very_long_texts(tmp_path: Path) -> None:
    """Sentences that thousands of evaluation texts have cost little and hide nothing."""
    pattern = "this is a very common sentence of which all answers in the set have one copy inside"
    texts = [f"{pattern} {WORDS[n]} {WORDS[n + 1]} {pattern}" for n in range(3000)]
    rows = [{"text": text} for text in [*texts, *texts[:500], " ", "the of and in to a is it"]]
    path = write_jsonl(tmp_path / "many.jsonl", rows)
    found = one(f"{OTHER} {texts[77]} {OTHER}", path)
    assert found is not None
    assert (found["overlap"], found["eval_id"]) == (1.0, "78")
    long = " ".join(random.Random(3).choices(WORDS, k=1_000_000))
    assert one(long, path) is None
    assert (one(f"{long} {texts[5]} {long}", path) or {}).get("eval_id") == "6"
    assert one(" ", path) is None
    assert one("it is in a and to of the", path) is None


@pytest.mark.skipif(not (SHARED / "acl-anthology").is_dir(), reason="needs the shared data")
def test_planted_texts_are_found_among_abstracts(tmp_path: Path) -> None:
    draw = random.Random(11)
    names = ("queries.jsonl", "corpus.jsonl")
    read = (row for name in names for row in io.read(SHARED / "cranfield" / name))
    texts = [row["text"] for row in read if len(row["text"].split()) > 4]
    with gzip.open(SHARED / "acl-anthology" / "corpus.jsonl.gz", "rt") as file:
        abstracts = [json.loads(line)["text"] for line, _ in zip(file, range(3000), strict=False)]
    ways: list[Callable[[str], str]] = [*WAYS.values(), one_in_twenty]
    planted = [draw.choice(ways)(text) for text in draw.sample(texts, 300)]
    rows = [{"doc_id": f"p{n}", "text": text} for n, text in enumerate(planted)]
    rows += [{"doc_id": f"a{n}", "text": text} for n, text in enumerate(abstracts)]
    kept, rejected = run(rows, SHARED / "cranfield")
    assert [row["doc_id"] for row in kept] == [f"a{n}" for n in range(len(abstracts))]
    assert len(rejected) == 300


def test_positives_that_are_gone(tmp_path: Path) -> None:
    """A corpus that was filtered before lacks some: an error, or they are left out and counted."""
    io.write(tmp_path / "corpus" / "00000.parquet", [{"doc_id": "bread", "text": OTHER}])
    rows = [
        {"query_id": "a", "query": "why does bread rise", "positives": ["gone", "bread"]},
        {"query_id": "b", "query": "what is gone is gone", "positives": ["gone"]},
    ]
    given: dict[str, Any] = {"against": (str(beir(tmp_path / "eval")),)}
    given["corpus"] = (tmp_path / "corpus",)
    with pytest.raises(BadInput, match=r"names 'gone'.*--missing-positives drop"):
        list(load("decontaminate")(rows, **given))
    lost: list[Rejected] = []
    stage = load("decontaminate")
    kept = list(stage(rows, on_reject=lost.append, missing_positives="drop", **given))
    assert [row["positives"] for row in kept] == [["bread"]]
    assert [one.row["rules"] for one in lost] == [["no positive in the corpus"]]
