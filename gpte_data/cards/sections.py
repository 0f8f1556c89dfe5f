"""The text of README.md: what the data are, how they are used, what one should know of them."""

from collections.abc import Mapping
from typing import Any

import orjson

from gpte_data.cards import licences, usage
from gpte_data.cards.features import words
from gpte_data.cards.front import (
    EVALUATION,
    codes,
    is_synthetic,
    query_licences,
    schema_of,
    title,
)
from gpte_data.cards.layout import Layout
from gpte_data.cards.tables import cell, code, counts, nouns, table
from gpte_data.formats import FORMATS

CITATION = """@software{{gpte_data,
  title = {{{{gpte-data: training data for general-purpose text embedding models}}}},
  author = {{{{The gpte-data contributors}}}},
  version = {{{version}}},
  license = {{Apache-2.0}}
}}"""
_COLUMNS = {
    "anchor": "the query", "query": "the query", "positive": "a passage that answers it",
    "negative": "a passage that looks as if it did, and does not",
    "pos": "passages that answer the query", "neg": "passages that look as if they did",
    "pos_scores": "their scores", "neg_scores": "their scores",
    "prompt": "the instruction that stands in front of the query",
    "instruction": "the instruction of the query's task",
    "query_id": "id of the query", "dataset": "which dataset the example is of",
    "positives": "passages that answer the query, or their ids",
    "negatives": "passages that look as if they did, or their ids",
    "positive_scores": "their scores", "negative_scores": "their scores",
    "label": "what a teacher says of the documents, in their order",
    "labels": "whether each document answers the query, in their order",
    "scores": "what a teacher says of the documents, in their order",
}  # fmt: skip


def summary(facts: Mapping[str, Any]) -> str:
    """Say in a paragraph what this is."""
    found = facts["options"]
    name, rows = found["format"], facts["books"]["out"]
    if "vectors" in facts:
        return _of_vectors(facts, facts["vectors"])
    what = "judgements" if name in EVALUATION else "training examples"
    queries = nouns(facts["queries"], "query", "queries")
    said = [
        f"# {cell(title(facts))}\n",
        f"{rows:,} {what} for text embedding models, from {queries}"
        f" and {nouns(facts['documents'], 'document')}{_beside(facts)}. Written by "
        f"gpte-data {facts['gpte_data']} in the format {code(name)}: {FORMATS.get(name, name)}.\n",
    ]
    return "\n".join(said)


def _of_vectors(facts: Mapping[str, Any], vectors: Mapping[str, Any]) -> str:
    """Say the same of texts with vectors."""
    documents = nouns(vectors["documents"], "document")
    queries = nouns(vectors["queries"], "query", "queries")
    return (
        f"# {cell(title(facts))}\n\n{facts['books']['out']:,} texts, {documents} and {queries}, "
        f"with vectors of {vectors['dimension']:,} numbers ({vectors['dtype']}) by "
        f"{code(vectors['teacher'])}: training data without labels, for distilling a smaller "
        f"model. Written by gpte-data {facts['gpte_data']} in the format "
        f"{code(facts['options']['format'])}.\n"
    )


def _beside(facts: Mapping[str, Any]) -> str:
    """Say what stands beside a query and its positives."""
    widths = sorted(int(width) for width in facts["negatives"])
    if not widths or widths[-1] == 0:
        return ", without negatives"
    if len(widths) == 1:
        return f", with {nouns(widths[0], 'negative')} each"
    return f", with {widths[0]} to {widths[-1]} negatives each"


def figures(facts: Mapping[str, Any], said: Mapping[str, str]) -> str:
    """Return the figures that one looks for first."""
    rows = [
        ("examples", f"{facts['books']['out']:,}"),
        ("queries", f"{facts['queries']:,}"),
        (
            "documents",
            f"{facts['documents']:,} of the {facts['corpus_documents']:,} in the corpus",
        ),
        ("positives", f"{facts['positives']:,}"),
        ("negatives per example", _widths(facts["negatives"])),
        ("languages", _languages(facts)),
        ("licence", cell(", ".join(_licences(facts, said)))),
        ("fingerprint", code(facts["fingerprint"])),
    ]
    return table(["", ""], rows)


