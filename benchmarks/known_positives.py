"""Collections whose queries have several known positives, to hide all but one of.

Beside test collections in BEIR's layout, three are made from data that has no judgements but knows
what belongs together: parts of one abstract for its title (acl-anthology), utterances of one intent
(banking77), articles on one disease for its name (medquad).
"""

import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.plan import RunOptions
from gpte_data.randomness import bits
from gpte_data.run import run
from gpte_data.stages import load

Row = dict[str, Any]
QUERIES, DOCUMENTS = 400, 6000
"""At most, in a collection that is made."""


def stage(name: str, read: str, output: Path, **options: Any) -> list[Row]:
    """Run a stage into a folder and return its rows."""
    made = load(name)
    run(made, made.config.of(options), read, output, RunOptions())
    return list(io.read_all(output))


def collection(source: Path, split: str, folder: Path) -> tuple[Path, list[Row]]:
    """Make corpus and pairs of a collection below a folder; return the corpus and the pairs."""
    make = MADE.get(source.name)
    if make is not None:
        passages, pairs = make(source)
        if not (folder / "corpus").is_dir():
            io.write(folder / "corpus" / "00000.parquet", passages)
        return folder / "corpus", pairs
    stage("ingest", str(source), folder / "corpus", source=str(source))
    read = str(source)
    pairs = stage("ingest-pairs", read, folder / f"pairs-{split}", source=read, split=split)
    there = {row["doc_id"] for row in io.read_all(folder / "corpus", ("doc_id",))}
    return folder / "corpus", [
        pair | {"positives": [doc for doc in pair["positives"] if doc in there]} for pair in pairs
    ]


def one_known(pairs: Iterable[Row], seed: int) -> list[Row]:
    """Return the pairs that have several positives with one of them, the others as `hidden`."""
    rows = []
    for pair in pairs:
        if len(pair["positives"]) > 1:
            keep = min(pair["positives"], key=lambda doc: bits(seed, pair["query_id"], doc))
            hidden = [doc for doc in pair["positives"] if doc != keep]
            rows.append(pair | {"positives": [keep], "hidden": hidden})
    return rows


def _lines(folder: Path, name: str) -> Iterator[Row]:
    packed = folder / f"{name}.gz"
    path = packed if packed.is_file() else folder / name
    with path.open("rb") as file:
        lines: Any = gzip.GzipFile(fileobj=file) if path == packed else file
        yield from map(json.loads, lines)


def _parts_of_abstracts(folder: Path) -> tuple[list[Row], list[Row]]:
    articles = list(_lines(folder, "corpus.jsonl"))
    random.Random(0).shuffle(articles)
    passages: list[Row] = []
    pairs: list[Row] = []
    for article in articles:
        sentences = re.split(r"(?<=[.!?])\s+", article["text"])
        if len(sentences) < 4 or not article.get("title"):
            continue
        parts = min(len(sentences) // 2, 2 + bits(0, article["_id"]) % 3)
        ids = []
        for part in range(parts):
            first, last = (round(n * len(sentences) / parts) for n in (part, part + 1))
            ids.append(f"{article['_id']}#{part}")
            passages.append({"doc_id": ids[-1], "text": " ".join(sentences[first:last])})
        pairs.append({"query_id": article["_id"], "query": article["title"], "positives": ids})
        if len(passages) > DOCUMENTS:
            break
    return passages, sorted(pairs, key=lambda pair: bits(0, pair["query_id"]))[:QUERIES]


def _utterances_of_intents(folder: Path) -> tuple[list[Row], list[Row]]:
    rows = list(_lines(folder, "classification.jsonl"))
    random.Random(0).shuffle(rows)
    passages: list[Row] = []
    by_intent: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate([row for row in rows if row["split"] == "train"][:DOCUMENTS]):
        passages.append({"doc_id": f"d{number}", "text": row["text"]})
        by_intent[row["label"]].append(f"d{number}")
    asked = [row for row in rows if row["split"] == "test"][:QUERIES]
    return passages, [
        {"query_id": f"q{number}", "query": row["text"], "positives": by_intent[row["label"]]}
        for number, row in enumerate(asked)
    ]


def _articles_of_topics(folder: Path) -> tuple[list[Row], list[Row]]:
    by_topic: dict[str, list[Row]] = defaultdict(list)
    for article in _lines(folder, "corpus.jsonl"):
        by_topic[(article.get("title") or "").strip().lower()].append(article)
    topics = [topic for topic, found in by_topic.items() if topic and 2 <= len(found) <= 40]
    random.Random(0).shuffle(topics)
    passages: list[Row] = []
    pairs: list[Row] = []
    for topic in topics:
        ids = [article["_id"] for article in by_topic[topic]]
        passages += [{"doc_id": a["_id"], "text": a["text"][:1500]} for a in by_topic[topic]]
        pairs.append({"query_id": topic, "query": topic, "positives": ids})
        if len(passages) > DOCUMENTS:
            break
    return passages, sorted(pairs, key=lambda pair: bits(0, pair["query_id"]))[:QUERIES]


MADE: dict[str, Callable[[Path], tuple[list[Row], list[Row]]]] = {
    "acl-anthology": _parts_of_abstracts,
    "banking77": _utterances_of_intents,
    "medquad": _articles_of_topics,
}
