"""Items on their way through a recipe's calls: what each is asked, and what it has answered.

An item is one thing to be written for one row: a query of a passage, a negative of a pair. Each
call reads what the calls before have answered. Items keep their order; all that is under way is
bounded by the model's own window. What is the same for all items stands first in a prompt, then
what is the same for a row, so a server that caches prefixes reads each passage once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gpte_data.backends import LLM, Completion, Request
from gpte_data.backends.journal import Journal, complete
from gpte_data.prompts import Prompt
from gpte_data.randomness import bits
from gpte_data.recipes import Recipe
from gpte_data.stage import Context, Event, Expanded, Rejected, Row

DECLINED = {
    "present": "passage says nothing of this aspect",
    "needs_context": "passage is understood without its context",
}
"""Field of an answer that is true or false -> why the item ends there if it is false."""
_NOTHING_TO_ASK = Completion(None, "nothing to ask")


def _keep(item: "Item") -> None:
    """Draw nothing."""


@dataclass(slots=True)
class Item:
    """One thing to be written, and all that is known of it so far."""

    row: Row
    subject: str
    """The row's id."""
    number: str
    """Which of the row's items: 0, 1, …; of what an answer lists, 0.0, 0.1, …"""
    recipe: Recipe
    values: dict[str, str]
    """What prompts may ask for."""
    facts: dict[str, Any] = field(default_factory=dict)
    """How it was made: what was drawn and chosen."""
    answer: dict[str, Any] = field(default_factory=dict)
    expanded: int = 0
    """Rows that this item's row has become more; told by the first of them."""
    redraw: Callable[["Item"], None] = _keep
    """Draws anew what an item draws, for one that came out of another's list."""
    failure: Completion | None = None
    dropped: str = ""
    schema: Mapping[str, Any] | None = None
    """Of its answer, where that is narrower than what the recipe says."""

    @classmethod
    def unfit(cls, row: Row, recipe: Recipe, reason: str) -> "Item":
        """Return a row that there is nothing to be written for; it keeps its place among others."""
        return cls(row, "", "", recipe, {}, dropped=reason)

    @property
    def name(self) -> str:
        """An id that belongs to this item alone."""
        return f"{self.subject}#{self.recipe.name}-{self.number}"

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be asked for it."""
        return self.failure is not None or bool(self.dropped)


@dataclass(frozen=True)
class Asking:
    """How a model is asked; what a recipe says holds where a user has not said other."""

    model: str
    """What of the model decides its answers, in words."""
    seed: int
    temperature: float | None = None
    max_tokens: int | None = None

    def request(self, item: Item, number: int, step: Prompt) -> Request:
        """Return what the model is asked for an item in a step."""
        temperature = self.temperature
        sampling = {
            "temperature": item.recipe.temperature if temperature is None else temperature,
            "max_tokens": self.max_tokens or step.max_tokens,
            "seed": self.seed_of(item, number),
        }
        messages = step.messages(item.values)
        return Request(self.model, messages, _schema(item, step), sampling, item.values)

    def seed_of(self, item: Item, number: int) -> int:
        """Return the seed of sampling: the item's and the step's own."""
        step = (number,) if number else ()
        return bits(self.seed, item.subject, item.recipe.name, item.number, *step) % 2**31


def _schema(item: Item, step: Prompt) -> Mapping[str, Any]:
    """Return the schema of an answer; of the personas, only those that are shown can be named."""
    shown, fields = len(item.facts.get("personas", ())), step.answer["properties"]
    if item.schema is not None or not shown or "persona_number" not in fields:
        return item.schema or step.answer
    number = {**fields["persona_number"], "maximum": shown}
    return {**step.answer, "properties": {**fields, "persona_number": number}}


def write(
    items: Iterable[Item], calls: int, llm: LLM, asking: Asking, journal: Journal, ctx: Context
) -> Iterator[Item]:
    """Yield the items with what was answered, in order; `calls` is the most that any recipe has."""
    stream = iter(items)
    for number in range(calls):
        stream = _step(stream, number, llm, asking, journal, ctx)
    return stream


def told(
    items: Iterable[Item],
    ctx: Context,
    begin: Callable[[Item], Iterable[Event]],
    event: Callable[[Item], Event],
) -> Iterator[Event]:
    """Yield what became of items that were written, and book what their rows have become.

    Args:
        items: In order, those of one row together.
        ctx: Is told of each row.
        begin: What comes before the items of a row, of which it gets the first.
        event: What an item became.
    """
    last: Row | None = None
    for item in items:
        new, last = item.row is not last, item.row
        if new:
            ctx.tell(1, 0)
        if not item.number:
            yield Rejected(item.row, item.dropped)
            continue
        if new:
            yield from begin(item)
        if item.expanded:
            yield Expanded(item.expanded)
        yield event(item)


def original(item: Item) -> Iterator[Event]:
    """Yield the row itself, beside what is written for it."""
    yield Expanded(1)
    yield item.row


def ended(item: Item, row: Row) -> Rejected:
    """Return an item that ended before its last call as a rejected row, with what was written."""
    if item.failure is None:
        return Rejected(row | {"answer": item.answer}, item.dropped)
    raw = {"raw": item.failure.raw} if item.failure.raw else {}
    return Rejected(row | raw, item.failure.error, failed=True)


def _step(
    items: Iterator[Item], number: int, llm: LLM, asking: Asking, journal: Journal, ctx: Context
) -> Iterator[Item]:
    """Ask for each item that has such a step; the others pass."""
    asked: deque[Item] = deque()

    def requests() -> Iterator[Request | Completion]:
        for item in items:
            asked.append(item)
            if item.ended or number >= len(item.recipe.steps):
                yield _NOTHING_TO_ASK
            else:
                yield asking.request(item, number, item.recipe.steps[number])

    for completion in complete(llm, requests(), journal):
        item = asked.popleft()
        if completion is _NOTHING_TO_ASK:
            yield item
            continue
        _book(item.recipe.name, completion, ctx)
        yield from _taken(item, item.recipe.steps[number], completion)


def _book(recipe: str, completion: Completion, ctx: Context) -> None:
    """Count calls and tokens, by recipe and in all."""
    asked, written = completion.prompt_tokens, completion.completion_tokens
    ctx.tell(0, asked + written)
    notes = ctx.ledger.notes
    if asked or written:
        notes["prompt tokens"] += asked
        notes["completion tokens"] += written
        notes[f"prompt tokens of {recipe}"] += asked
        notes[f"completion tokens of {recipe}"] += written
        notes[f"calls of {recipe}"] += 1


def _taken(item: Item, step: Prompt, completion: Completion) -> Iterator[Item]:
    """Yield the item with its answer, or an item for each element of the list that it answered."""
    if completion.answer is None:
        item.failure = completion
        yield item
        return
    _learn(item, completion.answer)
    if not step.each:
        yield item
        return
    elements = completion.answer[step.each]
    if not elements:
        item.dropped = f"no {step.each}"
        yield item
    yield from _each(item, step.each, elements)


def _learn(item: Item, answer: Mapping[str, Any]) -> None:
    """Let later prompts ask for what was answered."""
    item.answer.update(answer)
    for name, value in answer.items():
        if isinstance(value, str | int | float):
            item.values[name] = str(value)
    declined = [reason for name, reason in DECLINED.items() if answer.get(name) is False]
    item.dropped = item.dropped or next(iter(declined), "")
    if (number := answer.get("persona_number")) is not None:
        candidates = item.facts.get("personas", ())
        if not 1 <= number <= len(candidates):
            item.failure = Completion(None, "answer names no persona", raw=str(number))
            return
        item.facts |= candidates[number - 1]
        item.values["persona"] = candidates[number - 1]["persona"]


def _each(item: Item, name: str, elements: list[Any]) -> Iterator[Item]:
    """Yield an item for each element; a string is known by the list's name without its s."""
    seen: set[str] = set()
    for number, element in enumerate(elements):
        child = replace(
            item, number=f"{item.number}.{number}", values=dict(item.values),
            facts=dict(item.facts), answer=dict(item.answer), expanded=0,
        )  # fmt: skip
        if number == 0:
            child.expanded = item.expanded + len(elements) - 1
        said = element if isinstance(element, dict) else {name.removesuffix("s"): element}
        child.redraw(child)
        _learn(child, said)
        words = " ".join(str(value) for value in said.values()).casefold().split()
        if not words or " ".join(words) in seen:
            child.dropped = f"repeats another of the {name}" if words else f"empty in {name}"
        seen.add(" ".join(words))
        yield child
