"""What a recipe's file may say: each wrong value is one sentence, before anything is asked.

An answer's schema must promise what is taken from it: a field that is a query, a passage or a
persona is text, and required, so that no answer that fits the schema can break a row.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpte_data.errors import BadInput

TYPES = ("object", "array", "string", "boolean", "integer", "number", "null")
TEXT, TEXTS = ("string", None), ("array", "string")
"""Type of a field, and of its items."""
_TEXT = re.compile(r"query|positive|negative|persona|relevance_[0-9]")
_LISTS = ("positives", "negatives")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")


def number(
    front: Mapping[str, Any], name: str, default: float, where: str, least: float = 0
) -> float:
    """Return a number of a file's front matter; raise BadInput unless it is one."""
    value = front.get(name, default)
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= least
    if not good or (isinstance(default, int) and int(value) != value):
        kind = "whole number" if isinstance(default, int) else "number"
        raise BadInput(f"{name} in recipe {where} is a {kind} of at least {least}, not {value!r}")
    return type(default)(value)


def names(front: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """Return a list of names of the front matter; raise BadInput unless it is one."""
    value = front.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"{name} in recipe {where} is a list of names, not {value!r}")
    return tuple(value)


def check_answer(answer: Any, each: str, where: str) -> None:
    """Raise BadInput unless this is the schema of an object, of which all can be taken."""
    if not isinstance(answer, dict) or not isinstance(answer.get("properties"), dict):
        raise BadInput(
            f"answer in recipe {where} must be the JSON schema of an object: "
            "{type: object, properties: {…}, required: […]}"
        )
    for problem in _problems("answer", answer):
        raise BadInput(f"recipe {where}: {problem}")
    element = answer["properties"].get(each, {}) if each else {}
    if each and (element.get("type") != "array" or each not in answer.get("required", ())):
        raise BadInput(
            f"each in recipe {where} must name a list that the answer requires, not {each!r}"
        )
    for problem in _untaken(answer, each):
        raise BadInput(f"recipe {where}: {problem}")


def check_types(types: Any, where: str) -> None:
    """Raise BadInput unless these are query types, at least one of them with a weight."""
    if not isinstance(types, dict) or not all(isinstance(kind, dict) for kind in types.values()):
        raise BadInput(f"types in recipe {where} must be like: {{question: {{weight: 2, say: …}}}}")
    if types:
        weights_of({n: kind.get("weight", 1) for n, kind in types.items()}, "types", where)


def weights_of(values: Any, what: str, where: str) -> dict[str, float]:
    """Return weights by name; raise BadInput unless they are numbers, at least one above 0."""
    if not isinstance(values, dict):
        raise BadInput(f"{what} in recipe {where} must be like: {{name: weight, …}}")
    if not all(isinstance(weight, int | float) and weight >= 0 for weight in values.values()):
        raise BadInput(f"a weight in recipe {where} is not a number of at least 0: {values}")
    if not any(values.values()):
        raise BadInput(f"{what} in recipe {where} has no weight above 0")
    return {str(name): float(weight) for name, weight in values.items()}


def _problems(path: str, schema: Any) -> Iterator[str]:
    """Yield what is no JSON schema, of the whole."""
    if not isinstance(schema, dict):
        yield f"{path} must be a schema, as {{type: string}}, not {schema!r}"
        return
    yield from _of_value(path, schema)
    fields, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(fields, dict) or not isinstance(required, list):
        yield f"properties of {path} must be fields by name, and required a list of names"
        return
    if unknown := [name for name in required if name not in fields]:
        yield f"{path} requires {unknown[0]!r}, which is not among its properties"
    for name, part in fields.items():
        yield from _problems(f"{path}.{name}", part)
    if "items" in schema:
        yield from _problems(f"{path}[]", schema["items"])


def _of_value(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with what a value may be."""
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield f"enum of {path} must be a list of values, not {schema['enum']!r}"
    known = {"enum": "string", "properties": "object", "items": "array"}
    told = schema.get("type", next((known[name] for name in known if name in schema), None))
    types = told if isinstance(told, list) else [told]
    if not types or any(one not in TYPES for one in types):
        yield f"type of {path} is one of {', '.join(TYPES)}, not {told!r}"
    for name in _COUNTS:
        value = schema.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield f"{name} of {path} is a whole number of at least 0, not {value!r}"


def _untaken(answer: Mapping[str, Any], each: str) -> Iterator[str]:
    """Yield what rows are made of, and an answer need not have, or may have otherwise."""
    for name, part in answer["properties"].items():
        if name == each:
            yield from _untaken({"properties": {}} | part.get("items", {}), "")
            continue
        if name.startswith("relevance_") and not _TEXT.fullmatch(name):
            yield f"{name} must be relevance_0 to relevance_9"
        wanted = TEXT if _TEXT.fullmatch(name) else TEXTS if name in _LISTS else None
        if wanted and (part.get("type"), part.get("items", {}).get("type")) != wanted:
            yield f"{name} must be a {'string' if wanted == TEXT else 'list of strings'}"
        if wanted and name not in answer.get("required", ()):
            yield f"{name} is not among what the answer requires: add it to required"
