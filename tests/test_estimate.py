"""Hidden positives counted, the price of a false negative, and what a judge makes of both."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from gpte_data.mining.choosing import order, price_for
from gpte_data.mining.estimate import BEST, Estimate, fitted, shipped
from gpte_data.mining.evidence import EVIDENCE, OF_POSITIVES
from gpte_data.mining.hidden import Known, hidden_among
from gpte_data.mining.judging import Hits, Judge, survey
from gpte_data.mining.rules import Rules
from gpte_data.mining.sampling import Sampling

# How many positives are hidden


def drawn(offset: float, seed: int, *, queries: int = 250, falling: bool = False) -> Any:
    """Return queries drawn from the model itself, and how many of their best 20 are positives.

    Each of 101 passages is a positive with probability sigmoid(logit + offset); one of the
    positives, any of them, is known, the others hide among the candidates.
    """
    random, known, hidden = np.random.default_rng(seed), list[Known](), list[int]()
    while len(known) < queries:
        noise = random.normal(0, 2, size=101)
        logits = 3 - 1.2 * np.log1p(np.arange(101)) + noise / 2 if falling else -np.sort(-noise)
        positive = random.random(101) < 1 / (1 + np.exp(-(logits + offset)))
        if not positive.any():
            continue
        shown = int(random.choice(np.flatnonzero(positive)))
        known.append(Known(np.delete(logits, shown), logits[[shown]], np.array([shown])))
        hidden.append(int(np.delete(positive, shown)[:20].sum()))
    return known, float(np.mean(hidden))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("offset", "falling"),
    [(1, False), (-1, False), (-3, False), (-5, False), (0, True), (-3, True)],
)
def test_hidden_positives_are_counted(offset: float, falling: bool, seed: int) -> None:
    """In rich collections and in poor ones, from one known positive a query."""
    known, hidden = drawn(offset, seed, falling=falling)
    assert 1.5 < hidden < 20
    assert hidden / 2 < hidden_among(known) < 2 * hidden


@pytest.mark.parametrize("seed", [0, 1])
def test_where_hardly_any_are_hidden_few_are_found(seed: int) -> None:
    """Below one a query the known ones tell no more than that: not one in eight is suspected."""
    known, hidden = drawn(-6, seed, falling=True)
    assert hidden < 0.3 and hidden_among(known) < 2.5


def test_the_richer_the_collection_the_more_are_found() -> None:
    found = [hidden_among(drawn(offset, 2)[0]) for offset in (-5, -3, -1, 1)]
    assert found == sorted(found) and found[-1] > 5 * found[0]


def test_positives_behind_all_candidates_say_nothing() -> None:
    known, _ = drawn(-2, 3, queries=60)
    behind = [Known(one.candidates, one.positives, one.above * 0 + 100) for one in known]
    without = [Known(one.candidates, one.positives[:0], one.above[:0]) for one in known]
    assert hidden_among(behind) == hidden_among(without)


def test_queries_with_few_or_many_candidates_are_counted() -> None:
    """No warning, no NaN, and never more than twenty."""
    random = np.random.default_rng(4)
    for sizes in ([1], [1, 300], [20, 0, 5]):
        known = [
            Known(-np.sort(-random.normal(size=n)), np.array([0.3, -0.2]), np.array([0, n]))
            for n in sizes
        ]
        assert 0 <= hidden_among(known) <= 20


# The model


def evidence(queries: int, seed: int = 0, candidates: int = 40) -> list[tuple[Any, Any]]:
    """Return evidence of candidates and of one positive for each of some queries."""
    random, found = np.random.default_rng(seed), []
    for _ in range(queries):
        table = random.normal(size=(candidates, len(EVIDENCE))).astype(np.float32)
        table[:, EVIDENCE.index("log_rank")] = np.log1p(np.arange(candidates))
        positive = random.normal(size=(1, len(OF_POSITIVES))).astype(np.float32)
        positive[:, OF_POSITIVES.index("log_rank")] = np.log1p(random.integers(0, 10))
        found.append((table, positive))
    return found


def test_probabilities_add_up_to_what_is_hidden() -> None:
    found = evidence(50)
    estimate, hidden = fitted(found)
    every = np.concatenate([estimate.probabilities(table[:BEST]) for table, _ in found])
    assert every.dtype == np.float32 and ((every >= 0) & (every <= 1)).all()
    assert every.sum() == pytest.approx(hidden * 50, rel=1e-3)


def test_the_order_of_stored_candidates_does_not_matter() -> None:
    found = evidence(20)
    shuffled = [(np.random.default_rng(5).permutation(table), own) for table, own in found]
    assert fitted(shuffled) == fitted(found)


def test_queries_without_candidates_are_left_out() -> None:
    nothing = (np.zeros((0, len(EVIDENCE)), np.float32), np.zeros((1, len(OF_POSITIVES))))
    assert fitted([nothing]) == (Estimate(shipped(), 0.0), 0.0) == fitted([])
    found = evidence(20)
    assert fitted([nothing, *found, nothing]) == fitted(found)


def test_extreme_evidence_has_probabilities_too() -> None:
    table = np.array([[1e6] * len(EVIDENCE), [-1e6] * len(EVIDENCE)], dtype=np.float32)
    assert np.isin(Estimate(shipped(), 0.0).probabilities(table).round(6), [0, 1]).all()


# The price


def case(seed: int, queries: int = 30) -> tuple[list[Any], list[Any]]:
    """Return falling scores and probabilities that go with them, of 0 to 15 candidates each."""
    random, scores, probabilities = np.random.default_rng(seed), [], []
    for _ in range(queries):
        found = -np.sort(-random.uniform(0, 1, size=random.integers(0, 16)))
        scores.append(found)
        probabilities.append(random.beta(1, 4, size=len(found)) * (0.3 + 0.7 * found))
    return scores, probabilities


def share(scores: list[Any], probabilities: list[Any], negatives: int, price: float) -> float:
    """Return the share of false negatives at a price, the slow and obvious way."""
    taken = []
    for score, probability in zip(scores, probabilities, strict=True):
        best = sorted(range(len(score)), key=lambda n: price * probability[n] - score[n])
        taken += [float(probability[n]) for n in best[:negatives]]
    return sum(taken) / len(taken) if taken else 0.0


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.1, 0.15])
@pytest.mark.parametrize("negatives", [1, 3, 7])
@pytest.mark.parametrize("seed", range(4))
def test_the_lowest_price_that_keeps_the_budget(seed: int, negatives: int, budget: float) -> None:
    scores, probabilities = case(seed)
    choice = price_for(scores, probabilities, negatives, budget)
    least = share(scores, probabilities, negatives, 1e9)
    assert choice.unchecked == pytest.approx(share(scores, probabilities, negatives, 0))
    expected = share(scores, probabilities, negatives, choice.price)
    assert choice.false_negatives == pytest.approx(expected)
    if least > budget:
        assert choice.false_negatives == pytest.approx(least), "the least likely are taken"
        return
    assert choice.false_negatives <= budget
    for price in [0, *np.geomspace(1e-4, 1e3, 60)]:
        if price < choice.price * (1 - 1e-6):
            assert share(scores, probabilities, negatives, price) > budget


def test_a_budget_that_does_not_bind_costs_nothing() -> None:
    scores, probabilities = case(9)
    choice = price_for(scores, probabilities, 3, 1.0)
    assert choice.price == 0 and choice.false_negatives == choice.unchecked
    just = price_for(scores, probabilities, 3, choice.unchecked)
    assert just.price == 0


def test_the_order_takes_what_the_price_was_found_for() -> None:
    scores, probabilities = case(10)
    choice = price_for(scores, probabilities, 4, 0.08)
    assert choice.price > 0
    taken = []
    for score, probability in zip(scores, probabilities, strict=True):
        placed = order(score, probability, choice.price)
        value = (score - choice.price * probability)[placed]
        assert (np.diff(value) <= 0).all() and sorted(placed) == list(range(len(score)))
        taken += probability[placed][:4].tolist()
    assert np.mean(taken) == pytest.approx(choice.false_negatives)
    assert order(scores[0], probabilities[0], 0.0).tolist() == list(range(len(scores[0])))


def test_no_other_choice_scores_higher_with_as_few_false_negatives() -> None:
    """Against all ways to take two of five from each of three queries."""
    random = np.random.default_rng(11)
    for _ in range(5):
        scores = [-np.sort(-random.uniform(size=5)) for _ in range(3)]
        probabilities = [random.uniform(size=5) * one for one in scores]
        choice = price_for(scores, probabilities, 2, 0.3)
        placed = [order(*one, choice.price)[:2] for one in zip(scores, probabilities, strict=True)]
        total = sum(one[p].sum() for one, p in zip(scores, placed, strict=True))
        false = sum(one[p].sum() for one, p in zip(probabilities, placed, strict=True))
        for ways in product(*[list(combinations(range(5), 2))] * 3):
            if sum(probabilities[n][list(way)].sum() for n, way in enumerate(ways)) <= false:
                assert sum(scores[n][list(way)].sum() for n, way in enumerate(ways)) <= total + 1e-9


def test_without_candidates_there_is_no_price() -> None:
    nothing = np.zeros(0)
    for scores in ([], [nothing], [nothing, nothing]):
        choice = price_for(scores, scores, 5, 0.05)
        assert (choice.price, choice.false_negatives, choice.unchecked) == (0, 0, 0)


# The judge


class Told(Estimate):
    """An estimate whose probabilities stand in the first column of the evidence."""

    def probabilities(self, evidence: Any) -> Any:
        return np.asarray(evidence[:, 0], dtype=np.float32)


TOLD = Told(shipped(), 0.0)
LIKELY = "likely a positive that nobody labelled"


def hits(scores: list[float], probabilities: list[float] | None = None, **columns: Any) -> Hits:
    """Return candidates, best first, with probabilities as an estimate sees them."""
    n = len(scores)
    table = np.zeros((n, len(EVIDENCE)), dtype=np.float32)
    table[:, 0] = probabilities or [0.0] * n
    found: dict[str, Any] = {
        "score": np.array(scores, dtype=np.float32),
        "rank": np.arange(1, n + 1, dtype=np.int32),
        "positive_similarity": np.zeros(n, dtype=np.float32),
        "own": np.ones(n, dtype=bool),
    }
    found |= {
        name: np.zeros(n, dtype=bool) for name in ("sibling", "written", "random", "dropped", "hub")
    }
    found |= {name: np.array(values, dtype=found[name].dtype) for name, values in columns.items()}
    own = np.zeros((1, len(OF_POSITIVES)), dtype=np.float32)
    return Hits("q", found, table, np.array([0.8], dtype=np.float32), own)


def judged(judge: Judge, found: Hits) -> tuple[list[int | None], list[str]]:
    """Return choices and reasons; a verdict says keep where there is a choice."""
    columns = judge.columns(found)
    choices, reasons = columns["choice"].to_pylist(), columns["reason"].to_pylist()
    assert columns["verdict"].to_pylist() == ["keep" if n else "drop" for n in choices]
    chosen = sorted(n for n in choices if n)
    assert chosen == list(range(1, len(chosen) + 1)) and all(reasons)
    return choices, reasons


def test_the_best_value_is_taken_first() -> None:
    judge = Judge(Rules(), Sampling(), 2, TOLD, price=1.0)
    choices, reasons = judged(judge, hits([0.9, 0.8, 0.7, 0.6], [0.45, 0.4, 0.1, 0.02]))
    assert choices == [3, 4, 1, 2]
    assert set(reasons) == {"within the budget of false negatives"}


def test_no_query_goes_short() -> None:
    """Likely positives are dropped only beyond the negatives that are wanted."""
    judge = Judge(Rules(), Sampling(), 2, TOLD, price=0.0)
    choices, reasons = judged(judge, hits([0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.3]))
    assert choices == [1, 2, None, 3] and reasons[2] == LIKELY
    random = np.random.default_rng(12)
    for n in range(60):
        size, wanted = int(random.integers(0, 12)), int(random.integers(1, 8))
        scores = -np.sort(-random.uniform(-1, 1, size))
        found = hits(
            scores.tolist(), random.uniform(size=size).tolist(), sibling=random.random(size) < 0.2,
            written=random.random(size) < 0.2,
        )  # fmt: skip
        rules = Rules(max_score=0.9) if n % 2 else Rules()
        judge = Judge(rules, Sampling(), wanted, TOLD, price=float(random.uniform(0, 3)))
        left = int((rules.reasons(found.hits, found.positive_scores) == 0).sum())
        choices, _ = judged(judge, found)
        assert len([n for n in choices if n]) >= min(wanted, left)


def test_what_was_written_for_the_query_comes_first() -> None:
    judge = Judge(Rules(relative_margin=0.05), Sampling(), 2, TOLD, price=1.0)
    written = [True, False, False, True, False]
    found = hits([0.79, 0.7, 0.6, 0.2, 0.1], [0.99, 0.9, 0.1, 0.9, 0.6], written=written)
    choices, reasons = judged(judge, found)
    assert choices == [1, None, 3, 2, None]
    assert reasons == [
        "written as a negative", LIKELY, "within the budget of false negatives",
        "written as a negative", LIKELY,
    ]  # fmt: skip


def test_rules_come_before_the_budget() -> None:
    judge = Judge(Rules(min_rank=2), Sampling(), 2, TOLD, price=1.0)
    found = hits([0.9, 0.8, 0.7], [0, 0, 0.9], positive_similarity=[0, 1, 0])
    choices, reasons = judged(judge, found)
    assert choices == [None, None, 1]
    assert reasons[:2] == ["ranks before 2", "same text as a positive"]


def test_without_a_budget_reasons_name_the_margin_or_no_rule() -> None:
    for rules, why in ((Rules(), "no rule drops it"), (Rules(0.05), "below the margin")):
        columns = Judge(rules, Sampling(), 2).columns(hits([0.5, 0.4]))
        assert columns["reason"].to_pylist() == [why, why] and "false_negative" not in columns
    choices, _ = judged(
        Judge(Rules(), Sampling("uniform", seed=3), 2), hits([0.5 - n / 100 for n in range(20)])
    )
    assert choices != sorted(choices, key=lambda n: n or 0)


def test_of_no_candidates_nothing_is_said() -> None:
    for judge in (Judge(Rules(), Sampling(), 2, TOLD), Judge(Rules(0.1), Sampling("uniform"), 2)):
        assert {len(column) for column in judge.columns(hits([])).values()} == {0}


def test_a_survey_keeps_the_budget_on_its_queries() -> None:
    random, found = np.random.default_rng(13), []
    for table, own in evidence(60, candidates=30):
        one = hits((-np.sort(-random.uniform(size=30))).tolist())
        found.append(Hits("q", one.hits, table, one.positive_scores, own))
    loose, strict = survey(found, Rules(), 5, 1.0), survey(found, Rules(), 5, 1e-9)
    assert loose["price"] == 0 and loose["false_negatives"] == strict["unchecked"]
    budget = (loose["false_negatives"] + strict["false_negatives"]) / 2
    told = survey(found, Rules(), 5, budget)
    assert told["false_negatives"] <= budget < told["unchecked"] and told["queries"] == 60
    assert 0 < told["price"] < strict["price"] and told["offset"] == loose["offset"]
    judge = Judge(Rules(), Sampling(), 5, Estimate(shipped(), told["offset"]), told["price"])
    shares = []
    for one in found:
        columns = judge.columns(one)
        choices = np.array([n or 99 for n in columns["choice"].to_pylist()])
        assert (choices <= 5).sum() == 5
        shares += columns["false_negative"][choices <= 5].tolist()
    # The price is just where one query's choice turns over, which rounding may tip.
    assert np.mean(shares) == pytest.approx(told["false_negatives"], abs=1 / len(shares))
