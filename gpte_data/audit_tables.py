"""An audit as a person reads it: a table, a plot in the terminal, warnings, one recommendation."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from gpte_data.tables import STYLE, stdout

HEIGHT = 12
HALF = 0.5
MANY = 20
OFTEN = 0.05
"""Share of queries from which a document that is a negative of all of them is worth a look."""


def render_audit(found: Mapping[str, Any]) -> None:
    """Print an audit on stdout."""
    console = stdout()
    lines: Sequence[Mapping[str, Any]] = found["lines"]
    console.print(_table(found))
    console.print(
        _plot(lines, min(console.width, 100) - 12, measured=found["measured"]), markup=False
    )
    for warning in warnings(found):
        console.print(f"warning: {escape(warning)}", soft_wrap=True)
    console.print(f"use {escape(found['advice'])}", soft_wrap=True)


def _table(found: Mapping[str, Any]) -> Table:
    how = "one positive known, the others hidden" if found["measured"] else "estimated only"
    table = Table(
        title=f"{found['queries']:,} of {found['rows']:,} queries, {found['num_negatives']} "
        f"negatives of the best {found['candidates']} each; {how}",
        title_justify="left",
        **STYLE,
    )
    table.add_column("select-negatives …", overflow="fold")  # gives way where it is narrow
    for name in ("leak", "expected", "hardness", "length", "left", "short"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for line in found["lines"]:
        table.add_row(
            line["flags"],
            "–" if line["leak"] is None else f"{line['leak']:.3f}",
            f"{line['expected']:.3f}",
            f"{line['hardness']:.3f}",
            f"{line['length']:.2f}",
            f"{line['survived']:.0%}",
            f"{line['short']:.0%}",
            style="bold" if line["flags"] == found["flags"] else None,
        )
    return table


def mark(flags: str) -> str:
    """Return the sign that stands for a way of choosing in a plot."""
    if flags.startswith("--max-false-negatives") and " " not in flags.split(" ", 1)[1]:
        return "●" if not flags.endswith(" 1") else "t"
    return {"--max": "s", "--rel": "%", "--abs": "m", "--sam": "r"}[flags[:5]]


def leak_of(line: Mapping[str, Any], *, measured: bool) -> float:
    """Return a line's leak, measured where it could be."""
    return float(line["leak"] if measured and line["leak"] is not None else line["expected"])


def _plot(lines: Sequence[Mapping[str, Any]], width: int, *, measured: bool) -> str:
    """Return leak over hardness as text: lower and further right is better."""
    points = [(line["hardness"], leak_of(line, measured=measured), line["flags"]) for line in lines]
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    top = max(max(p[1] for p in points), 1e-6)
    grid = [[" "] * width for _ in range(HEIGHT)]
    for hardness, leak, flags in points:
        column = round((hardness - left) / max(right - left, 1e-9) * (width - 1))
        row = HEIGHT - 1 - round(leak / top * (HEIGHT - 1))
        grid[row][column] = mark(flags)
    rows = [
        f"{top * (HEIGHT - 1 - n) / (HEIGHT - 1):6.3f} │{''.join(row)}"
        for n, row in enumerate(grid)
    ]
    axis = f"{'':6} └{'─' * width}"
    ends = f"{'':7}{left:.3f}{'hardness':^{max(8, width - 10)}}{right:.3f}"
    legend = (
        "leak over hardness: ● budgets, t top, s skip 10, % relative, m absolute margin, r random"
    )
    return "\n".join([legend, *rows, axis, ends, ""])


def warnings(found: Mapping[str, Any]) -> list[str]:
    """Return what a user should look at, in sentences."""
    said = []
    for line in found["lines"]:
        if "margin" in line["flags"] and line["survived"] < HALF:
            said.append(
                f"{line['flags']} drops {1 - line['survived']:.0%} of the candidates: this "
                "teacher's scores are too close together for it"
            )
    for hub in found["hubs"]:
        if hub["share"] >= OFTEN and hub["queries"] >= MANY:
            said.append(
                f"{hub['doc_id']} is a negative of {hub['queries']:,} queries "
                f"({hub['share']:.0%}): look at it, it may be boilerplate"
            )
    if not found["measured"]:
        said.append(
            "too few queries have several positives: leak is the estimate's own word, not measured"
        )
    return said
