"""What every filter promises, whatever its rules: one table, to which a new filter adds a line."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli, files, ok
from server import serve
from test_kill import killed_at
from tiny_models import tiny_cross_encoder

from gpte_data import io
from gpte_data.stage import Rejected, Row
from gpte_data.stages import load

PASSAGES, PAIRS, SHARD = 60, 40, 14
SAID = "river clay sand moon bread oven cell gene train steel law court bee hive star price"
WORDS = SAID.split()
RATINGS = {
    "someone": {"relevance": 1, "answerability": 2, "clarity": 3},
    "number": {"relevance": 5, "answerability": 4, "clarity": 4},
    "NUMBER": {"relevance": 5, "answerability": 3, "clarity": 4},
}
SCRIPT: dict[str, Any] = {
    "small": {"someone": "relevant", "NUMBER": "best", "number 2": "relevant", "number 4": "twice"},
    "rater": {"ratings": RATINGS},
    "large": {"someone": "relevant", "NUMBER": "best"},
}
"""What judges say of a passage by what stands in it: see `server_answers.verdicts`."""


def text(n: int) -> str:
    dice = random.Random(n)
    return " ".join(dice.choice(WORDS) for _ in range(12)) + f" number {n}"


def passages() -> list[Row]:
    """Passages; a few are shouted, a few hold an address, two say the same."""
    rows = [{"doc_id": f"d{n}", "text": text(n % 55)} for n in range(PASSAGES)]
    for n in range(0, PASSAGES, 7):
        rows[n]["text"] = rows[n]["text"].upper()
    for n in range(3, PASSAGES, 9):
        rows[n]["text"] += " write to someone@example.org or call +49 30 23125123"
    return rows


def pairs() -> list[Row]:
    """Queries with one to three positives, some of which are about something else."""
    return [
        {
            "query_id": f"q{n}",
            "query": " ".join(text(n).split()[:6]),
            "positives": [f"d{one % PASSAGES}" for one in range(n, n + 1 + n % 3)],
            "note": n,
        }
        for n in range(PAIRS)
    ]


def repeated() -> list[Row]:
    """Passages; some stand there again, nearly."""
    again = [{"doc_id": f"e{n}", "text": f"{text(n)}, more"} for n in range(0, PASSAGES, 5)]
    return [*passages(), *again]


def asked_again() -> list[Row]:
    """Pairs; some ask again, shouted, or nearly in the same words."""
    rows = pairs()
    shouted = [row | {"query_id": f"s{n}", "query": row["query"].upper()}
               for n, row in enumerate(rows) if n % 6 == 0]  # fmt: skip
    near = [row | {"query_id": f"t{n}", "query": f"{row['query']}s"}
            for n, row in enumerate(rows) if n % 4 == 1]  # fmt: skip
    return [*rows, *shouted, *near]


def mined() -> list[Row]:
    def hit(n: int, rank: int) -> Row:
        score = 0.9 - rank / 10
        return {"doc_id": f"d{(n + 5 * rank) % PASSAGES}", "rank": rank, "score": score,
                "source": "t", "verdict": "keep", "reason": "r"}  # fmt: skip

    return [
        row | {"positives": row["positives"][:1], "positive_scores": [0.9],
               "candidates": [hit(n, rank) for rank in range(1, 6)]}
        for n, row in enumerate(pairs())
    ]  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a test works."""

    folder: Path
    url: str

    @property
    def corpus(self) -> Path:
        corpus = self.folder / "corpus"
        if not corpus.exists():
            io.write(corpus / "00000.parquet", passages())
        return corpus

    @property
    def teacher(self) -> str:
        """Vectors made before, so that no model is loaded: what a text is near to is its words."""
        folder = self.folder / "vectors"
        if not folder.exists():
            folder.mkdir()
            for name, rows, key, said in (
                ("documents", passages(), "doc_id", "text"),
                ("queries", pairs(), "query_id", "query"),
            ):
                bags = [[row[said].lower().split().count(w) + 0.01 for w in WORDS] for row in rows]
                np.save(folder / f"{name}.npy", np.array(bags))
                (folder / f"{name}.txt").write_text("\n".join(row[key] for row in rows))
        return f"vectors:{folder}"

    @property
    def evaluation(self) -> Path:
        """Some of the passages and queries, as if a model were to be tested on them."""
        path = self.folder / "evaluation.jsonl"
        rows = [{"text": text(n)} for n in range(4, 20)]
        rows += [{"query": pairs()[n]["query"]} for n in range(0, PAIRS, 9)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    @property
    def judges(self) -> dict[str, Any]:
        models = {"judge": "openai:small", "confirm": "openai:large"}
        return {"corpus": self.corpus, "base_url": self.url, **models}

    @property
    def reranker(self) -> str:
        return f"st:{tiny_cross_encoder(self.folder / 'ce')}"


@dataclass(frozen=True)
class Filter:
    """A filter and how a test runs it."""

    stage: str
    rows: Callable[[], list[Row]]
    options: Callable[[Place], dict[str, Any]]
    drops: bool = True
    """Whether it drops rows, and some of these."""
    key: str = "query_id"


FILTERS = {
    "pairs by rank": Filter(
        "filter-pairs", pairs,
        lambda at: {"corpus": at.corpus, "teacher": at.teacher, "consistency": 2,
                    "min_cosine": 0.55},
    ),
    "pairs by reranker": Filter(
        "filter-pairs", pairs,
        lambda at: {"corpus": at.corpus, "reranker": "openai:test", "reranker_url": at.url,
                    "top_share": 0.4, "top": 30},
    ),
    "pairs by judge": Filter(
        "filter-pairs", pairs,
        lambda at: {"corpus": at.corpus, "judge": "openai:rater", "base_url": at.url,
                    "min_judge_score": 5, "min_answerability": 4},
    ),
    "passages": Filter(
        "filter-texts", passages,
        lambda at: {"max_upper": 0.5, "personal_data": "drop", "quality": True}, key="doc_id",
    ),
    "passages, mended": Filter(
        "filter-texts", passages,
        lambda at: {"max_upper": 0.5, "personal_data": "mask", "mojibake": "fix"}, key="doc_id",
    ),
    "negatives": Filter(
        "filter-negatives", mined,
        lambda at: {"corpus": at.corpus, "reranker": at.reranker, "margin": 0.01}, drops=False,
    ),
    "negatives by many rules": Filter(
        "filter-negatives", mined,
        lambda at: {"corpus": at.corpus, "reranker": "openai:test", "base_url": at.url,
                    "margin": 0.5, "absolute_margin": 0.2, "max_score": 0.4, "min_rerank_rank": 2,
                    "promote": True, "promote_above": 0.42, "num_negatives": 3,
                    "shortage": "drop"},
    ),
    "negatives by judges": Filter(
        "judge-negatives", mined, lambda at: {**at.judges, "action": "drop-query"},
    ),
    "negatives by judges, promoted": Filter(
        "judge-negatives", mined,
        lambda at: {**at.judges, "action": "promote", "max_false_negatives": 1},
    ),
    "passages, once": Filter("dedup", repeated, lambda at: {"by": "exact,minhash"}, key="doc_id"),
    "pairs, once": Filter("dedup", asked_again, lambda at: {"by": "exact,minhash"}),
    "passages, clean": Filter(
        "decontaminate", passages, lambda at: {"against": at.evaluation}, key="doc_id"
    ),
    "pairs, clean": Filter(
        "decontaminate", pairs, lambda at: {"against": at.evaluation, "corpus": at.corpus}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("filters")
    with serve(folder / "log", script=json.dumps(SCRIPT)) as server:
        yield Place(folder, server.url)


@pytest.fixture(params=FILTERS)
def case(request: pytest.FixtureRequest) -> Filter:
    return FILTERS[request.param]


def function(case: Filter, place: Place, rows: list[Row]) -> tuple[list[Row], list[Rejected]]:
    """Run a filter as a function."""
    lost: list[Rejected] = []
    found = load(case.stage)(rows, on_reject=lost.append, **case.options(place))
    return [io.tidy(row) for row in found], lost


def flags(case: Filter, place: Place) -> list[object]:
    said: list[object] = []
    for name, value in case.options(place).items():
        said += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
    return said


def shards(rows: list[Row], folder: Path) -> Path:
    for number, start in enumerate(range(0, len(rows), SHARD)):
        io.write(folder / f"{number:05d}.parquet", rows[start : start + SHARD])
    return folder


def test_the_books_close_and_each_loss_has_its_rules(case: Filter, place: Place) -> None:
    rows = case.rows()
    kept, lost = function(case, place, rows)
    assert len(kept) + len(lost) == len(rows)
    assert kept and bool(lost) == case.drops
    for one in lost:
        assert one.row["rules"][0] == one.reason
        assert len(set(one.row["rules"])) == len(one.row["rules"])
    assert not any("rules" in row for row in kept)
    again = [row[case.key] for row in rows if row[case.key] in {row[case.key] for row in kept}]
    assert [row[case.key] for row in kept] == again


def test_its_own_output_it_leaves_as_it_is(case: Filter, place: Place) -> None:
    kept, _ = function(case, place, case.rows())
    twice, lost = function(case, place, kept)
    assert twice == kept
    assert not lost


def test_the_order_of_rows_does_not_matter(case: Filter, place: Place) -> None:
    rows = case.rows()
    kept, _ = function(case, place, rows)
    random.Random(3).shuffle(rows)
    shuffled, _ = function(case, place, rows)
    by_id = {row[case.key]: row for row in shuffled}
    assert by_id == {row[case.key]: row for row in kept}


def test_folder_pipe_workers_and_a_killed_run_give_what_the_function_gives(
    case: Filter, place: Place, tmp_path: Path
) -> None:
    rows = case.rows()
    kept, lost = function(case, place, rows)
    source, one, two = shards(rows, tmp_path / "in"), tmp_path / "one", tmp_path / "two"
    command = (case.stage, source, *flags(case, place))
    assert killed_at("before the mark", 1, *command, "-o", one)
    ok(*command, "-o", one)
    ok(*command, "-o", two, "--workers", 2)
    assert files(one, "*.parquet", "_rejected/*") == files(two, "*.parquet", "_rejected/*")
    stored = [*io.read_all(one)]
    assert plain(stored) == plain(kept)
    rejected = [row for path in sorted((one / "_rejected").glob("*")) for row in io.read(path)]
    assert [row["rules"] for row in rejected] == [event.row["rules"] for event in lost]
    assert [row["reason"] for row in rejected] == [event.reason for event in lost]
    lines = b"".join(map(io.to_line, rows))
    piped = cli(case.stage, "-", *flags(case, place), "-o", "-", input=lines)
    assert piped.rc == 0, piped.stderr
    assert plain(map(json.loads, piped.stdout.splitlines())) == plain(kept)


def plain(rows: Any) -> list[Any]:
    """Return rows as JSON has them, numbers in float32 as shards have them."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return float(np.float32(value))
        if isinstance(value, dict):
            return {name: rounded(one) for name, one in value.items()}
        return [rounded(one) for one in value] if isinstance(value, list) else value

    return [rounded(json.loads(io.to_line(row))) for row in rows]
