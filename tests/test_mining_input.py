"""What pairs and corpora mining is given: odd ones are mined for, wrong ones told in a sentence."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, files, ok

from gpte_data import io
from gpte_data.errors import BadOption
from gpte_data.mining.mine_options import MineConfig
from gpte_data.stage import Row

PASSAGES = 600


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Passages in three shards, without vectors of their own."""
    folder = tmp_path_factory.mktemp("input") / "corpus"
    for number in range(3):
        rows = [passage(n) for n in range(number * 200, number * 200 + 200)]
        io.write(folder / f"{number:05d}.parquet", rows)
    return folder


def passage(n: int) -> Row:
    return {"doc_id": f"d{n}", "text": f"Passage {n} of many"}


def pair(n: int, *positives: int) -> Row:
    own = [f"d{one}" for one in positives or (n,)]
    return {"query_id": f"q{n}", "query": f"which is passage {n}", "positives": own}


class Case:
    """Pairs over a corpus, with vectors that were made before: no model is loaded."""

    def __init__(self, folder: Path, corpus: Path) -> None:
        self.folder, self.corpus = folder, corpus
        self.out, self.pairs = folder / "out", folder / "pairs.jsonl"

    def write(self, rows: Iterable[Any], passages: int = PASSAGES) -> "Case":
        rows, random = list(rows), np.random.default_rng(0)
        self.pairs.write_bytes(b"".join(io.to_line(row) for row in rows))
        (self.folder / "v").mkdir(exist_ok=True)
        np.save(self.folder / "v" / "documents.npy", random.normal(size=(passages, 24)))
        np.save(self.folder / "v" / "queries.npy", random.normal(size=(len(rows), 24)))
        return self

    def command(self, *options: object) -> tuple[object, ...]:
        teacher = ("--teacher", f"vectors:{self.folder / 'v'}")
        return ("mine-negatives", self.pairs, "-o", self.out, "--corpus", self.corpus, *teacher,
                *options)  # fmt: skip

    def mined(self, *options: object) -> list[Row]:
        ok(*self.command(*options))
        return list(io.read_all(self.out))

    def wrong(self, *options: object) -> str:
        """Return the sentence of a command that must fail and leave no output behind."""
        sentence = cli(*self.command(*options)).sentence()
        assert not self.out.exists()
        return sentence


@pytest.fixture
def case(tmp_path: Path, corpus: Path) -> Case:
    return Case(tmp_path, corpus)


# Odd


def test_a_query_may_have_five_hundred_positives(case: Case) -> None:
    rows = [pair(0, *range(500)), *(pair(n) for n in range(1, 30)), pair(30, *range(PASSAGES))]
    found = case.write(rows).mined("--top-k", 50)
    many, every = found[0], found[-1]
    assert len(many["candidates"]) == 50 and len(many["positive_scores"]) == 500
    assert not {hit["doc_id"] for hit in many["candidates"]} & set(many["positives"])
    assert len(many["positive_evidence"]) == len(many["positive_ranks"]) == 500
    assert len(every.get("candidates", ())) == 0, "all passages are its positives"
    assert all(len(row["candidates"]) == 50 for row in found[1:-1])


def test_k_may_be_larger_than_the_corpus(case: Case) -> None:
    found = case.write([pair(n) for n in range(3)]).mined("--top-k", 100_000)
    assert [len(row["candidates"]) for row in found] == [PASSAGES - 1] * 3
    assert [hit["rank"] for hit in found[0]["candidates"]] == list(range(1, PASSAGES))


def test_a_corpus_of_one_passage_has_no_candidates(case: Case, tmp_path: Path) -> None:
    case.corpus = tmp_path / "one"
    io.write(case.corpus / "00000.parquet", [passage(0)])
    case.write([pair(0)], passages=1)
    ended = cli(*case.command())
    assert ended.rc == 0, ended.stderr
    assert "queries with fewer than 5 negatives: 1" in ended.stderr
    (row,) = io.read_all(case.out)
    assert len(row.get("candidates", ())) == 0 and len(row["positive_scores"]) == 1


