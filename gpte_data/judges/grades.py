"""What a judge says of the candidates that it was shown, as one grade each.

Verdicts may contradict each other: a candidate graded twice and not alike, or named the best of all
and not graded relevant. Such a candidate has no grade that can be relied on, nor has one that the
judge has passed over.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gpte_data.errors import BadInput
from gpte_data.recipes import Recipe

BEST = "best"
"""Relevant, and better than every positive and every other candidate of its question."""
RELEVANT, PARTLY, IRRELEVANT = "relevant", "partly", "irrelevant"
CONTRADICTORY, MISSING = "contradictory", "missing"
FLAGGED = (BEST, RELEVANT)
MOST = 25
"""Candidates in one question (RLHN)."""
NOT_SHOWN = "verdicts on candidates that were not shown"
_SAID = {RELEVANT, PARTLY, IRRELEVANT}


def grades_of(answer: Mapping[str, Any], shown: int, notes: Counter[str]) -> list[str]:
    """Return a grade for each of the candidates that were shown.

    Args:
        answer: `grades`, a list of `number` (from 1 on) and `grade`, and `best`, 0 for none.
        shown: How many there were.
        notes: Where verdicts on others are counted.
    """
    said: list[set[str]] = [set() for _ in range(shown)]
    for one in answer["grades"]:
        if 1 <= one["number"] <= shown:
            said[one["number"] - 1].add(one["grade"])
        else:
            notes[NOT_SHOWN] += 1
    grades = [_grade(one) for one in said]
    best = answer["best"]
    if not 0 <= best <= shown:
        notes[NOT_SHOWN] += 1
    elif best:
        grades[best - 1] = BEST if grades[best - 1] == RELEVANT else CONTRADICTORY
    return grades


def _grade(said: set[str]) -> str:
    """Return the one grade of a candidate, or why it has none."""
    if not said:
        return MISSING
    return next(iter(said)) if len(said) == 1 else CONTRADICTORY


def narrowed(answer: Mapping[str, Any], shown: int) -> dict[str, Any]:
    """Return the schema of an answer on so many candidates: an entry for each, no other number."""
    fields = dict(answer["properties"])
    entry = fields["grades"]["items"]
    number = {**entry["properties"]["number"], "minimum": 1, "maximum": shown}
    entry = {**entry, "properties": {**entry["properties"], "number": number}}
    fields["grades"] = {**fields["grades"], "items": entry, "minItems": shown, "maxItems": shown}
    fields["best"] = {**fields["best"], "minimum": 0, "maximum": shown}
    return {**answer, "properties": fields}


def check_judge(recipe: Recipe) -> None:
    """Raise BadInput unless a prompt asks for what is read here, of what a row has."""
    if recipe.input != "ranking" or len(recipe.steps) != 1 or recipe.steps[0].each:
        raise BadInput(
            f"prompt {recipe.name} can't judge candidates: its input must be ranking, in one step; "
            "see gpte-data show judge.md"
        )
    if not _asks_for_grades(recipe.answer):
        raise BadInput(
            f"prompt {recipe.name} can't judge candidates: its answer must require grades, a list "
            "of number (integer) and grade (enum of relevant, partly, irrelevant), and best "
            "(integer)"
        )
    recipe.steps[0].messages(dict.fromkeys(("query", "positives", "candidates"), "x"))


def _asks_for_grades(answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer has a grade for each number, and the best."""
    fields = answer["properties"]
    entry = fields.get("grades", {}).get("items", {})
    inner = entry.get("properties", {})
    grades = set(inner.get("grade", {}).get("enum", ()))
    numbers = (inner.get("number", {}), fields.get("best", {}))
    required = {"number", "grade"} <= set(entry.get("required", ()))
    required = required and {"grades", "best"} <= set(answer.get("required", ()))
    return (
        required
        and RELEVANT in grades <= _SAID
        and all(one.get("type") == "integer" for one in numbers)
    )
