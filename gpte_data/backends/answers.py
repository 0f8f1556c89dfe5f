"""Answers of language models, held to the schema that was asked for.

Only what a schema of ours says is looked at: type, enum, minLength, maxLength, properties,
required and items. A server that enforces schemas never fails here; one that ignores them, thinks
aloud first, or writes the answer into a Markdown code block, is asked again only where the answer
is no use. Then it is told what was wrong, once.
"""

import re
from collections.abc import Mapping, Sequence
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
_THOUGHT = re.compile(r"\A\s*(?:<think>|(?!\s*[{`])).*?</think>", re.DOTALL)
"""What a model thinks before it answers; some templates write <think> themselves."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RAW = re.compile(r"[\x00-\x1f]")
"""What JSON allows in a string as an escape only, and models write as it is. xgrammar lets it pass
in strings that have a minLength or maxLength (vLLM 0.32)."""
QUOTED = 1500
"""Characters of an answer that is none that the model is shown again."""

Messages = Sequence[Mapping[str, str]]


def parse_answer(
    content: str | None, schema: Mapping[str, Any], thought: str | None = None
) -> dict[str, Any] | str:
    """Return the answer as a dict, or in words why it is none.

    Args:
        content: What the model wrote.
        schema: What the answer must be.
        thought: What a server took for the model's thinking. vLLM's reasoning parsers have taken
            all for it where a model does not think; an answer that fits is one.
    """
    content = without_thought(content or "")
    if not content.strip():
        found = parse_answer(thought, schema) if thought else ""
        return found if isinstance(found, dict) else "empty answer"
    block = _CODE_BLOCK.match(content)
    try:
        answer = _loads(block[1] if block else content)
    except orjson.JSONDecodeError:
        return "answer is not JSON"
    if not isinstance(answer, dict) or not fits(answer, schema):
        return "answer does not fit the schema"
    return answer


def _loads(content: str) -> Any:
    """Read JSON in which strings may hold control characters; they are spaces but for tab, CR, LF.

    Raises:
        JSONDecodeError: It is not JSON all the same.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        if not _RAW.search(content):
            raise
        return orjson.loads(_STRING.sub(lambda found: _RAW.sub(_escaped, found[0]), content))


def _escaped(found: re.Match[str]) -> str:
    """Return a control character as JSON has it."""
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(found[0], " ")


def without_thought(content: str) -> str:
    """Return what a model wrote without the thinking before it."""
    return _THOUGHT.sub("", content, count=1) if "</think>" in content else content


def repair(messages: Messages, raw: str, problem: str) -> list[Mapping[str, str]]:
    """Return the conversation that asks once more for an answer that was none.

    What the model wrote stands in it as its own turn, without its thinking and cut to 1,500
    characters; where it wrote nothing, what is asked is added to the last turn: not every server
    takes an empty turn, or two of one role after each other.

    Args:
        messages: The conversation that led to the answer.
        raw: What the model wrote.
        problem: What was wrong with it, as `parse_answer` says it.
    """
    said = without_thought(raw).strip()[:QUOTED]
    if not said:
        return _added(messages, "Keep it brief, and answer with the JSON object alone.")
    asked = f"That is no use here: {problem}. Answer again, with the JSON object alone."
    if "cut off" in problem:
        asked = "That was cut off: too long. Answer more briefly, with the JSON object alone."
    return [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": asked}]


def with_schema(messages: Messages, schema: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Return the conversation with the schema written into its last turn."""
    written = orjson.dumps(schema).decode()
    return _added(messages, f"Answer with one JSON object that fits this schema: {written}")


def _added(messages: Messages, words: str) -> list[Mapping[str, str]]:
    """Return the conversation with a paragraph more in the last turn, which is the user's."""
    *before, last = messages
    return [*before, {**last, "content": f"{last['content']}\n\n{words}"}]


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
