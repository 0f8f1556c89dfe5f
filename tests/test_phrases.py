"""Hints: no phrase that a pattern describes lacks all of its kind's hints, or it is never seen."""

import random
import re._constants as words  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

import pytest

from gpte_data.phrases import OF_PASSAGE, REFUSAL, TEMPLATE, Phrases

TRIES = 300
"""Texts for each way of putting it."""


def text(pattern: Any, chance: random.Random) -> str:
    """Return a text that a parsed pattern describes, but for what stands around it."""
    return "".join(part(op, told, chance) for op, told in pattern)


def part(op: Any, told: Any, chance: random.Random) -> str:
    """Return what one element of a pattern describes."""
    if op in (words.AT, words.ASSERT, words.ASSERT_NOT):
        return ""
    if op is words.LITERAL:
        return chr(told)
    if op in (words.ANY, words.NOT_LITERAL):
        return chance.choice("abc ")
    if op is words.IN:
        return one_of(told, chance)
    if op is words.BRANCH:
        return text(chance.choice(told[1]), chance)
    if op is words.SUBPATTERN:
        return text(told[-1], chance)
    assert op in (words.MAX_REPEAT, words.MIN_REPEAT), op
    least, most, inner = told
    count = chance.randint(least, min(most, 60 if 20 < most < 1000 else least + 3))
    return "".join(text(inner, chance) for _ in range(count))


def one_of(told: Any, chance: random.Random) -> str:
    """Return a character of a set."""
    if told[0][0] is words.NEGATE:
        return "x"
    op, value = chance.choice(told)
    if op is words.LITERAL:
        return chr(value)
    return chr(chance.randint(*value)) if op is words.RANGE else chance.choice("az")


@pytest.mark.parametrize("name", ["REFUSAL", "OF_PASSAGE", "TEMPLATE"])
def test_what_a_pattern_describes_is_seen(name: str) -> None:
    phrases: Phrases = {"REFUSAL": REFUSAL, "OF_PASSAGE": OF_PASSAGE, "TEMPLATE": TEMPLATE}[name]
    (branch,) = parser.parse(phrases.pattern.pattern, phrases.pattern.flags)
    chance, seen = random.Random(7), 0
    find = phrases.pattern.match if name == "REFUSAL" else phrases.pattern.search
    for way in branch[1][1]:
        for made in (text(way, chance) for _ in range(TRIES)):
            if find(made):
                seen += 1
                told = phrases.begin(made) if name == "REFUSAL" else phrases.stand_in(made)
                assert told, made
    assert seen > 10 * len(branch[1][1])
