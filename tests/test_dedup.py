"""Duplicates: what is found, who stays, and that neither order nor repetition changes it."""

import json
import os
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, files, ok
from test_kill import killed_at

from gpte_data import io
from gpte_data.deduping.buckets import DEEPEST
from gpte_data.deduping.normal import normal
from gpte_data.deduping.shingles import Bands, Sets, band_keys, hashed, jaccard
from gpte_data.errors import BadInput, BadOption, UserError
from gpte_data.stage import Rejected, Row
from gpte_data.stages import load

SAME, NEAR, VECTORS = "same text as another", "near-duplicate (MinHash)", "near-duplicate (vectors)"


def dedup(rows: Iterable[Row], **options: Any) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return what stays and what goes, by id."""
    gone: list[Rejected] = []
    stays = list(load("dedup")(rows, on_reject=gone.append, **options))
    name = "query_id" if stays and "query_id" in stays[0] else "doc_id"
    rejected = {r.row[name]: r.row | {"reason": r.reason} for r in gone}
    assert len(stays) + len(gone) == len(list(rows))
    return {row[name]: row for row in stays}, rejected


def passages(*texts: str) -> list[Row]:
    return [{"doc_id": f"d{n}", "text": text} for n, text in enumerate(texts)]


def words(count: int, seed: int, vocabulary: int = 3000) -> list[str]:
    dice = random.Random(seed)
    return [f"w{dice.randrange(vocabulary)}" for _ in range(count)]


def naive(text: str, size: int = 5) -> set[str]:
    split = normal(text).split()
    return {" ".join(split[n : n + size]) for n in range(max(1, len(split) - size + 1))}


def similar(one: str, other: str) -> float:
    mine, its = naive(one), naive(other)
    return len(mine & its) / len(mine | its)


def near(text: str, seed: int, least: float = 0.8) -> str:
    """Return a text with words changed as long as the similarity is enough."""
    dice, kept = random.Random(seed), text
    for _ in range(30):
        changed = kept.split()
        changed[dice.randrange(len(changed))] = f"x{dice.randrange(10**6)}"
        if similar(text, " ".join(changed)) < least:
            return kept
        kept = " ".join(changed)
    return kept


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Soap is made of fat, and lye.", "SOAP is  made of fat and lye"),
        ("ﬁne naïve caﬀé", "Fine naïve caffé"),
        ("Die Straße", "DIE STRASSE!"),
        ("ὁ λόγος", "Ὁ ΛΌΓΟΣ"),
        ("ısı İzmir", "ISI izmir"),
        ("सोडियम का उपयोग", "सोडियम, का उपयोग।"),
        ("北京是中国的首都。", "北京 是 中国 的 首都"),
        ("ประเทศไทย", "ประเทศ ไทย"),
        ("co\u00adoperate\u200b", "cooperate"),
    ],
)
def test_what_says_the_same_is_a_copy(one: str, other: str) -> None:
    stays, gone = dedup(passages(one, other), by="exact")
    assert len(stays) == 1
    (row,) = gone.values()
    assert (row["reason"], row["rules"], row["similarity"]) == (SAME, [SAME], 1.0)
    assert row["duplicate_of"] == next(iter(stays))
    assert stays[row["duplicate_of"]]["duplicates"] == [row["doc_id"]]


def test_what_says_something_else_is_none() -> None:
    texts = "what is C++?", "what is C#?", "what is C?", "???", "!!!", "a < b", "a > b", "का", "क"
    stays, _ = dedup(passages(*texts), by="exact")
    assert len(stays) == len(texts)


def test_shingles_are_those_of_the_definition() -> None:
    texts = [" ".join(words(n, n)) for n in (1, 4, 5, 6, 200)] + ["naïve 北京", ""]
    made = hashed(texts, [False] * 6 + [True], 5)
    sizes = [len(naive(text)) for text in texts[:5]]
    assert made.sizes.tolist()[:5] == sizes
    by_character = hashed(["naïve 北京", "abc"], [True, True], 3)
    assert by_character.sizes.tolist() == [6, 1]


def test_jaccard_of_hashes_is_that_of_shingles() -> None:
    one = " ".join(words(120, 1))
    for seed in range(20):
        other = near(one, seed, 0.5)
        made = hashed([one, other], [False, False], 5)
        mine, its = np.split(made.values, [int(made.sizes[0])])
        assert jaccard(mine, its) == pytest.approx(similar(one, other))


def test_bands_find_as_many_as_they_say() -> None:
    """Of sets with a given similarity, as many share a band as the formula says."""
    bands, dice = Bands.at(0.8), np.random.default_rng(7)
    assert bands.finds(0.8) >= 0.995
    for common, expected in ((160, bands.finds(0.8)), (100, bands.finds(100 / 260))):
        found = 0
        for _ in range(400):
            numbers = np.unique(dice.integers(0, 1 << 32, 700, dtype=np.uint32))
            dice.shuffle(numbers)
            own = (200 - common) // (2 if common == 160 else 1)
            one = np.concatenate([numbers[:common], numbers[common : common + own]])
            other = np.concatenate([numbers[:common], numbers[400 : 400 + own]])
            sets = Sets(
                np.concatenate([np.sort(one), np.sort(other)]), np.array([len(one), len(other)])
            )
            keys = band_keys(sets, bands)
            found += bool((keys[:, 0] == keys[:, 1]).any())
        similarity = common / (common + 2 * own)
        assert found / 400 == pytest.approx(bands.finds(similarity), abs=0.06), expected


def planted() -> list[Row]:
    """300 texts, a near copy of each, and 40 copies in capitals."""
    texts = [" ".join(words(150, seed, 200_000)) for seed in range(300)]
    rows = [{"doc_id": f"a{n}", "text": text} for n, text in enumerate(texts)]
    rows += [{"doc_id": f"b{n}", "text": near(text, n)} for n, text in enumerate(texts)]
    return rows + [{"doc_id": f"c{n}", "text": texts[n].upper()} for n in range(40)]


def test_near_copies_are_found_and_only_they() -> None:
    rows = planted()
    stays, gone = dedup(rows)
    texts = {row["doc_id"]: row["text"] for row in rows}
    kin = {int(name[1:]) for name in gone}
    assert len(kin) >= 0.98 * 300
    for name, row in gone.items():
        of = row["duplicate_of"]
        assert of in stays and of[1:] == name[1:] and name in stays[of]["duplicates"]
        assert row["similarity"] == pytest.approx(similar(texts[name], texts[of]), abs=1e-4)
        assert row["reason"] == (SAME if row["similarity"] == 1 else NEAR)


@pytest.mark.parametrize("survivor", ["longest", "shortest", "id"])
def test_neither_order_nor_repetition_changes_anything(survivor: str) -> None:
    rows = planted()
    stays, gone = dedup(rows, survivor=survivor)
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert dedup(shuffled, survivor=survivor) == (stays, gone)
    again, nothing = dedup(list(stays.values()), survivor=survivor)
    assert (again, nothing) == (stays, {})


def test_who_stays() -> None:
    rows = passages("The cat sat.", "the cat sat", "THE CAT SAT")
    rows.append({"doc_id": "a", "text": "the cat sat"})
    assert set(dedup(rows, survivor="id")[0]) == {"a"}
    long, short = " ".join(words(60, 1)), " ".join(words(58, 1))
    rows = passages(short, long)
    assert set(dedup(rows)[0]) == {"d1"}
    assert set(dedup(rows, survivor="shortest")[0]) == {"d0"}
    assert set(dedup(rows, survivor="id")[0]) == {"d0"}


def test_no_chains() -> None:
    """B is near A and C near B, but C not near A: C stays."""
    text = words(104, 1)
    rows = passages(*(" ".join(text[start : start + 80 - start // 6]) for start in (0, 6, 12)))
    one, two, three = (row["text"] for row in rows)
    assert similar(one, two) >= 0.8 and similar(two, three) >= 0.8 > similar(one, three)
    stays, gone = dedup(rows)
    assert set(stays) == {"d0", "d2"}
    assert gone["d1"]["duplicate_of"] in stays


def test_rows_with_one_id_are_told_and_one_stays() -> None:
    rows: list[Row] = [
        {"doc_id": "a", "text": "one thing", "n": 1},
        {"doc_id": "a", "text": "one thing", "n": 2},
        {"doc_id": "a", "text": "quite another"},
        {"doc_id": "b", "text": "One thing"},
    ]
    results = []
    for seed in range(6):
        shuffled = random.Random(seed).sample(rows, 4)
        gone: list[Rejected] = []
        stays = list(load("dedup")(shuffled, on_reject=gone.append))
        assert [row["text"] for row in stays if row["doc_id"] == "a"] == ["quite another"]
        assert [r.reason for r in gone].count("doc_id met before") == 2
        results.append((stays, sorted(json.dumps(r.row, sort_keys=True) for r in gone)))
    assert all(len(stays) == 2 for stays, _ in results)
    assert all(told == results[0][1] for _, told in results)


def test_a_crowd_of_copies_and_of_cousins_is_no_square() -> None:
    """30,000 equal texts, and 2,000 that share most of their words but are no duplicates."""
    head = " ".join(words(60, 1))
    rows = [{"doc_id": f"e{n}", "text": "the very same words again"} for n in range(30_000)]
    rows += [
        {"doc_id": f"c{n}", "text": f"{head} {' '.join(words(25, n + 9))}"} for n in range(2000)
    ]
    stays, gone = dedup(rows)
    assert len(gone) == 29_999
    assert len(next(row for row in stays.values() if "duplicates" in row)["duplicates"]) == 29_999
    assert len(stays) == 2001 and DEEPEST < 2000


def test_short_texts_are_compared_by_characters() -> None:
    queries = "how is soap made from olive oil and lye", "how is soap made from olive oil and lyes"
    rows = [
        {"query_id": f"q{n}", "query": query, "positives": [f"p{n}"]}
        for n, query in enumerate([*queries, "how is glass made from sand"])
    ]
    stays, gone = dedup(rows)
    assert set(stays) == {"q1", "q2"}
    assert gone["q0"]["rules"] == [NEAR]
    # By pair they are two: they have other positives.
    assert len(dedup(rows, on="pair")[0]) == 3
    assert set(dedup([row | {"positives": ["p"]} for row in rows], on="pair")[1]) == {"q0"}


def test_across_the_limit_of_short_texts_pairs_are_found() -> None:
    for count in range(16, 30):
        text = words(count, 5)
        rows = passages(" ".join(text), " ".join([*text, "w1"]))
        if similar(rows[0]["text"], rows[1]["text"]) >= 0.8:
            assert len(dedup(rows)[0]) == 1, count


def write(path: Path, rows: list[Row], shard: int = 50) -> Path:
    for number, start in enumerate(range(0, len(rows), shard)):
        io.write(path / f"{number:05d}.parquet", rows[start : start + shard])
    return path


def test_other_datasets_win(tmp_path: Path) -> None:
    text = " ".join(words(80, 1))
    ours = passages(text, near(text, 2), "soap is made of fat", "glass is made of sand")
    theirs = [
        {"doc_id": "t", "text": text.upper()},
        {"doc_id": "t2", "text": "Soap is made of fat"},
    ]
    theirs.append({"doc_id": "t3", "text": "soap is made of fat."})
    one, two = write(tmp_path / "a" / "corpus", theirs[:1]), write(tmp_path / "b", theirs[1:])
    stays, gone = dedup(ours, against=(one, two))
    assert set(stays) == {"d3"} and "duplicates" not in stays["d3"]
    assert {name: row["duplicate_of"] for name, row in gone.items()} == {
        "d0": "corpus/t", "d1": "corpus/t", "d2": "b/t2",
    }  # fmt: skip
    assert gone["d1"]["reason"] == NEAR and gone["d0"]["reason"] == SAME
    three = write(tmp_path / "c" / "corpus", theirs)
    _, gone = dedup(ours, against=(three, one))
    assert gone["d0"]["duplicate_of"] == "c/corpus/t"


def test_by_vectors(tmp_path: Path) -> None:
    texts = [
        "A cat sleeps on the warm windowsill in the afternoon.",
        "In the afternoon a cat sleeps on the warm window sill.",
        "The bond's coupon is paid twice a year.",
        "A CAT sleeps on the warm windowsill in the afternoon",
    ]
    corpus, out = write(tmp_path / "corpus", passages(*texts), 2), tmp_path / "out"
    by = ("--by", "exact,minhash,semantic", "--cosine", 0.9)
    ok("dedup", corpus, "-o", out, *by)
    (vectors,) = (corpus / "_vectors").iterdir()
    assert len(list(vectors.glob("*.npy"))) == 2
    stays = {row["doc_id"]: row for row in io.read_all(out)}
    assert set(stays) == {"d1", "d2"} and set(stays["d1"]["duplicates"]) == {"d0", "d3"}
    gone = {r["doc_id"]: r for p in out.glob("_rejected/*") for r in io.read(p)}
    assert all(row["rules"] == [VECTORS] and row["similarity"] > 0.9 for row in gone.values())
    # A function's rows have no place for vectors, and stdin only until the end.
    assert dedup(passages(*texts), by="semantic", cosine=0.9)[0] == stays
    lines = b"".join(map(io.to_line, passages(*texts)))
    piped = cli("dedup", "-", "-o", "-", *by, input=lines)
    assert [json.loads(line) for line in piped.stdout.splitlines()] == list(stays.values())
    # Queries keep theirs beside the pairs; the other dataset's vectors too.
    pairs = [
        {"query_id": f"q{n}", "query": text, "positives": ["p"]} for n, text in enumerate(texts)
    ]
    one, other = write(tmp_path / "pairs", pairs[:3]), write(tmp_path / "others", pairs[3:])
    ok("dedup", one, "-o", tmp_path / "own", *by, "--against", other)
    assert [row["query_id"] for row in io.read_all(tmp_path / "own")] == ["q2"]
    assert (one / "_vectors").is_dir() and (other / "_vectors").is_dir()


def test_pairs_with_what_their_positives_say(tmp_path: Path) -> None:
    corpus = write(tmp_path / "corpus", passages("soap is fat", "Soap is fat.", "glass is sand"))
    pairs = [
        {"query_id": f"q{n}", "query": "what is it?", "positives": [f"d{n}"]} for n in range(3)
    ]
    assert len(dedup(pairs, on="pair")[0]) == 3
    for by in ("exact", "exact,semantic"):
        assert set(dedup(pairs, on="pair", corpus=(corpus,), by=by)[0]) == {"q0", "q2"}


def run(*args: object, out: Path) -> dict[str, bytes]:
    ok("dedup", *args, "-o", out)
    return files(out, "*.parquet", "_rejected/*")


def test_everywhere_the_same_bytes(tmp_path: Path) -> None:
    rows = random.Random(3).sample(planted(), 640)
    corpus = write(tmp_path / "corpus", rows, 130)
    wanted = run(corpus, out=tmp_path / "one")
    assert len([name for name in wanted if name.endswith("parquet")]) == 5
    assert run(corpus, "--workers", 2, out=tmp_path / "two") == wanted
    assert run(corpus, "--workers", 2, "--engine", "ray", out=tmp_path / "ray") == wanted
    stays, _ = dedup(rows)
    assert [row["doc_id"] for row in io.read_all(tmp_path / "one")] == list(stays)
    piped = cli("dedup", corpus, "-o", "-").stdout.splitlines()
    assert [json.loads(line) for line in piped] == list(stays.values())
    again = ok("dedup", tmp_path / "one", "-o", tmp_path / "again")
    assert f"{len(stays)} in = {len(stays)} out" in again
    jsonl = tmp_path / "rows.jsonl"
    jsonl.write_bytes(b"".join(map(io.to_line, rows)))
    ok("dedup", jsonl, "-o", tmp_path / "three", "--limit", 300)
    assert [row["doc_id"] for row in io.read_all(tmp_path / "three")] == list(dedup(rows[:300])[0])


def test_killed_it_goes_on(tmp_path: Path) -> None:
    corpus = write(tmp_path / "corpus", planted()[:400], 100)
    wanted, out, kills = run(corpus, out=tmp_path / "unbroken"), tmp_path / "out", 0
    while killed_at("before the mark", 1, "dedup", corpus, "-o", out):
        kills += 1
        assert kills < 9
    assert kills >= 2
    assert files(out, "*.parquet", "_rejected/*") == wanted


def test_another_row_anywhere_is_another_run(tmp_path: Path) -> None:
    corpus, other = (
        write(tmp_path / "corpus", planted()[:99]),
        write(tmp_path / "o", planted()[5:9]),
    )
    command = ("dedup", corpus, "--against", other, "-o", tmp_path / "out")
    ok(*command)
    assert "nothing to do" in ok(*command)
    write(other, planted()[5:8])
    assert "against" in cli(*command).sentence()
    assert "jaccard: 0.8 -> 0.7" in cli(*command[:2], *command[4:], "--jaccard", 0.7).sentence()


def test_pairs_follow_their_passages(tmp_path: Path) -> None:
    corpus, distinct = tmp_path / "corpus", tmp_path / "distinct"
    write(corpus, passages("soap is fat", "Soap is fat!", "SOAP is fat", "glass is sand", "iron"))
    ok("dedup", corpus, "-o", distinct)
    hits = [
        {"doc_id": name, "rank": n, "score": 0.5, "verdict": "keep", "reason": "r", "choice": n}
        for n, name in enumerate(["d3", "d2", "d4", "d3"], 1)
    ]
    hits[3] |= {"verdict": "drop", "reason": "by mining"}
    pair = {
        "query_id": "q", "query": "what is soap?", "positives": ["d1", "d3", "d2"],
        "positive_scores": [0.5, 0.25, 0.75], "negatives": ["d2", "d4", "other"],
        "candidates": hits,
    }  # fmt: skip
    plain = {"query_id": "r", "query": "iron?", "positives": ["d4"], "candidates": hits[:1]}
    pairs, out = write(tmp_path / "pairs", [pair, plain]), tmp_path / "out"
    told = ok("dedup", pairs, "-o", out, "--moved", distinct)
    assert "positives: passages that stand for another now: 2" in told
    row, other = io.read_all(out)
    assert (row["positives"], row["positive_scores"]) == (["d0", "d3"], [0.5, 0.25])
    assert row["negatives"] == ["d4", "other"]
    found = [(hit["doc_id"], hit["verdict"], hit["reason"]) for hit in row["candidates"]]
    assert found == [
        ("d3", "drop", "same text as a positive"), ("d0", "drop", "same text as a positive"),
        ("d4", "keep", "r"), ("d3", "drop", "by mining"),
    ]  # fmt: skip
    assert row["candidates"][0]["rules"] == ["same text as a positive"]
    assert row["candidates"][3]["rules"] == ["by mining", "same text as a positive"]
    assert other["positives"] == ["d4"] and other["candidates"][0]["verdict"] == "keep"
    # A positive that becomes a negative's passage is one; so is one that a filter took out.
    taken = {"positives": ["d1"], "negatives": ["d0", "d4"], "dropped_positives": ["d2"]}
    (met,) = load("dedup")([plain | taken], moved=(distinct,))
    assert (met["negatives"], met["dropped_positives"]) == (["d4"], ["d0"])
    # Moved first, then compared: two pairs are one when their passages are.
    twins = [pair | {"query_id": n, "positives": [n], "candidates": []} for n in ("d0", "d1")]
    assert len(dedup(twins, on="pair")[0]) == 2
    assert len(dedup(twins, on="pair", moved=(distinct,))[0]) == 1
    with pytest.raises(BadInput, match="it takes the output folder of dedup"):
        dedup(twins, moved=(corpus,))


def test_what_a_row_stood_for_stays_where_its_id_was_met_before() -> None:
    soap: Row = {"doc_id": "a", "text": "soap is fat"}
    mostly: Row = {"doc_id": "a", "text": "soap is mostly fat"}
    for first in (soap, mostly):
        for rows in ([first, soap | {"duplicates": ["x"]}], [soap | {"duplicates": ["x"]}, first]):
            assert [row.get("duplicates") for row in load("dedup")(rows)] == [["x"]]
    rows = [mostly, soap | {"duplicates": ["x"]}, mostly | {"doc_id": "0"}]
    assert [row.get("duplicates") for row in load("dedup")(rows)] == [["a", "x"]]


def test_what_went_once_is_remembered(tmp_path: Path) -> None:
    """What stayed in one run and goes in the next takes those along that it stood for."""
    stays, _ = dedup(passages("soap is fat", "Soap is fat"))
    longer = {"doc_id": "x", "text": "soap is fat"}
    stays, _ = dedup([*stays.values(), longer | {"doc_id": "a"}], survivor="id")
    assert stays["a"]["duplicates"] == ["d0", "d1"]


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([{"text": "x"}], {}, "dedup reads passages, with doc_id and text, or pairs"),
        ([{"doc_id": "a", "text": "x"}, {"doc_id": "b"}], {}, "the input, row 2 has no text"),
        ([{"doc_id": 7, "text": "x"}], {}, "row 1: doc_id must be a text, found '7' (int)"),
        ([{"doc_id": "a", "text": ["x"]}], {}, "text must be a text, found"),
        ([{"query_id": "a", "query": "x", "positives": "d"}], {"on": "pair"}, "a list of texts"),
        ([{"doc_id": "a", "text": "x"}], {"on": "query"}, "query_id"),
        ([{"doc_id": "a", "text": "x"}], {"by": "fuzzy"}, "--by takes exact, minhash, semantic"),
        ([{"doc_id": "a", "text": "x"}], {"by": "exact", "jaccard": 0.7}, "--jaccard changes noth"),
        ([{"doc_id": "a", "text": "x"}], {"cosine": 0.9}, "--cosine changes nothing here"),
        ([{"doc_id": "a", "text": "x"}], {"jaccard": 0.0}, "--jaccard 0.0 won't do"),
        ([{"doc_id": "a", "text": "x"}], {"corpus": ("c",)}, "--corpus is read with --on pair"),
        ([{"doc_id": "a", "text": "x"}], {"moved": (Path("c"),)}, "--moved is for pairs"),
        ([{"doc_id": "a", "text": "x"}], {"against": (Path("gone"),)}, "gone does not exist"),
        (
            [{"query_id": "a", "query": "x", "positives": ["d"]}],
            {"on": "pair", "by": "semantic"},
            "give their --corpus, or --on query",
        ),
    ],
)
def test_what_won_t_do_is_told(rows: list[Row], options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        dedup(rows, **options)


def test_bad_input_leaves_nothing_behind(tmp_path: Path) -> None:
    corpus = write(tmp_path / "corpus", passages("soap", "glass"))
    out = tmp_path / "out"
    assert "is the input itself" in cli("dedup", corpus, "-o", out, "--against", corpus).sentence()
    other = write(tmp_path / "other", [{"doc_id": "a", "title": "no text"}])
    told = cli("dedup", corpus, "-o", out, "--against", other).sentence()
    assert f"--against {other}, row 1 has no text" in told
    assert (
        "is the folder that is read"
        in cli("dedup", corpus, "-o", other, "--against", other).sentence()
    )
    pairs = write(tmp_path / "pairs", [{"query_id": "q", "query": "x", "positives": ["gone"]}])
    told = cli("dedup", pairs, "-o", out, "--on", "pair", "--corpus", corpus).sentence()
    assert "pair 'q' names 'gone', which is not in" in told
    assert "nothing to compare" not in told and not out.exists()
    assert issubclass(BadOption, UserError)


XQUAD = Path(os.environ.get("GPTE_SHARED_DATA", "")) / "xquad"


@pytest.mark.skipif(not XQUAD.is_dir(), reason="needs the shared data")
@pytest.mark.parametrize("language", ["ar", "de", "el", "hi", "ru", "th", "tr", "zh"])
def test_copies_in_other_languages(language: str) -> None:
    (path,) = sorted((XQUAD / language).glob("corpus.jsonl"))
    rows = [
        {"doc_id": str(row.get("_id", row.get("doc_id"))), "text": row["text"]}
        for row in io.read(path)
    ]
    kept = dedup(rows)[0].values()
    copies = [row | {"doc_id": f"copy {row['doc_id']}"} for row in kept]
    louder = [row | {"text": row["text"].upper().replace(" ", "  ") + "!"} for row in copies]
    assert len(dedup([*kept, *louder], by="exact")[0]) == len(kept)
    shorter = [row | {"text": row["text"][: -len(row["text"]) // 12]} for row in copies]
    assert len(dedup([*kept, *shorter])[0]) <= 1.01 * len(kept)


def test_a_query_keeps_the_positives_of_all_its_pairs(tmp_path: Path) -> None:
    rows = [
        {"query_id": "a", "query": "How do bonds work?", "positives": ["d1"]},
        {"query_id": "b", "query": "how do bonds work", "positives": ["d2", "d1"]},
        {"query_id": "c", "query": "HOW do bonds work", "positives": ["d3"]},
        {"query_id": "e", "query": "what is a mortgage?", "positives": ["d4"]},
    ]
    for given in (rows, rows[::-1]):
        kept = {row["query_id"]: row for row in load("dedup")(given)}
        assert kept.keys() == {"a", "e"}
        assert kept["a"]["positives"] == ["d1", "d2", "d3"] and kept["e"]["positives"] == ["d4"]
        assert list(load("dedup")(kept.values())) == list(kept.values())
    plain = {row["query_id"]: row for row in load("dedup")(rows, merge_positives=False)}
    assert plain["a"]["positives"] == ["d1"]
    mined = [row | {"candidates": [], "positive_scores": [0.5] * 2} for row in rows]
    assert {tuple(row["positives"]) for row in load("dedup")(mined)} == {("d1",), ("d4",)}
    scored = [row | {"positive_scores": [0.5] * len(row["positives"])} for row in rows]
    kept = {row["query_id"]: row for row in load("dedup")(scored)}
    assert "positive_scores" not in kept["a"] and kept["e"]["positive_scores"] == [0.5]
