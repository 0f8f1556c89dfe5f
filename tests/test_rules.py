"""Rules by hand: margins, windows, caps, and what no rule may spare."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gpte_data.mining.rules import KEPT, Rules
from gpte_data.mining.sampling import Sampling

MARGIN = "too close to the positive's score"


def said(
    rules: Rules, scores: list[float], positive_scores: Sequence[float] = (0.8,), **columns: Any
) -> list[str]:
    """Return the reason for each candidate, best first; nothing else speaks against them."""
    n = len(scores)
    hits: dict[str, Any] = {
        "score": np.array(scores, dtype=np.float32),
        "rank": np.arange(1, n + 1, dtype=np.int32),
        "positive_similarity": np.zeros(n, dtype=np.float32),
    }
    hits |= {
        name: np.zeros(n, dtype=bool) for name in ("sibling", "written", "random", "dropped", "hub")
    }
    hits |= {"reciprocal_rank": np.full(n, 99), "longer": np.ones(n), "shorter": np.ones(n)}
    hits |= {name: np.array(values, dtype=hits[name].dtype) for name, values in columns.items()}
    numbers = rules.reasons(hits, np.array(positive_scores, dtype=np.float32))
    words = rules.words()
    assert words[KEPT] == "" and len(set(words)) == len(words)
    return [words[number] for number in numbers]


def kept(*args: Any, **columns: Any) -> list[bool]:
    return [not reason for reason in said(*args, **columns)]


def test_without_rules_nothing_is_dropped() -> None:
    assert said(Rules(), [0.99, 0.8, 0.1, 0.0, -1.0]) == [""] * 5
    assert said(Rules(), []) == []
    assert said(Rules(0.05, 0.1, min_rank=2), []) == []


# Margins


@pytest.mark.parametrize(
    ("positive", "margin", "ceiling"),
    [(0.8, 0.05, 0.76), (0.8, 0.0, 0.8), (-0.5, 0.05, -0.525), (0.0, 0.5, 0.0), (-0.2, 0.5, -0.3)],
)
def test_a_relative_margin_lies_below_the_positive(
    positive: float, margin: float, ceiling: float
) -> None:
    """Below it also where scores are negative, and nothing may score above the positive."""
    rules = Rules(relative_margin=margin)
    assert rules.ceiling(np.array([positive], dtype=np.float32)) == pytest.approx(ceiling)
    scores = [ceiling + 0.01, ceiling - 0.01]
    assert said(rules, scores, [positive]) == [MARGIN, ""]


def test_an_absolute_margin_is_the_same_everywhere() -> None:
    for positive in (0.8, 0.05, -0.5):
        rules = Rules(absolute_margin=0.1)
        scores = [positive, positive - 0.09, positive - 0.11]
        assert said(rules, scores, [positive]) == [MARGIN, MARGIN, ""]


def test_of_two_margins_the_stricter_holds() -> None:
    assert Rules(0.5, 0.1).ceiling(np.array([0.8])) == pytest.approx(0.4)
    assert Rules(0.05, 0.3).ceiling(np.array([0.8])) == pytest.approx(0.5)


@pytest.mark.parametrize(("against", "ceiling"), [("min", 0.2), ("mean", 0.5), ("max", 0.9)])
def test_a_margin_holds_against_one_of_several_positives(against: Any, ceiling: float) -> None:
    rules = Rules(relative_margin=0.0, against=against)
    positives = [0.9, 0.2, 0.4]
    assert rules.ceiling(np.array(positives, dtype=np.float32)) == pytest.approx(ceiling)
    scores = [ceiling + 0.01, ceiling - 0.01]
    assert said(rules, scores, positives) == [MARGIN, ""]


def test_a_score_that_is_just_the_ceiling_is_kept() -> None:
    assert kept(Rules(relative_margin=0.0), [0.5], [0.5]) == [True]
    assert kept(Rules(absolute_margin=0.25), [0.5], [0.75]) == [True]


# Windows


def test_ranks_count_from_the_best_whatever_else_is_dropped() -> None:
    """Rank 3 is the third of all candidates, not of those that the margin leaves."""
    rules = Rules(relative_margin=0.05, min_rank=3, max_rank=4)
    scores = [0.79, 0.7, 0.6, 0.5, 0.4]
    before, behind = "ranks before 3", "ranks behind 4"
    assert said(rules, scores) == [MARGIN, before, "", "", behind]
    assert said(Rules(min_rank=1, max_rank=5), scores) == [""] * 5
    assert said(Rules(min_rank=6), scores) == ["ranks before 6"] * 5
    assert said(Rules(max_rank=9), scores, rank=[1, 9, 10, 3, 400])[2::2] == ["ranks behind 9"] * 2


def test_scores_have_a_window_too() -> None:
    rules = Rules(min_score=0.25, max_score=0.5)
    assert said(rules, [0.75, 0.5, 0.25, 0.125]) == [
        "scores above 0.5", "", "", "scores below 0.25"
    ]  # fmt: skip
    assert kept(Rules(min_score=-0.5), [-0.25, -0.75]) == [True, False]


def test_similarity_to_a_positive_has_a_cap() -> None:
    rules = Rules(max_positive_similarity=0.75)
    near = [0.9, 0.75, 0.5]
    told = said(rules, [0.1] * 3, positive_similarity=near)
    assert told == ["too similar to a positive", "", ""]
    assert kept(Rules(), [0.1] * 3, positive_similarity=near) == [True] * 3


# Copies, chunks, and what is no number


def test_copies_are_dropped_whatever_they_score() -> None:
    told = said(Rules(), [1.0, 0.3, 0.998], positive_similarity=[0.2, 1.0, 0.999])
    assert told == ["same text as the query", "same text as a positive", ""]
    assert said(Rules(same_text=0.99), [0.995], positive_similarity=[0.5]) == [
        "same text as the query"
    ]


def test_chunks_of_a_positive_s_document_are_dropped() -> None:
    told = said(Rules(), [0.5, 0.4], sibling=[True, False])
    assert told == ["chunk of a positive's document", ""]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("written", [False, True])
def test_a_score_that_is_no_number_is_never_kept(score: float, written: bool) -> None:
    every = [
        Rules(), Rules(0.05), Rules(0.05, 0.1), Rules(min_score=-2), Rules(max_score=2),
        Rules(min_rank=1, max_rank=100), Rules(max_positive_similarity=1.0),
    ]  # fmt: skip
    for rules in every:
        told = said(rules, [0.1, score], written=[False, written])
        assert told == ["", "score is not finite"]


def test_a_positive_that_has_no_number_leaves_no_negative_to_a_margin() -> None:
    assert kept(Rules(relative_margin=0.05), [0.1, -0.9], [np.nan]) == [False, False]


def test_what_was_written_is_spared_by_all_but_the_first_rules() -> None:
    rules = Rules(0.5, 0.5, min_rank=9, max_rank=9, min_score=2, max_score=-2,
                  max_positive_similarity=-1)  # fmt: skip
    assert kept(rules, [0.79], written=[True], sibling=[True]) == [True]
    assert kept(rules, [0.79]) == [False]
    told = said(rules, [1.0, 0.5], written=[True, True], positive_similarity=[0.1, 1.0])
    assert told == ["same text as the query", "same text as a positive"]


def test_what_another_stage_dropped_stays_dropped() -> None:
    told = said(Rules(), [0.5, 0.4], dropped=[True, False], written=[True, False])
    assert told == ["dropped by another stage", ""]


def test_the_first_reason_is_told() -> None:
    rules = Rules(0.05, min_rank=5, max_score=0.1)
    told = said(rules, [0.9], positive_similarity=[1.0], sibling=[True])
    assert told == ["chunk of a positive's document"], "stored rows are known by it again"
    assert said(rules, [0.9], sibling=[True]) == ["chunk of a positive's document"]
    assert said(rules, [0.9]) == [MARGIN]


# Sampling


STRATEGIES = ("uniform", "softmax", "simans")
SCORES = np.linspace(0.9, 0.3, 30).astype(np.float32)
POSITIVES = np.array([0.7, 0.6], dtype=np.float32)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_order_belongs_to_query_and_seed(strategy: Any) -> None:
    def order(seed: int = 0, query_id: str = "q") -> list[int]:
        found = Sampling(strategy, seed=seed).order(SCORES, POSITIVES, query_id).tolist()
        assert sorted(found) == list(range(len(SCORES)))
        return list(found)

    assert order() == order()
    assert order() != order(seed=1) != order(seed=2) != order()
    assert order() != order(query_id="r")


def test_the_top_is_taken_in_order() -> None:
    assert Sampling().order(SCORES, POSITIVES, "q").tolist() == list(range(30))


@pytest.mark.parametrize("strategy", ("top", *STRATEGIES))
def test_of_none_none_is_taken(strategy: Any) -> None:
    assert len(Sampling(strategy).order(SCORES[:0], POSITIVES, "q")) == 0
    assert Sampling(strategy).order(SCORES[:1], POSITIVES, "q").tolist() == [0]


def first(sampling: Sampling, scores: Any, times: int = 6000) -> Any:
    """Return how often each candidate is taken first."""
    found = [sampling.order(scores, POSITIVES, f"q{n}")[0] for n in range(times)]
    return np.bincount(found, minlength=len(scores)) / times


def test_softmax_takes_by_weight() -> None:
    scores = np.array([0.9, 0.85, 0.8, 0.6], dtype=np.float32)
    weights = np.exp(scores / 0.05)
    found = first(Sampling("softmax", temperature=0.05), scores)
    assert np.abs(found - weights / weights.sum()).max() < 0.03
    sharp = first(Sampling("softmax", temperature=0.001), scores, 200)
    flat = first(Sampling("softmax", temperature=1000), scores)
    assert sharp[0] == 1 and np.abs(flat - 0.25).max() < 0.03


def test_uniform_takes_each_as_often() -> None:
    found = first(Sampling("uniform"), np.array([0.9, 0.5, 0.1, -0.5], dtype=np.float32))
    assert np.abs(found - 0.25).max() < 0.03


def test_simans_takes_what_is_near_the_lowest_positive() -> None:
    scores = np.array([0.9, 0.7, 0.62, 0.5, 0.2], dtype=np.float32)
    weights = np.exp(-20 * (scores.astype(float) - 0.6 - 0.05) ** 2)
    found = first(Sampling("simans", simans=(20.0, 0.05)), scores)
    assert np.abs(found - weights / weights.sum()).max() < 0.03
    assert first(Sampling("simans", simans=(5000.0, 0.0)), scores, 200)[2] == 1


def test_what_is_taken_second_is_drawn_from_the_rest() -> None:
    scores = np.array([0.9, 0.85, 0.8], dtype=np.float32)
    weights = np.exp(scores / 0.05) / np.exp(scores / 0.05).sum()
    orders = [Sampling("softmax").order(scores, POSITIVES, f"q{n}") for n in range(6000)]
    both = np.mean([order[0] == 0 and order[1] == 2 for order in orders])
    assert both == pytest.approx(weights[0] * weights[2] / (1 - weights[0]), abs=0.02)
