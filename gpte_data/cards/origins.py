"""Sections of README.md on where the data come from: sources, steps, models, prompts, filters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gpte_data.cards.front import NO_MODEL
from gpte_data.cards.plain import plain, shown
from gpte_data.cards.tables import cell, code, counts, table

_ROLES = {
    "generator": "wrote queries", "teacher": "found negatives", "reranker": "scored candidates",
    "judged_by": "judged candidates",
}  # fmt: skip
THIS = "this dataset"
"""What stands for the folder that the card is in."""


def sources(facts: Mapping[str, Any]) -> str:
    """Return which datasets and corpora were read, and what share of the examples each has."""
    if not facts["sources"]:
        return "## Sources\n\nThe rows came from a pipe; where from is not known.\n"
    total = sum(one["examples"] for one in facts["examples"])
    of = facts.get("by_source", {"": total})  # of texts with vectors, there is one source
    rows = []
    for one in facts["sources"]:
        mine = of.get(one["name"], 0)
        rows.append(
            (
                code(one["name"] or one["folder"]), _begun(facts, one["folder"]),
                ", ".join(code(corpus) for corpus in one["corpora"]),
                mine, f"{mine / max(total, 1):.1%}",
            )
        )  # fmt: skip
    header = ["dataset", "began with", "corpus", "examples", "share"]
    return "## Sources\n\n" + table(header, rows) + _splits(facts)


def _begun(facts: Mapping[str, Any], folder: str) -> str:
    """Return where a dataset's chain began, as far as it is known."""
    by_name = {step["folder"]: step for step in facts["steps"]}
    found, todo = [], [folder]
    while todo:
        step = by_name[todo.pop()]
        todo += step["made_from"]
        if step["stage"] == "":
            found.append(f"{code(step['folder'])}, not made by gpte-data")
        elif step["missing"]:
            found.append("not known")
        elif not step["made_from"]:
            found.append(code(str(step["options"].get("source", step["folder"]))))
    return ", ".join(dict.fromkeys(found))


def _splits(facts: Mapping[str, Any]) -> str:
    """Return how many examples of each dataset are in each split.

    Only where there are splits, or a field of the rows names their datasets.
    """
    parts = facts["parts"]
    several = len({part["split"] for part in parts}) > 1
    if not several and {row["dataset"] for row in facts["examples"]} <= _names(facts):
        return ""
    found: dict[tuple[str, str], int] = {}
    for row in facts["examples"]:
        key = (parts[row["part"]]["split"], row["dataset"])
        found[key] = found.get(key, 0) + row["examples"]
    rows = [(split or "train", code(dataset), count) for (split, dataset), count in found.items()]
    return "\n" + table(["split", "dataset", "examples"], rows)


def _names(facts: Mapping[str, Any]) -> set[str]:
    return {one["name"] for one in facts["sources"]}


def steps(facts: Mapping[str, Any]) -> str:
    """Return the chain of stages: what went in, what came out, how it was set."""
    rows = []
    for step in facts["steps"]:
        books = step["rows"]
        if not step["stage"]:
            rows.append((code(step["folder"]), "not made by gpte-data", "", "", "", ""))
            continue
        lost = sum(books["dropped"].values()) + sum(books["failed"].values())
        rows.append(
            (
                code(step["folder"]), code(step["stage"]), f"{books['in']:,}", f"{books['out']:,}",
                f"{lost:,}", _from(step),
            )
        )  # fmt: skip
    own = facts["books"]
    lost = sum(own["dropped"].values()) + sum(own["failed"].values())
    read = ", ".join(code(one["folder"]) for one in facts["sources"]) or "a pipe"
    rows.append((THIS, "`emit`", f"{own['in']:,}", f"{own['out']:,}", f"{lost:,}", read))
    header = ["folder", "step", "rows in", "rows out", "left out", "made from"]
    said = "## How it was made\n\nEach step with its books; one row may become several.\n\n"
    return said + table(header, rows) + "\n" + _settings(facts)


def _from(step: Mapping[str, Any]) -> str:
    found = ", ".join(code(name) for name in step["made_from"])
    if step["missing"]:
        return ", ".join(filter(None, [found, "what is no longer beside it"]))
    return found or code(str(step["options"].get("source", "")))


def _settings(facts: Mapping[str, Any]) -> str:
    """Return what was set at each step, where it was not left as it is by default."""
    rows = [
        (code(step["folder"]), code(name), cell(shown(value)))
        for step in facts["steps"]
        for name, value in step["options"].items()
        if name not in ("source", "corpus")
    ]
    rows += [(THIS, code(name), cell(shown(plain(value)))) for name, value in _own(facts)]
    return "Settings that are not the defaults, and all of this dataset's own:\n\n" + table(
        ["folder", "option", "value"], rows
    )


def _own(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what this dataset was emitted with."""
    yield from ((name, value) for name, value in facts["options"].items() if value != "")


def filters(facts: Mapping[str, Any]) -> str:
    """Return what was left out on the way, and why."""
    rows = [
        (_where(name), cell(reason), count)
        for name, books in _books(facts)
        for kind in ("dropped", "failed")
        for reason, count in books.get(kind, {}).items()
    ]
    removed = facts.get("removed", {})
    rows += [("candidates for negatives", cell(why), count) for why, count in removed.items()]
    text = table(["where", "why", "rows"], rows) or "No row was left out.\n"
    return f"## What was left out\n\n{text}{_notes(facts)}"


def _notes(facts: Mapping[str, Any]) -> str:
    """Return what else the stages have counted."""
    rows = [
        (_where(name), cell(note), count)
        for name, books in _books(facts)
        for note, count in books.get("notes", {}).items()
    ]
    return f"\nWhat else was counted:\n\n{table(['where', 'what', 'count'], rows)}" if rows else ""


def _where(name: str) -> str:
    """Return a folder's name as code; what is emitted has none here."""
    return name if name == THIS else code(name)


def _books(facts: Mapping[str, Any]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    own = [(THIS, facts["books"])]
    return [(step["folder"], step["rows"]) for step in facts["steps"]] + own


def models(facts: Mapping[str, Any]) -> str:
    """Return the models that had a hand in it, the prompts, and what stands for their contents."""
    rows = [
        (what, code(name), count)
        for role, what in _ROLES.items()
        for name, count in facts.get(role, {}).items()
        if name != NO_MODEL
    ]
    text = table(["what it did", "model", "examples"], rows) or "No model had a hand in it.\n"
    contents = [
        (code(step["folder"]), code(name), cell(shown(plain(value))))
        for step in facts["steps"]
        for name, value in step["identity"].items()
        if value
    ]
    beside = table(["folder", "option", "content"], contents)
    said = "\nContents of models and prompts, as hashes:\n\n" if beside else ""
    return f"## Models and prompts\n\n{text}\n{_prompts(facts)}{said}{beside}"


def _prompts(facts: Mapping[str, Any]) -> str:
    """Return the recipes of queries and the versions of their prompts."""
    lines = [f"Queries by recipe: {counts(facts.get('recipe', {}))}.\n"]
    if versions := facts.get("prompt_version"):
        lines.append(f"By version of the prompt: {counts(versions)}.\n")
    return "\n".join(lines)
