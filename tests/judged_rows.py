"""Mined rows for tests of judges: what a scripted judge says of a candidate stands in its text."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from server import Server

SMALL = {
    "ruby": "relevant", "gold": "best", "tin": "partly", "clash": "twice", "mute": "none",
    "astray": "beyond", "odd": "odd",
}  # fmt: skip
"""What the judge says: word in a text -> verdict, see `server_answers.verdicts`."""
LARGE = {"fool": "irrelevant", "half": "partly", "doubt": "twice", "hush": "none", **SMALL}
SCRIPT = json.dumps({"small": SMALL, "large": LARGE})
MODELS = ("openai:small", "openai:large")


def row_of(name: str, words: Iterable[str], **more: Any) -> dict[str, Any]:
    """Return a mined query with a candidate for each word, in this order."""
    hits = [
        {
            "doc_id": f"{name}-{n:02d}", "rank": n, "score": 1 - n / 64, "source": "t",
            "choice": n, "verdict": "keep", "reason": "mined", "words": 4,
        }
        for n, _ in enumerate(words, 1)
    ]  # fmt: skip
    row = {"query_id": name, "query": f"what is {name}", "positives": [f"{name}-pos"]}
    return row | {"positive_scores": [1.0], "positive_words": [4], "candidates": hits} | more


def documents(rows: Mapping[str, Iterable[str]]) -> list[dict[str, str]]:
    """Return the documents of rows given as name -> words."""
    found = []
    for name, words in rows.items():
        found.append({"doc_id": f"{name}-pos", "text": f"{name} is what it is"})
        for n, word in enumerate(words, 1):
            found.append({"doc_id": f"{name}-{n:02d}", "text": f"text {n} of {name}: {word}"})
    return found


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chats(server: Server) -> list[dict[str, Any]]:
    return [line for line in server.requests() if line["path"] == "/v1/chat/completions"]
