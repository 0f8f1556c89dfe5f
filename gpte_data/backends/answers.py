"""Answers of language models, held to the schema that was asked for."""

from collections.abc import Mapping
from typing import Any

import orjson

_TYPES = {"string": str, "object": dict, "array": list, "boolean": bool}


def parse_answer(content: str | None, schema: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return the answer as a dict, or in words why it is none."""
    if not content or not content.strip():
        return "empty answer"
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "answer is not JSON"
    if not isinstance(answer, dict):
        return "answer is not the schema"
    for name in schema.get("required", ()):
        kind = _TYPES.get(schema["properties"][name].get("type", ""), object)
        if not isinstance(answer.get(name), kind):
            return "answer is not the schema"
    return answer
