"""Draws belong to a row: the same in any order, even, and independent of their neighbours."""

from collections import Counter
from itertools import pairwise

import pytest

from gpte_data.randomness import bits, draw, weighted_order


def test_same_parts_same_number() -> None:
    assert draw(1, "a", 2) == draw(1, "a", 2) == draw(1, "a", "2")
    drawn = {draw(seed, row, what) for seed in range(9) for row in range(9) for what in "abc"}
    assert len(drawn) == 9 * 9 * 3


def test_draws_are_even_and_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [draw(0, i) for i in range(20_000)]
    assert all(0 <= number < 1 for number in drawn)
    tenths = Counter(int(number * 10) for number in drawn)
    assert all(1800 < tenths[i] < 2200 for i in range(10))
    above = sum((a > 0.5) == (b > 0.5) for a, b in pairwise(drawn))
    assert 9700 < above < 10_300, "neighbours know nothing of each other"
    monkeypatch.setattr("gpte_data.randomness.bits", lambda seed, *parts: 2**64 - 1)
    assert draw(0) < 1


def test_bits_are_64() -> None:
    every = 0
    for i in range(200):
        every |= bits(0, i)
    assert every == 2**64 - 1


def test_first_name_comes_by_weight() -> None:
    weights = {"a": 6.0, "b": 3.0, "c": 1.0, "never": 0.0}
    firsts = Counter(weighted_order(weights, 3, row)[0] for row in range(10_000))
    assert [round(firsts[name] / 1000) for name in "abc"] == [6, 3, 1]
    seconds = Counter(
        order[1] for row in range(10_000) if (order := weighted_order(weights, 3, row))[0] == "a"
    )
    assert 0.71 < seconds["b"] / seconds.total() < 0.79, "by weight among the rest: 3 of 4"
    assert all(sorted(weighted_order(weights, 3, row)) == ["a", "b", "c"] for row in range(50))


def test_tiny_weights_are_still_random() -> None:
    firsts = Counter(weighted_order({"a": 1e-6, "b": 1e-6}, 0, row)[0] for row in range(1000))
    assert 400 < firsts["a"] < 600


def test_no_weights_no_names() -> None:
    assert weighted_order({}, 0) == weighted_order({"a": 0.0}, 0) == []
