"""A recipe rehearsed with a row of nothing before anything is paid for: each prompt filled once."""

from collections.abc import Iterable

from gpte_data.prompts import Prompt
from gpte_data.recipes import INPUTS, Recipe
from gpte_data.subjects import Drawing, values_of


def rehearse(recipe: Recipe, drawing: Drawing) -> None:
    """Fill each of a recipe's prompts; raise BadInput where one asks for what is not there."""
    row = dict.fromkeys((*INPUTS[recipe.input], "topic"), "x")
    values = values_of(row, recipe.input) | {"personas": "x"}
    known = dict(next(drawing.items_of(recipe, row, 1, values)).values)
    for step in recipe.steps:
        step.messages(known)
        known |= dict.fromkeys((*step.answer["properties"], *_listed(step)), "x")
        if "persona_number" in step.answer["properties"]:
            known["persona"] = "x"


def _listed(step: Prompt) -> Iterable[str]:
    """Return the values that each element of an answer's list brings."""
    if not step.each:
        return ()
    items = step.answer["properties"][step.each].get("items", {})
    return list(items.get("properties", [step.each.removesuffix("s")]))
