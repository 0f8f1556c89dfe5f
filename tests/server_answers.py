"""Answers of the test server: pure functions of the request, never of time or of order.

Nothing here talks to the network. `server.py` decides which faults a request meets and
sends the bytes; this module only says what a good answer (or a spoilt one) looks like.
"""

import base64
import hashlib
import json
import math
import re
import struct
import zlib
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Any

Json = dict[str, Any]

CHAT_FIELDS = ("model", "messages", "response_format", "temperature", "seed", "max_tokens")
SCHEMA_NOTES = {"$schema", "$defs", "title", "description", "default", "examples"}
SCHEMA_TYPES = {"$ref", "anyOf", "const", "enum", "type", "items"}
SCHEMA_OBJECTS = {"properties", "required", "additionalProperties"}
SCHEMA_LIMITS = {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"}
SCHEMA_KEYWORDS = SCHEMA_NOTES | SCHEMA_TYPES | SCHEMA_OBJECTS | SCHEMA_LIMITS


class Refusal(Exception):
    """A request that gets an OpenAI-shaped error and no answer."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        """Keep what the error body needs."""
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, code)


def error_body(status: int, message: str, code: str | None = None) -> Json:
    """Return an error in the shape the OpenAI API uses."""
    kind = "invalid_request_error" if status < 429 else "server_error"
    if status == 429:
        kind, code = "rate_limit_error", "rate_limit_exceeded"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def request_key(route: str, body: Json) -> str:
    """Name a request by what it asks: equal requests have equal keys, hence equal answers."""
    fields = {name: body.get(name) for name in CHAT_FIELDS} if route == "chat" else body
    text = json.dumps([route, fields], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def question(body: Json) -> Json:
    """Return a chat request up to the first answer in it, if there is one: what was asked."""
    roles = [message["role"] for message in body["messages"]]
    if "assistant" not in roles:
        return body
    return body | {"messages": body["messages"][: roles.index("assistant")]}


def texts_of(route: str, body: Json) -> list[str]:
    """Return what a model would read: one text for each pass it would make."""
    match route:
        case "chat":
            return ["\n".join(_content(message) for message in body["messages"])]
        case "embeddings":
            return _strings(body["input"])
        case "rerank":
            return [f"{body['query']}\n{text}" for text in _documents(body)]
    return ["\n".join(pair) for pair in _pairs(body)]


def answer(route: str, body: Json, key: str, dimensions: int, script: Json | None = None) -> Json:
    """Return the good answer to a request; a script says what a judge answers, by its model."""
    match route:
        case "chat":
            return _chat(body, key, (script or {}).get(body["model"]))
        case "embeddings":
            return _embeddings(body, dimensions)
        case "rerank":
            return _rerank(body, key)
    return _score(body, key)


def spoil(reply: Json, key: str) -> Json:
    """Make the content of a good chat answer useless in one of three ways the key picks."""
    choice = reply["choices"][0]
    content = choice["message"]["content"]
    apology = "I'm sorry, but I can't help with that."
    cut = content[: len(content) // 2]
    choice["message"]["content"] = Random(key).choice([apology, cut, f"[{content}]"])
    if choice["message"]["content"] == cut:
        choice["finish_reason"] = "length"
    return reply


def empty(reply: Json, key: str) -> Json:
    """Take the content, or all choices, out of a chat answer."""
    if Random(key).random() < 0.5:
        return reply | {"choices": []}
    reply["choices"][0]["message"]["content"] = None
    return reply


def _content(message: Json) -> str:
    """Return the text of a message whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def _chat(body: Json, key: str, script: Json | None = None) -> Json:
    if body.get("stream") or (body.get("n") or 1) != 1:
        raise ValueError("this server neither streams nor gives several choices")
    asked = [_content(message) for message in body["messages"] if message["role"] == "user"]
    words = re.findall(r"\w+", asked[-1] if asked else "") or ["nothing", "was", "asked"]
    writer = Writer(Random(key), words)
    form = body.get("response_format") or {"type": "text"}
    match form["type"]:
        case "json_schema":
            schema = form["json_schema"]["schema"]
            writer.definitions = schema.get("$defs", {})
            value = writer.value(schema) if script is None else verdicts(asked[-1], schema, script)
            content = json.dumps(value, ensure_ascii=False)
        case "json_object":
            content = json.dumps({"text": writer.phrase(3, 9)}, ensure_ascii=False)
        case _:
            content = writer.phrase(12, 30) + "."
    message = {"role": "assistant", "content": content}
    return {
        "id": f"chatcmpl-{key[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(texts_of("chat", body), content),
    }


def verdicts(asked: str, schema: Json, script: Json) -> Json:
    """Return what a script has a judge say: of each candidate by the first word that stands in it.

    Words of a script -> relevant, partly, irrelevant (what has none is irrelevant); or best, twice
    (two grades), none (no grade), beyond (a grade for a number that was not shown), odd (named the
    best and called irrelevant). A schema without grades gets the script's `ratings`.
    """
    if "grades" not in schema["properties"]:
        found = [one for word, one in script.get("ratings", {}).items() if word in asked]
        return found[0] if found else {name: 3 for name in schema["properties"]}
    block = asked.split("<candidates>")[1].split("</candidates>")[0]
    lines = re.findall(r"^\[(\d+)\] (.*)$", block, re.MULTILINE)
    grades, best = [], 0
    for number, line in ((int(number), line) for number, line in lines):
        said = next((said for word, said in script.items() if word in line), "irrelevant")
        best = number if said in ("best", "odd") else best
        told = {"best": ["relevant"], "twice": ["relevant", "irrelevant"], "none": []}
        told |= {"odd": ["irrelevant"], "beyond": ["irrelevant"]}
        grades += [{"number": number, "grade": grade} for grade in told.get(said, [said])]
        if said == "beyond":
            grades.append({"number": number + 100, "grade": "relevant"})
    return {"grades": grades, "best": best}


class Writer:
    """Writes phrases, and JSON that satisfies a schema, out of the words of a message."""

    def __init__(self, dice: Random, words: list[str]) -> None:
        """Take the words to write with and the dice that pick among them."""
        self.dice = dice
        self.words = words
        self.definitions: Json = {}

    def phrase(self, least: int, most: int) -> str:
        """Return a phrase of least to most words."""
        count = self.dice.randint(least, most)
        return " ".join(self.dice.choices(self.words, k=count)).capitalize()

    def value(self, schema: Json) -> object:
        """Return a value that satisfies the schema; refuse a keyword that is not known."""
        if unknown := sorted(set(schema) - SCHEMA_KEYWORDS):
            raise ValueError(f"unsupported JSON schema keywords: {unknown}")
        if "$ref" in schema:
            return self.value(self.definitions[schema["$ref"].removeprefix("#/$defs/")])
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.dice.choice(schema["enum"])
        kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
        return self._typed(kind, schema)

    def _typed(self, kind: str, schema: Json) -> object:
        match kind:
            case "object":
                parts = schema.get("properties", {})
                return {name: self.value(part) for name, part in parts.items()}
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema.get("minLength", 0), schema.get("maxLength", 10**9))
            case "integer" | "number":
                return self._number(kind, schema)
            case "boolean":
                return self.dice.random() < 0.5
            case "null":
                return None
        raise ValueError(f"unsupported JSON schema type: {kind}")

    def _array(self, schema: Json) -> list[object]:
        most = schema.get("maxItems", 10**9)
        least = schema.get("minItems", min(1, most))
        count = self.dice.randint(least, min(most, least + 3))
        return [self.value(schema["items"]) for _ in range(count)]

    def _string(self, least: int, most: int) -> str:
        text = self.phrase(3, 9)
        while len(text) < least:
            text += " " + self.dice.choice(self.words)
        return text[:most].strip().ljust(least, ".")

    def _number(self, kind: str, schema: Json) -> int | float:
        low = schema.get("minimum", min(0, schema.get("maximum", 0)))
        high = schema.get("maximum", low + 100)
        if kind == "integer":
            return self.dice.randint(math.ceil(low), math.floor(high))
        return float(min(high, max(low, round(self.dice.uniform(low, high), 3))))


