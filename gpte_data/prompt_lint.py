"""What makes a recipe slow or unsafe: said of a user's file on stderr, an error in one of ours.

A server that caches prefixes reads anew all that follows the first difference between two prompts.
So what is the same for every row stands first, then what is the same for a run, then the row's own
blocks, and last what each item draws; and little fixed text may follow the first thing that varies.
A document that stands in no block can speak for the prompt, and an answer without bounds may go on
until its tokens are used up.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpte_data.prompts import FIELD, Prompt, share
from gpte_data.recipes import Recipe, load_recipe, recipe_path

RUN, ROW, ITEM = 1, 2, 3
TAIL = 200
"""Characters of fixed text that may follow what varies, however little stands before it …"""
TAIL_SHARE = 1 / 3
"""… or this share of the fixed text before it."""
_RUN = frozenset({"examples", "domain"})
_ROW: Mapping[str, frozenset[str]] = {
    "passage": frozenset({"passage", "text", "title", "context", "personas", "passage_language"}),
    "pair": frozenset({"query", "passage", "personas"}),
    "query": frozenset({"query", "personas"}),
    "label": frozenset({"label"}),
    "persona": frozenset({"persona"}),
    "topic": frozenset({"topic"}),
    "ranking": frozenset({"query", "positives", "candidates"}),
}
_TEXTS = frozenset().union(*_ROW.values()) - {"passage_language"} | {"examples", "summary"}
"""Fields that hold what others wrote, and so belong between tags."""
_CHANGES = {RUN: "with each run", ROW: "with each row", ITEM: "with each item"}
_OPENING = re.compile(r"<(/?)([A-Za-z]\w*)>")
_BOUNDS = {"string": "maxLength", "array": "maxItems", "integer": "maximum", "number": "maximum"}
_KEYWORDS = frozenset(_BOUNDS.values()) | {
    "type", "enum", "minLength", "items", "minItems", "minimum", "properties", "required",
    "additionalProperties", "description",
}  # fmt: skip
"""What servers and engines hold answers to alike."""


@dataclass(frozen=True)
class _Field:
    """A field where it stands in a prompt."""

    name: str
    scope: int
    place: int
    """Where it begins in its message."""
    system: bool


def warn(name: str) -> None:
    """Say on stderr what could be better in a recipe that is not one of ours, a line each."""
    for part in load_recipe(name).mix or (name,):
        if recipe_path(part).parent.resolve() != share("prompts").resolve():
            for sentence in lint(load_recipe(part)):
                sys.stderr.write(f"warning: {sentence}\n")


def lint(recipe: Recipe) -> list[str]:
    """Return what is wrong with a recipe, each in one sentence that begins with its name."""
    found: list[str] = []
    answered: frozenset[str] = frozenset()
    for step in recipe.steps:
        row = _ROW[recipe.input] - answered
        fields = [*_fields(step.system, True, row), *_fields(step.user, False, row)]
        problems = (_order(fields), _tail(step, fields), _blocks(step, fields), _bounds(step))
        found += [f"recipe {step.name}: {problem}" for one in problems for problem in one]
        answered |= frozenset(step.answer["properties"])
    return found


def _fields(text: str, system: bool, row: frozenset[str]) -> Iterator[_Field]:
    """Yield the fields of a message in order; what an earlier answer fills varies by item."""
    for match in FIELD.finditer(text):
        name = match[1]
        scope = RUN if name in _RUN else ROW if name in row else ITEM
        yield _Field(name, scope, match.start(), system)


def _order(fields: list[_Field]) -> Iterator[str]:
    """Yield what stands too late, or in the system message and varies by row."""
    widest, before = 0, ""
    for field in fields:
        if field.system and field.scope >= ROW:
            yield (
                f"{{{{{field.name}}}}} changes {_CHANGES[field.scope]} and stands in the system "
                "section: put it into the user section, behind what is the same for all"
            )
        if field.scope < widest:
            yield (
                f"{{{{{field.name}}}}} changes {_CHANGES[field.scope]} only, and stands behind "
                f"{{{{{before}}}}}, which changes {_CHANGES[widest]}: put it before"
            )
        elif field.scope > widest:
            widest, before = field.scope, field.name


def _tail(step: Prompt, fields: list[_Field]) -> Iterator[str]:
    """Yield that much fixed text stands behind the first thing that varies by row."""
    first = next((field for field in fields if field.scope >= ROW), None)
    if first is None:
        return
    head = step.system[: first.place] if first.system else step.system + step.user[: first.place]
    before = len(FIELD.sub("", head))
    after = len(FIELD.sub("", step.system + step.user)) - before
    if after > max(TAIL, before * TAIL_SHARE):
        yield (
            f"{after} characters that are the same in every prompt stand behind "
            f"{{{{{first.name}}}}}, {before} before it: put them into the system section, where "
            "a server that caches prefixes reads them once"
        )


def _blocks(step: Prompt, fields: list[_Field]) -> Iterator[str]:
    """Yield the texts of others that stand in no block."""
    for field in fields:
        text = step.system if field.system else step.user
        if field.name in _TEXTS and not _inside(text, field.place):
            yield (
                f"{{{{{field.name}}}}} does not stand between tags: write <{field.name}>"
                f"{{{{{field.name}}}}}</{field.name}>, so that nothing in it is taken for yours"
            )


def _inside(text: str, place: int) -> bool:
    """Tell whether a place lies between a tag and its end."""
    closed = {match[2] for match in _OPENING.finditer(text, place) if match[1]}
    opened: list[str] = []
    for match in _OPENING.finditer(text, 0, place):
        if not match[1]:
            opened.append(match[2])
        elif match[2] in opened:
            opened.remove(match[2])
    return any(name in closed for name in opened)


def _bounds(step: Prompt) -> Iterator[str]:
    """Yield where the answer's schema sets no bounds, or says what not every server knows."""
    for path, schema in _parts("answer", step.answer):
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield f"{path} allows fields that it does not name: add additionalProperties: false"
        for keyword in sorted(schema.keys() - _KEYWORDS):
            yield f"{path} has {keyword}, which not every server holds answers to: leave it out"
        bound = _BOUNDS.get(str(schema.get("type")))
        if bound and bound not in schema and "enum" not in schema:
            yield f"{path} has no {bound}: without it an answer may go on until its tokens end"
        optional = sorted(schema.get("properties", {}).keys() - set(schema.get("required", ())))
        if optional:
            yield f"{path} does not require {optional[0]}: what is not required is left out"


def _parts(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a schema and all those inside it, each with where it stands."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from _parts(f"{path}.{name}", part)
    if isinstance(schema.get("items"), Mapping):
        yield from _parts(f"{path}[]", schema["items"])
