"""What a recipe is given: a row's values for prompts, and what each item of a row draws.

A draw is decided by (seed, the row's id, the recipe, the item's number, what is drawn): the same in
any order and for any number of items.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpte_data.languages import code_of, language_name
from gpte_data.randomness import weighted_order
from gpte_data.recipes import INPUTS, Recipe
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.writing import Item

_IDS = ("query_id", "persona_id", "doc_id", "label", "topic_id", "topic")
_REMEDY = {"context": ": ingest with --chunk-words gives chunks theirs"}
"""Field that a row may lack -> how it would have it."""
_ONCE = {
    "label": "label", "topic": "topic", "persona": "persona_id",
    "pair": "query_id", "query": "query_id",
}  # fmt: skip
"""What a recipe is given -> the field that stands there once only."""
TOPIC = 600
"""Characters of a passage that stand for its topic."""


@dataclass(frozen=True)
class Drawing:
    """What decides what is asked for: weights and the seed."""

    seed: int
    recipes: Mapping[str, Recipe]
    mix: Mapping[str, float]
    """Weight of each recipe; of one alone, nothing."""
    types: Mapping[str, Mapping[str, float]]
    """Recipe -> query type -> weight."""
    languages: Mapping[str, float] = field(default_factory=dict)
    """Language of what is written -> weight; empty for the row's own."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Values that are the same for all rows."""

    def items(
        self, row: Row, count: int, values: Mapping[str, str], personas: Sequence[Row] = ()
    ) -> Iterator[Item]:
        """Yield the items of one row, each by a recipe drawn by weight."""
        if not self.mix:
            yield from self.items_of(
                next(iter(self.recipes.values())), row, count, values, personas
            )
            return
        subject = subject_of(row)
        ways = {
            n: list(self.items_of(r, row, count, values, personas)) for n, r in self.recipes.items()
        }
        for number in range(count):
            yield ways[self._one(self.mix, subject, "recipe", number)][number]

    def items_of(
        self, recipe: Recipe, row: Row, count: int, values: Mapping[str, str],
        personas: Sequence[Row] = (),
    ) -> Iterator[Item]:  # fmt: skip
        """Yield the items of one row by one recipe."""
        subject = subject_of(row)
        for number, kind in enumerate(self._types(recipe.name, subject, count)):
            facts = self._facts(recipe, subject, number, kind, row)
            said = _said(recipe, facts, number)
            item = Item(row, subject, str(number), recipe, {**self.fixed, **values, **said}, facts)
            item.expanded = count - 1 if number == 0 else 0
            item.redraw = self._redraw
            if personas:
                facts["personas"] = personas
            yield item

    def _redraw(self, item: Item) -> None:
        """Draw for an element of a list that was answered: it is an item of its own from here."""
        before, _, number = item.number.rpartition(".")
        kinds = self._types(item.recipe.name, f"{item.subject}#{before}", int(number) + 1)
        facts = self._facts(item.recipe, item.subject, item.number, kinds[-1], item.row)
        item.facts |= facts
        item.values |= _said(item.recipe, facts, int(number))

    def _one(self, weights: Mapping[str, float], *parts: object) -> str:
        """Return one name, drawn by weight, or nothing where there is nothing to draw from."""
        return weighted_order(weights, self.seed, *parts)[0] if weights else ""

    def _types(self, recipe: str, subject: str, count: int) -> list[str]:
        """Return the query type of each item of a row: none twice before all were used."""
        weights = self.types[recipe] or {"query": 1.0}
        kinds: list[str] = []
        while len(kinds) < count:
            kinds += weighted_order(weights, self.seed, subject, "query_type", len(kinds))
        return kinds[:count]

    def _facts(
        self, recipe: Recipe, subject: str, number: int | str, kind: str, row: Row
    ) -> dict[str, Any]:
        """Return what is decided for an item before any model is asked; a draw may say nothing."""
        orders = {
            name: weighted_order(weights, self.seed, subject, recipe.name, name, number)
            for name, weights in recipe.draws.items()
        }
        facts: dict[str, Any] = {"query_type": kind} | {n: order[0] for n, order in orders.items()}
        language = self._one(self.languages, subject, "language", number)
        if language := language or facts.get("language", "") or _own_language(row):
            facts["language"] = language
        if "target_language" in orders:  # the first that is another one
            others = [name for name in orders["target_language"] if not _same(name, language)]
            facts["target_language"] = next(iter(others), language)
        return facts


