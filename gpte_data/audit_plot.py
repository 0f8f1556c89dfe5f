"""Leak over hardness as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpte_data.audit_tables import leak_of
from gpte_data.errors import MissingExtra

NAMES = {
    "--max-false-negatives 1": "top-k as is",
    "--max-false-negatives 1 --min-rank 11": "skip 10",
    "--relative-margin 0.05": "relative margin 5 %",
    "--absolute-margin 0.05": "absolute margin .05",
    "--sampling uniform --min-rank 11": "random behind rank 10",
}
MARKERS = "sD^v*"


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Write an audit as a .png, .svg or .pdf file; raise MissingExtra without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra.of("matplotlib", "plot") from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    measured = bool(found["measured"])
    points = [
        (line["flags"], line["hardness"], leak_of(line, measured=measured))
        for line in found["lines"]
    ]
    budgets = [point for point in points if point[0] not in NAMES]
    axes.plot([p[1] for p in budgets], [p[2] for p in budgets], "o-", color="#1f5fa8", zorder=3)
    for flags, hardness, leak in budgets:
        label = flags.removeprefix("--max-false-negatives ")
        axes.annotate(label, (hardness, leak), (6, -12), textcoords="offset points", fontsize=8)
    rules = [point for point in points if point[0] in NAMES]
    for sign, (flags, hardness, leak) in zip(MARKERS, rules, strict=True):
        axes.plot([hardness], [leak], sign, color="#b5481d", label=NAMES[flags], zorder=2)
    axes.legend(loc="upper left", fontsize=8)
    axes.set_xlabel("hardness: mean score of the negatives")
    axes.set_ylabel(f"leak: share of false negatives ({'measured' if measured else 'expected'})")
    axes.set_title("Budgets of false negatives (line) and rules", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.15)
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
