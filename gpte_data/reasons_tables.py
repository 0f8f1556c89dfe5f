"""The tables of `inspect --reasons`, for a terminal of any width."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpte_data.reasons import KINDS
from gpte_data.tables import STYLE, short, stdout

TITLES = {
    "rows": "Rows that rules removed",
    "candidates": "Candidates that rules have dropped so far",
    "positives": "Positives that rules have taken out of these rows so far",
}
NAMES = ("query_id", "query", "doc_id", "title", "text", "positives", "rules", "texts")
"""Of an example: what is no measured number."""


def render_reasons(found: Mapping[str, Any]) -> None:
    """Print what `reasons.reasons` found on stdout."""
    console = stdout()
    for dataset in found["datasets"]:
        name = f"{dataset['folder']}" + (f" ({dataset['stage']})" if dataset["stage"] else "")
        console.print(f"[bold]{escape(name)}[/]", soft_wrap=True)
        kinds = [kind for kind in KINDS if kind in dataset]
        for kind in kinds:
            console.print(_table(kind, dataset[kind]))
            _examples(console, dataset[kind])
        if not kinds:
            console.print("no rule removed anything\n")
    if any(kind in dataset for dataset in found["datasets"] for kind in KINDS):
        console.print(
            "first: the reason in the books; all: the rule holds; alone: no other rule holds; "
            "-: the stage kept one reason only"
        )


def _table(kind: str, told: Mapping[str, Any]) -> Table:
    table = Table(title=TITLES[kind], title_justify="left", **STYLE)
    table.add_column("rule", overflow="fold")
    for name in ("first", "all", "alone"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule in told["rules"]:
        numbers = [rule[name] for name in ("first", "all", "alone")]
        shown = ["-" if number is None else f"{number:,}" for number in numbers]
        table.add_row(escape(rule["rule"]), *shown)
    table.add_section()
    table.add_row("all together", f"{told['together']:,}", "", "")
    return table


def _examples(console: Console, told: Mapping[str, Any]) -> None:
    for rule in told["rules"]:
        for row in rule["examples"]:
            console.print(f"[bold]{escape(short(rule['rule'], console))}[/]")
            for line in _lines(row):
                console.print(escape(short(f"  {line}", console)))
    console.print()


def _lines(row: Mapping[str, Any]) -> list[str]:
    """Return an example as lines: query or text, documents, further rules, numbers."""
    text = " ".join(str(row[name]) for name in ("title", "text") if name in row)
    lines = [f"query {row['query_id']}: {row['query']}"] if "query" in row else []
    if text:
        lines.append(f"{row.get('doc_id', '')}: {text}")
    lines += [f"{doc_id}: {said}" for doc_id, said in row.get("texts", {}).items()]
    if len(row.get("rules", ())) > 1:
        lines.append(f"also: {'; '.join(row['rules'][1:])}")
    numbers = {name: value for name, value in row.items() if name not in NAMES}
    if numbers:
        lines.append(", ".join(f"{name} {_said(value)}" for name, value in numbers.items()))
    return lines


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return str(value)
