"""filter-pairs: exact ranks against a look at every passage, rules one by one, what is refused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import cli
from tiny_models import tiny_cross_encoder

from gpte_data import io
from gpte_data.backends.scored import Scored
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.errors import BadInput, BadOption, EndpointError
from gpte_data.pair_rules import counting
from gpte_data.pair_rules.counting import above, pair_scores
from gpte_data.pair_rules.standing import Standing
from gpte_data.scoring import scorer
from gpte_data.stage import Rejected, Row
from gpte_data.stages import load

SIZE = 16
SHIFT = np.linspace(-0.8, 0.8, SIZE)


class World:
    """A corpus, queries and their vectors, made by hand."""

    def __init__(self, folder: Path, passages: int = 40) -> None:
        self.folder, self.corpus = folder, folder / "corpus"
        dice = np.random.default_rng(1)
        self.documents = dice.normal(size=(passages, SIZE))
        self.queries = dice.normal(size=(8, SIZE))
        self.texts = [f"Passage {n}" for n in range(passages)]

    def teacher(self, name: str = "v", shift: Any = 0.0) -> str:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        np.save(folder / "documents.npy", self.documents * (1 + shift))
        np.save(folder / "queries.npy", self.queries)
        (folder / "queries.txt").write_text("\n".join(f"q{n}" for n in range(len(self.queries))))
        rows = [{"doc_id": f"d{n}", "text": said} for n, said in enumerate(self.texts)]
        io.write(self.corpus / "00000.parquet", rows)
        return f"vectors:{folder}"

    def scores(self, query: int, shift: Any = 0.0) -> Any:
        documents = self.documents * (1 + shift)
        documents = documents / np.linalg.norm(documents, axis=1, keepdims=True)
        return documents @ self.queries[query] / np.linalg.norm(self.queries[query])

    def best(self, query: int, place: int) -> str:
        """Return the passage at a rank."""
        return f"d{np.argsort(-self.scores(query))[place - 1]}"

    def run(self, rows: list[Row], **options: Any) -> tuple[list[Row], list[Rejected]]:
        lost: list[Rejected] = []
        given = {"corpus": self.corpus, **options}
        return list(load("filter-pairs")(rows, on_reject=lost.append, **given)), lost


def pair(query: int, *positives: str, **more: Any) -> Row:
    return {"query_id": f"q{query}", "query": "a query", "positives": [*positives], **more}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("torch", [True, False])
def test_counts_are_exact_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch, torch: bool) -> None:
    """Against float64 over everything, where many documents are equal or nearly so."""
    monkeypatch.setattr(counting, "DOCUMENTS", 64)
    monkeypatch.setattr(counting, "QUERIES", 5)
    monkeypatch.setattr(counting, "TOGETHER", 7)
    dice = np.random.default_rng(2)
    vectors = dice.normal(size=(300, 24))
    vectors[100:140] = vectors[7]
    vectors[200:240] = vectors[7] + dice.normal(scale=1e-7, size=(40, 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries = vectors[[7, 3, 7, 50, 299, 120, 0]] * np.float32(1)
    owners = np.array([0, 0, 0, 1, 2, 2, 4, 5, 6, 6, 6, 6])
    wanted = np.array([7, 120, 210, 5, 8, 230, 3, 100, 1, 2, 3, 0])
    scores = pair_scores(vectors[wanted], queries[owners])
    found = above(Vectors.of([vectors[:90], vectors[90:]]), queries, owners, scores, torch=torch)
    for owner, score, count in zip(owners, scores, found, strict=True):
        every = pair_scores(vectors, np.repeat(queries[owner][None], len(vectors), axis=0))
        assert count == (every > score).sum()
    assert found[0] == found[1]  # the same vector, elsewhere


def test_a_positive_is_kept_up_to_its_rank(world: World) -> None:
    teacher = world.teacher()
    rows = [pair(n, world.best(n, n + 1)) for n in range(8)]
    kept, lost = world.run(rows, teacher=teacher, consistency=3)
    assert [row["positive_consistency_ranks"] for row in kept] == [[[1]], [[2]], [[3]]]
    assert [one.row["positive_consistency_ranks"] for one in lost] == [[[n]] for n in range(4, 9)]
    assert {one.reason for one in lost} == {"not among the best of the corpus for its query"}
    score = kept[0]["positive_consistency_scores"][0][0]
    assert score == pytest.approx(world.scores(0).max(), abs=1e-6)


def test_positives_of_a_row_and_copies_are_no_rivals(world: World) -> None:
    first, second, third = (int(world.best(0, place)[1:]) for place in (1, 2, 3))
    world.texts[first] = world.texts[third]
    teacher = world.teacher()
    kept, lost = world.run(
        [pair(0, f"d{third}"), pair(0, f"d{third}", f"d{second}")], teacher=teacher, consistency=1
    )
    assert [one.row["positive_consistency_ranks"] for one in lost] == [[[2]]]
    assert [row["positive_consistency_ranks"] for row in kept] == [[[1], [1]]]
    ((row,), _) = world.run(
        [pair(0, f"d{third}", dropped_positives=[f"d{second}"])], teacher=teacher, consistency=1
    )
    assert row["positive_consistency_ranks"] == [[1]]


def test_each_positive_is_judged_for_itself(world: World) -> None:
    teacher, last = world.teacher(), world.best(0, 40)
    row = pair(0, last, world.best(0, 1), positive_scores=[0.1, 0.9])
    (kept,), lost = world.run([row], teacher=teacher, consistency=5, min_cosine=0.0)
    assert kept["positives"] == [world.best(0, 1)]
    assert kept["positive_scores"] == [0.9]
    assert kept["dropped_positives"] == [last]
    assert kept["dropped_rules"] == [
        ["cosine below the floor", "not among the best of the corpus for its query"]
    ]
    assert not lost


def test_several_teachers_agree_or_one_is_enough(world: World) -> None:
    teachers = (world.teacher(), world.teacher("w", shift=SHIFT))
    rows = [pair(n, world.best(n, 1)) for n in range(8)]
    both = [
        n for n in range(8) if world.best(n, 1) == f"d{np.argmax(world.scores(n, shift=SHIFT))}"
    ]
    assert 0 < len(both) < 8
    strict, _ = world.run(rows, teacher=teachers, consistency=1)
    assert [row["query_id"] for row in strict] == [f"q{n}" for n in both]
    lax, _ = world.run(rows, teacher=teachers, consistency=1, agree="any")
    assert len(lax) == 8
    assert lax[0]["consistency_teachers"] == ["vectors:v", "vectors:w"]


def test_a_smaller_share_of_a_share_is_one_of_the_original(world: World, tmp_path: Path) -> None:
    world.teacher()
    rows = [pair(n, *(f"d{n * 5 + i}" for i in range(5)), kind=n) for n in range(8)]
    reranker = f"st:{tiny_cross_encoder(tmp_path / 'ce')}"

    def left(found: list[Row]) -> set[tuple[str, str]]:
        return {(row["query_id"], doc_id) for row in found for doc_id in row["positives"]}

    half, _ = world.run(rows, reranker=reranker, top_share=0.5)
    tenth, _ = world.run(half, reranker=reranker, top_share=0.1)
    assert len(left(half)) == 20
    assert left(tenth) == left(world.run(rows, reranker=reranker, top_share=0.1)[0])
    assert left(tenth) == left(world.run(rows, reranker=reranker, top=4)[0])
    assert {row["pair_population"] for row in half} == {40}
    scores = {p: s for row in half for p, s in zip(row["positives"], row["positive_pair_scores"],
                                                   strict=True)}  # fmt: skip
    floor, _ = world.run(rows, reranker=reranker, min_rerank_score=min(scores.values()))
    assert left(floor) == left(half)


def test_places_of_many_scores_are_exact_at_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(4).random(5000).astype(np.float32)
    scores[:50] = scores[7]
    exact = 1 + (scores[None] > scores[:, None]).sum(1)
    assert (Standing.of(scores, 100).places(scores) == exact).all()
    monkeypatch.setattr("gpte_data.pair_rules.standing.MOST", 64)
    for cut in (1, 99, 1234, 5000):
        standing = Standing.from_plain(Standing.of(scores, cut).plain())
        places = standing.places(scores)
        assert ((places <= cut) == (exact <= cut)).all()
        assert (places <= exact).all() and (exact - places).max() < 2 * 5000 / 60


def test_scores_may_be_left_out_of_the_rows(world: World) -> None:
    teacher, row = world.teacher(), pair(0, world.best(0, 1))
    ((kept,), _) = world.run([row], teacher=teacher, consistency=1, keep_scores=False)
    assert kept == row


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "no rule was asked for"),
        ({"top": 5}, "need a --reranker"),
        ({"reranker": "maxsim", "consistency": 1}, "--reranker changes nothing here"),
        ({"reranker": "maxsim", "top": 5, "teacher": ("st:x",)}, "--teacher changes nothing here"),
        ({"consistency": 1, "agree": "any"}, "--agree any changes nothing"),
        ({"consistency": 1, "teacher": ("bm25",)}, "bm25 has no vectors"),
        ({"consistency": 1, "teacher": ("st:x", "st:x")}, "given twice"),
        ({"consistency": 0}, "--consistency 0 won't do"),
        ({"min_cosine": 1.5}, "--min-cosine 1.5 won't do"),
    ],
)
def test_options_that_do_nothing_are_refused(
    world: World, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadOption, match=says):
        world.run([], **options)


def test_rows_that_are_no_pairs_are_named(world: World) -> None:
    teacher = world.teacher()

    def refused(row: Row) -> str:
        with pytest.raises(BadInput) as error:
            world.run([row], teacher=teacher, consistency=1)
        return str(error.value)

    assert "has the positive 'gone', which is not in" in refused(pair(3, "gone"))
    assert "must hold a text as query" in refused(pair(3, "d1") | {"query": 7})
    assert "must hold a list of doc_ids" in refused(pair(3) | {"positives": "d1"})
    assert "1 positives and 2 positive_ranks" in refused(pair(3, "d1", positive_ranks=[1, 2]))
    assert "a list as positive_scores" in refused(pair(3, "d1", positive_scores=0.5))


def test_empty_rows_are_dropped_and_positives_that_are_missing_left_out(world: World) -> None:
    teacher, best = world.teacher(), world.best(0, 1)
    rows = [pair(0, "gone", best, best), pair(1, "gone"), pair(2, "d1") | {"query": " "}]
    kept, lost = world.run(rows, teacher=teacher, consistency=1, missing_positives="drop")
    assert [row["positives"] for row in kept] == [[best]]
    assert [one.row["rules"] for one in lost] == [["no positive in the corpus"], ["empty query"]]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            lambda n: np.full(n, np.nan),
            "no numbers, for pair 'q0', pair 'q1', pair 'q2' and 1",
        ),
        (lambda n: np.zeros(n - 1), "gave 3 scores for 4, of pair 'q0'"),
    ],
)
def test_a_reranker_that_answers_nonsense_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    class Nonsense:
        def stream(self, pairs: Sequence[Any]) -> Iterator[Scored]:
            yield Scored(range(len(pairs)), answer(len(pairs)))

    world.teacher()
    monkeypatch.setattr(scorer, "open_reranker", lambda spec, options: Nonsense())
    with pytest.raises(EndpointError, match=says):
        world.run([pair(n, f"d{n}") for n in range(4)], reranker="maxsim", min_rerank_score=0.1)


def test_a_corpus_without_such_documents_is_one_sentence(world: World, tmp_path: Path) -> None:
    teacher, source = world.teacher(), tmp_path / "pairs.jsonl"
    source.write_bytes(io.to_line(pair(0, "gone")))
    ended = cli("filter-pairs", source, "--corpus", world.corpus, "--teacher", teacher,
                "--consistency", 1, "-o", tmp_path / "out")  # fmt: skip
    assert "or --missing-positives drop" in ended.sentence()
    assert not (tmp_path / "out").exists()