def _embeddings(body: Json, dimensions: int) -> Json:
    texts = _strings(body["input"])
    size = body.get("dimensions") or dimensions
    packed = body.get("encoding_format") == "base64"
    vectors = [embed(text, size) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    return {"object": "list", "model": body["model"], "data": data, "usage": _usage(texts)}


def embed(text: str, size: int) -> list[float]:
    """Return a unit vector; texts that share words or parts of words get similar ones."""
    vector = [0.0] * size
    for word, count in Counter(re.findall(r"\w+", text.lower())).items():
        for place, weight in _features(word, size):
            vector[place] += weight * math.sqrt(count)
    length = math.hypot(*vector)
    if not length:
        return [1.0] + [0.0] * (size - 1)
    return [value / length for value in vector]


@lru_cache(maxsize=100_000)
def _features(word: str, size: int) -> list[tuple[int, float]]:
    """Hash a word and its character trigrams to places in a vector, each with a sign."""
    padded = f"<{word}>"
    trigrams = [padded[start : start + 3] for start in range(len(padded) - 2)]
    weights = [(word, 1.0), *((trigram, 1 / math.sqrt(len(trigrams))) for trigram in trigrams)]
    hashes = [(zlib.crc32(feature.encode()), weight) for feature, weight in weights]
    return [(code % size, weight if code >> 31 else -weight) for code, weight in hashes]


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _rerank(body: Json, key: str) -> Json:
    documents = _documents(body)
    scores = [overlap(body["query"], text) for text in documents]
    order = sorted(range(len(documents)), key=lambda index: -scores[index])
    results = [
        {"index": i, "relevance_score": scores[i], "document": {"text": documents[i]}}
        for i in order
    ]
    return {
        "id": f"rerank-{key[:24]}",
        "model": body.get("model"),
        "results": results[: body.get("top_n") or None],
        "usage": _usage(texts_of("rerank", body)),
    }


def spoken(reply: Json, speaks: str, *, logits: bool) -> Any:
    """Return an answer of /rerank or /score as another server would give it."""
    items = reply.get("results") or reply["data"]
    for item in items:
        name = "relevance_score" if "relevance_score" in item else "score"
        share = item[name]
        item[name] = math.log(share / (1 - share)) if logits else share
    if speaks == "tei":
        return [{"index": item["index"], "score": item["relevance_score"]} for item in items]
    return reply


def _score(body: Json, key: str) -> Json:
    data = [
        {"index": index, "object": "score", "score": overlap(first, second)}
        for index, (first, second) in enumerate(_pairs(body))
    ]
    return {
        "id": f"score-{key[:24]}",
        "object": "list",
        "created": 0,
        "model": body["model"],
        "data": data,
        "usage": _usage(texts_of("score", body)),
    }


def overlap(query: str, text: str) -> float:
    """Score a text, strictly between 0 and 1, by the share of the query's words in it.

    Words count half and pairs of neighbouring words half, so word order matters too.
    """
    asked, found = (re.findall(r"\w+", part.lower()) for part in (query, text))
    words, pairs = set(asked), set(pairwise(asked))
    hits = len(words & set(found)) + len(pairs & set(pairwise(found)))
    return (hits + 0.5) / (len(words) + len(pairs) + 1)


def _documents(body: Json) -> list[str]:
    documents = body["texts"] if "texts" in body else body["documents"]
    return [text if isinstance(text, str) else text["text"] for text in documents]


def _pairs(body: Json) -> list[tuple[str, str]]:
    first, second = _strings(body["text_1"]), _strings(body["text_2"])
    if len(first) == 1:
        first *= len(second)
    return list(zip(first, second, strict=True))


def _strings(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        return texts
    raise ValueError("expected a string or a list of strings that is not empty")


def _usage(texts: list[str], completion: str = "") -> Json:
    """Count whitespace-separated words as tokens."""
    asked, given = sum(len(text.split()) for text in texts), len(completion.split())
    return {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}