def test_the_same_positive_twice_is_one(case: Case) -> None:
    (row,) = case.write([pair(0, 7, 7, 3, 7)]).mined("--top-k", 5)
    assert row["positives"] == ["d7", "d3"] and len(row["positive_scores"]) == 2


def test_pairs_without_query_or_positive_are_dropped_with_a_reason(case: Case) -> None:
    rows = [pair(0), pair(1) | {"query": " \n"}, pair(2) | {"positives": []}, pair(3)]
    said = ok(*case.write(rows).command("--top-k", 5))
    assert "4 in = 2 out + 2 dropped" in said
    assert "empty query: 1" in said and "no positive in the corpus: 1" in said


def test_positives_that_are_missing_may_be_left_out(case: Case) -> None:
    rows = [pair(0, 0, 9999), pair(1, 9998)]
    assert "'q0' has the positive 'd9999', which is not in" in case.write(rows).wrong()
    said = ok(*case.command("--missing-positives", "drop", "--top-k", 5))
    assert "2 in = 1 out + 1 dropped (no positive in the corpus: 1)" in said
    assert "positives not in the corpus, left out: 2" in said


@pytest.mark.parametrize("teachers", [["bm25"], []])
def test_what_a_filter_took_out_is_no_negative(case: Case, teachers: list[str]) -> None:
    taken = {
        "dropped_positives": ["d1", "d2"], "contaminated_positives": ["d2", "gone"],
        "relabelled_from": ["d3"],
    }  # fmt: skip
    more = [part for one in teachers for part in ("--teacher", one)]
    (row,) = case.write([pair(0) | taken]).mined("--top-k", 100_000, *more)
    found = {hit["doc_id"] for hit in row["candidates"]}
    assert len(found) == PASSAGES - 4 and not found & {"d0", "d1", "d2", "d3"}
    assert row["positives"] == ["d0"] and len(row["positive_scores"]) == 1


# Wrong


def test_ids_must_be_unique_over_two_corpora(case: Case, tmp_path: Path) -> None:
    case.write([pair(0)])
    io.write(tmp_path / "more" / "00000.parquet", [passage(9000), passage(321)])
    told = case.wrong("--corpus", tmp_path / "more")
    assert "holds doc_id 'd321' twice: ids must be unique over a corpus" in told
    assert str(case.corpus) in told and str(tmp_path / "more") in told


def test_no_false_negatives_at_all_can_not_be_promised(case: Case) -> None:
    told = case.write([pair(0)]).wrong("--max-false-negatives", 0)
    assert "--max-false-negatives 0" in told and "greater than 0" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_false_negatives", 1.5), ("num_negatives", 0), ("top_k", 0), ("relative_margin", 1),
        ("relative_margin", -0.1), ("absolute_margin", -1), ("margin_against", "median"),
        ("min_rank", 0), ("max_rank", 0), ("max_positive_similarity", 2), ("temperature", 0),
        ("sampling", "best"), ("simans_a", -1), ("shortage", "fill"), ("same_text", 0),
        ("fusion", "sum"), ("max_length", 0), ("truncate_dim", 0), ("teacher", ()),
    ],
)  # fmt: skip
def test_options_out_of_range(corpus: Path, name: str, value: Any) -> None:
    with pytest.raises(BadOption, match="--" + name.replace("_", "-")):
        MineConfig.of({"corpus": (corpus,), name: value})


@pytest.mark.parametrize(
    "positives", ["d0", None, 7, ["d0", 7], [None], [["d0"]], [{"doc_id": "d0"}]]
)
def test_positives_that_are_no_ids(case: Case, positives: Any) -> None:
    case.write([pair(0), pair(1) | {"positives": positives}]).wrong()