def _said(recipe: Recipe, facts: Mapping[str, Any], number: int) -> dict[str, str]:
    """Return what was decided for an item as prompts say it."""
    kind = str(facts["query_type"])
    values = {name: str(value) for name, value in facts.items()}
    values |= {
        "say": str(recipe.types.get(kind, {}).get("say", kind if kind != "query" else "a query")),
        "number": str(number + 1),
        "language": language_name(str(facts.get("language", "")))
        or f"the language of the {'query' if recipe.input == 'pair' else recipe.input}",
    }
    if "target_language" in values:
        values["target_language"] = language_name(values["target_language"])
    return values


def _same(one: str, other: str) -> bool:
    """Tell whether two codes or names are of one language."""
    return (code_of(one) or one) == (code_of(other) or other)


def _own_language(row: Row) -> str:
    """Return the language that a row names, on one line: what a row says is not ours."""
    return " ".join(str(row.get("language") or "").split())[:40]


def subject_of(row: Row) -> str:
    """Return the row's id, or a hash of what it says where it has none."""
    for name in _IDS:
        if row.get(name):
            return str(row[name])
    text = "\0".join(f"{name}={row[name]}" for name in sorted(row))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def values_of(row: Row, input_: str, positive: str = "") -> dict[str, str]:
    """Return a row's values for prompts; `positive` is the text of a pair's first positive."""
    if input_ in ("pair", "query"):
        return {"query": str(row["query"]), "passage": positive}
    if input_ == "label":
        return {"label": row["label"].replace("_", " ")}
    if input_ == "persona":
        return {"persona": str(row["persona"])}
    if input_ == "topic":
        return {"topic": _topic(row)}
    return {
        "title": str(row.get("title", "")),
        "text": row["text"],
        "passage": full_text(row),
        "context": str(row.get("context", "")),
        "passage_language": language_name(_own_language(row)) or "not given",
    }


def _topic(row: Row) -> str:
    """Return what a row is about: its topic, or the beginning of its text."""
    if row.get("topic"):
        return str(row["topic"])
    return (full_text(row) if row.get("text") else str(row.get("title", "")))[:TOPIC]


def lacks(row: Row, recipe_input: str, needs: Iterable[str]) -> str:
    """Return in words what a row lacks for a recipe, or nothing."""
    if recipe_input == "topic" and not _topic(row):
        return "no topic, title or text"
    if recipe_input == "label" and not isinstance(row.get("label") or "", str):
        return "label is no name"
    if "context" in needs and row.get("context") and row["context"] == row.get("text"):
        return "no context beyond the passage"
    for name in ("text", "title", "context", "query", "persona"):
        if not isinstance(row.get(name) or "", str):
            return f"{name} is no text"
    missing = [name for name in (*INPUTS[recipe_input], *needs) if not row.get(name)]
    return f"no {sorted(missing)[0]}{_REMEDY.get(sorted(missing)[0], '')}" if missing else ""


@dataclass
class Met:
    """What rows before have said: a class or a topic is taken once, and an id stands for one row.

    It knows the rows of one shard; ids that two shards share are found when their passages are
    opened as a corpus.
    """

    seen: set[str] = field(default_factory=set)

    def again(self, row: Row, recipe_input: str) -> str:
        """Return in words what of a row was met before, or nothing."""
        name = _ONCE.get(recipe_input)
        if name is None:
            return ""
        said = str(row.get(name) or subject_of(row))
        if name == recipe_input:
            said = " ".join(said.replace("_", " ").casefold().split())
        again = said in self.seen
        self.seen.add(said)
        return f"{name} met before" if again else ""
