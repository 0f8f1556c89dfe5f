"""Answers of language models, held to the schema that was asked for.

Only what a schema of ours says is looked at: type, enum, minLength, maxLength, properties,
required and items. A server that enforces schemas never fails here; one that ignores them, or
writes the answer into a Markdown code block, is asked again only where the answer is no use.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "object": (dict,),
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_CODE_BLOCK = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


def parse_answer(content: str | None, schema: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return the answer as a dict, or in words why it is none."""
    if not content or not content.strip():
        return "empty answer"
    block = _CODE_BLOCK.match(content)
    try:
        answer = orjson.loads(block[1] if block else content)
    except orjson.JSONDecodeError:
        return "answer is not JSON"
    if not isinstance(answer, dict) or not fits(answer, schema):
        return "answer does not fit the schema"
    return answer


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Tell whether a value is what the schema describes."""
    if not _is_of(value, schema.get("type")) or value not in schema.get("enum", (value,)):
        return False
    if isinstance(value, str):
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
        return bool(least <= len(value) <= most)
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, dict):
        return _has_fields(value, schema)
    return True


def _is_of(value: object, named: str | list[str] | None) -> bool:
    """Tell whether a value is of the type, or one of the types, that a schema names."""
    names = [named] if isinstance(named, str) else named
    if not names:
        return True
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES.get(name, (object,))) for name in names)


def _has_fields(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Tell whether an object has all required fields, and each is what it should be."""
    if not set(schema.get("required", ())) <= value.keys():
        return False
    parts = schema.get("properties", {})
    return all(fits(value[name], part) for name, part in parts.items() if name in value)