@pytest.mark.parametrize("name", ["query_id", "query", "positives"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_pair_that_lacks_something_is_told(case: Case, name: str, place: int) -> None:
    rows = [pair(0), pair(1)]
    del rows[place][name]
    assert name in case.write(rows).wrong()


# Again


def test_the_second_run_does_nothing(case: Case) -> None:
    case.write([pair(n) for n in range(5)]).mined("--top-k", 10)
    before = {path: path.stat().st_mtime_ns for path in case.out.rglob("*")}
    assert "nothing to do" in ok(*case.command("--top-k", 10))
    assert {path: path.stat().st_mtime_ns for path in case.out.rglob("*")} == before


def refused(case: Case, *options: object) -> str:
    """Run the command over an output that it must leave as it is."""
    before = files(case.out)
    sentence = cli(*case.command(*options)).sentence()
    assert files(case.out) == before
    return sentence


def test_another_choice_is_refused_and_named(case: Case) -> None:
    case.write([pair(n) for n in range(5)]).mined("--top-k", 10)
    told = refused(case, "--top-k", 11, "--max-false-negatives", 0.2)
    assert "top_k: 10 -> 11" in told and "max_false_negatives: none -> 0.2" in told
    assert "relative_margin: none -> 0.05" in refused(
        case, "--top-k", 10, "--relative-margin", 0.05
    )
    assert len(case.mined("--top-k", 11, "--force")) == 5


def test_a_pair_more_is_refused_and_named(case: Case) -> None:
    """The whole input decides the price of each shard, so that no shard stands beside others'."""
    rows = [pair(n) for n in range(12)]
    case.write(rows)
    (case.folder / "v" / "queries.txt").write_text("".join(f"q{n}\n" for n in range(12)))
    case.pairs = case.folder / "pairs"
    for number in range(2):
        part = rows[5 * number : 5 * number + 5]
        io.write(case.pairs / f"{number:05d}.parquet", part)
    assert len(case.mined("--top-k", 10)) == 10
    io.write(case.pairs / "00001.parquet", rows[5:11])
    told = refused(case, "--top-k", 10)
    assert "was made with other settings" in told and "dataset: " in told
    io.write(case.pairs / "00001.parquet", rows[5:10])
    assert "nothing to do" in ok(*case.command("--top-k", 10))
    io.write(case.pairs / "00002.parquet", rows[10:])
    assert "dataset: " in refused(case, "--top-k", 10)
    assert len(case.mined("--top-k", 10, "--force")) == 12


def test_by_rules_alone_a_shard_more_is_added(case: Case) -> None:
    """A margin looks at no other pair: what is done stays as it is."""
    rows = [pair(n) for n in range(12)]
    case.write(rows)
    (case.folder / "v" / "queries.txt").write_text("".join(f"q{n}\n" for n in range(12)))
    case.pairs, options = case.folder / "pairs", ("--top-k", 10, "--relative-margin", 0.05)
    io.write(case.pairs / "00000.parquet", rows[:6])
    case.mined(*options)
    before = (case.out / "00000.parquet").stat()
    io.write(case.pairs / "00001.parquet", rows[6:])
    assert len(case.mined(*options)) == 12
    after = (case.out / "00000.parquet").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_what_stands_beside_positives_goes_with_them(tmp_path: Path, corpus: Path) -> None:
    """Of positives that are named twice or are not there, and of a mining that was filtered."""
    said = {"positive_pair_scores": [0.1, 0.2, 0.3, 0.4]}
    old = {"reranker": "maxsim", "rerank_scale": "cosine", "positive_rerank_scores": [1.0] * 4}
    old |= {"judged_by": "openai:m", "teachers": ["a", "b"]}
    case = Case(tmp_path, corpus).write(
        [pair(1) | {"positives": ["d1", "d1", "no", "d2"]} | said | old]
    )
    (row,) = case.mined("--missing-positives", "drop")
    assert row["positives"] == ["d1", "d2"]
    assert row["positive_pair_scores"] == pytest.approx([0.1, 0.4])
    assert len(row["positive_scores"]) == 2 and not old.keys() & row.keys()
