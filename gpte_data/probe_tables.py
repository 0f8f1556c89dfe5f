"""A probe as a person reads it: a table, what was left out, one sentence that says what follows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from gpte_data.tables import STYLE, stdout


def render_probe(found: Mapping[str, Any], output: Path | None) -> None:
    """Print a probe on stdout."""
    console = stdout()
    console.print(_table(found))
    for line in lines(found, output):
        console.print(escape(line), soft_wrap=True)


def _table(found: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"{found['queries_counted']:,} of {found['queries']:,} queries of "
        f"{escape(Path(found['evaluation']).resolve().name)}, {escape(found['split'])}; "
        f"{found['documents']:,} documents",
        title_justify="left",
        **STYLE,
    )
    for name in ("", "before", "after", "difference", "95 % interval", "seeds ±"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, one in found["measures"].items():
        spread = one["seed_spread"]
        table.add_row(
            {"ndcg@10": "nDCG@10", "recall@100": "Recall@100"}[name],
            f"{one['before']:.4f}",
            f"{one['after']:.4f}",
            f"{one['difference']:+.4f}",
            f"{one['low']:+.4f} to {one['high']:+.4f}",
            "?" if spread is None else f"{spread:.4f}",
            style="bold" if one["helps"] or one["hurts"] else None,
        )
    return table


def lines(found: Mapping[str, Any], output: Path | None) -> list[str]:
    """Return what else a user should know, in sentences."""
    runs = found["trainings"]
    of_all = f" of {found['rows']:,}" if found["rows_used"] < found["rows"] else ""
    said = [
        f"trained on {runs[0]['rows']:,} rows and stopped by {runs[0]['held_out']:,} others"
        f"{of_all} in {found['shards']}, {len(runs)} time{'s' * (len(runs) != 1)}, "
        f"{found['seconds_training']:.1f} s; {found['seconds']:.1f} s "
        f"in all, by {found['teacher']}",
        f"left out: {found['left_out_by_document']:,} queries with a relevant document that is a "
        f"positive of the training data, {found['left_out_by_query']:,} that are queries there",
    ]
    if found["also_negatives"]:
        said.append(
            f"{found['also_negatives']:,} of the queries that count have a relevant document that "
            "is a negative of training rows"
        )
    if found["rows_empty"]:
        said.append(f"rows without a query or a positive, not used: {found['rows_empty']:,}")
    said += [f"{note}: {count:,}" for note, count in sorted(found["notes"].items())]
    unmoved = sum(run["rounds"] == 0 for run in runs)
    if unmoved:
        said.append(
            f"{unmoved} of {len(runs)} trainings never ranked their held-out rows better than the "
            "teacher alone, and changed nothing"
        )
    if len(runs) == 1:
        said.append("one training says nothing of chance in training: give --seeds 5")
    said.append(verdict(found))
    if output is not None:
        said.append(f"the maps are in {output}: --teacher adapter:{output}")
    return said


def verdict(found: Mapping[str, Any]) -> str:
    """Return what follows from the figures."""
    one = found["measures"]["ndcg@10"]
    if one["helps"]:
        return "this data helps this teacher on this evaluation: nDCG@10 rises beyond chance"
    if one["hurts"]:
        return "this data harms this teacher on this evaluation: nDCG@10 falls beyond chance"
    return "no effect to be seen: the difference in nDCG@10 is within chance"