def _widths(found: Mapping[str, int]) -> str:
    """Return how many examples have how many negatives."""
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{width}: {nouns(count, 'example')}" for width, count in found.items())


def _languages(facts: Mapping[str, Any]) -> str:
    """Return how many examples are in which language, as their rows say."""
    found = facts.get("language", {})
    return counts(found) if codes(facts) else "the rows don't say"


def _licences(facts: Mapping[str, Any], said: Mapping[str, str]) -> list[str]:
    datasets = [one["name"] for one in facts["sources"]] or [""]
    return list(dict.fromkeys(licences.of(name, dict(said)) for name in datasets))


def use(facts: Mapping[str, Any], layout: Layout) -> str:
    """Show how the files are loaded and trained on; PATH stands for where they are."""
    said = ["## How to use it\n"]
    if lines := usage.load(layout):
        said.append(f"```python\n{lines}\n```\n")
    language, lines = usage.train(facts, layout)
    if lines:
        said.append(f"A first training run:\n\n```{language}\n{lines}\n```\n")
    said.append("`PATH` is this folder, or the name of this dataset on the hub.\n")
    said.append(usage.files(layout))
    return "\n".join(said)


def content(facts: Mapping[str, Any], layout: Layout) -> str:
    """Describe the columns of an example, and show one."""
    if not facts["example"]:
        return ""
    schema = schema_of(layout.configs[0], facts) if layout.configs else None
    rows = _columns(schema or ())
    shown = orjson.dumps(facts["example"], option=orjson.OPT_INDENT_2).decode()
    said = ["## What an example looks like\n", table(["column", "type", "what it is"], rows)]
    return "\n".join([*said, f"```json\n{shown}\n```\n", "Long texts and lists are cut here.\n"])


def _columns(schema: Any) -> list[tuple[str, str, str]]:
    """Return a line for each column; one for all that have the same name but for a number."""
    found: dict[str, list[str]] = {}
    types = dict(schema)
    for name in types:
        found.setdefault(_stem(name), []).append(name)
    return [
        (
            code(names[0]) + (f" … {code(names[-1])}" if len(names) > 1 else ""),
            words(types[names[0]]), _COLUMNS.get(stem, ""),
        )
        for stem, names in found.items()
    ]  # fmt: skip


def _stem(name: str) -> str:
    """Return a column's name without its number: `negative` of `negative_3`."""
    stem, _, number = name.rpartition("_")
    return stem if number.isdecimal() else name


def licence(facts: Mapping[str, Any], said: Mapping[str, str]) -> str:
    """Say what is known of licences."""
    known = _licences(facts, said)
    lines = ["## Licence\n"]
    if licences.UNKNOWN in known:
        lines.append(
            "The licence is not known"
            + (" for all datasets" if len(known) > 1 else "")
            + ": nobody has said it. Before these data are passed on, look up the terms of the "
            "documents"
            + (" and of the models that wrote queries" if is_synthetic(facts) else "")
            + " named below.\n"
        )
    elif len(known) == 1:
        lines.append(f"{cell(known[0])}, as said by who made this dataset.\n")
    if len(facts["sources"]) > 1:
        rows = [
            (code(s["name"]), cell(licences.of(s["name"], dict(said)))) for s in facts["sources"]
        ]
        lines.append(table(["dataset", "licence"], rows))
    for what, found in (("documents", facts["licences"]), ("queries", query_licences(facts))):
        if found:
            lines.append(f"What the {what} say in their field `license`: {counts(found)}.\n")
    return "\n".join(lines)


def citation(facts: Mapping[str, Any]) -> str:
    """Return how the sources and the tool are cited."""
    return (
        "## Citation\n\nPlease cite the sources above, and the tool:\n\n```bibtex\n"
        f"{CITATION.format(version=facts['gpte_data'])}\n```\n"
    )
