"""The tables of `inspect`, for a terminal of any width."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpte_data.measures.counted import scored
from gpte_data.records import kept
from gpte_data.usage import is_usage

BLOCKS = " ▁▂▃▄▅▆▇█"
STYLE: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}


class _Console(Console):
    """A console that leaves a closed pipe to the command line, which ends in silence then."""

    def on_broken_pipe(self) -> None:
        """Say that nobody reads on; rich would end the program with exit code 1."""
        raise BrokenPipeError


def stdout() -> Console:
    """Return a console for stdout."""
    return _Console(highlight=False)


def render(found: Mapping[str, Any]) -> None:
    """Print what `inspection.survey` found on stdout."""
    console = stdout()
    datasets: Sequence[Mapping[str, Any]] = found["datasets"]
    console.print(_stages(datasets))
    shown: set[str] = set()
    for dataset in datasets:
        _notes(console, dataset, shown)
    if any(dataset["usage"] for dataset in datasets):
        console.print(_usage(datasets))
    console.print()
    which = scored(datasets)
    last = datasets[-1 if which is None else which]
    if last["reasons"]:
        console.print(_reasons(last))
    if last["sources"]:
        console.print(_sources(last))
    if last["scores"]:
        console.print(_scores(last))
    for row in last["examples"]:
        _example(console, row)
    final = datasets[-1]
    console.print(
        f"{final['rows']:,} row{'s' * (final['rows'] != 1)} in "
        f"{final['shards']} shard{'s' * (final['shards'] != 1)}, "
        f"{_size(final['bytes'])}: [bold]{escape(final['folder'])}[/]",
        soft_wrap=True,
    )


def _stages(datasets: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Rows by stage", title_justify="left", **STYLE)
    table.add_column("output", no_wrap=True)
    words = [word for dataset in datasets for word in _stage(dataset).split()]
    table.add_column("stage", min_width=max(map(len, words)))
    for name in ("in", "out", "dropped", "failed", "shards", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for dataset in datasets:
        ledger = dataset["ledger"]
        more = f" + {ledger['expanded']:,}" if ledger["expanded"] else ""
        dropped, failed = sum(ledger["dropped"].values()), sum(ledger["failed"].values())
        numbers = [dataset["rows"], dropped, failed, dataset["shards"]]
        table.add_row(
            escape(Path(dataset["folder"]).name),
            _stage(dataset),
            f"{ledger['in']:,}{more}",
            *(f"{n:,}" for n in numbers),
            f"{dataset['seconds']:.1f}",
        )
    return table


def _stage(dataset: Mapping[str, Any]) -> str:
    """Return a dataset's stage as it is shown: `emit`, `emit, unfinished`."""
    words = [dataset["stage"], "unfinished" if dataset["unfinished"] else None]
    return ", ".join(escape(word) for word in words if word) or "-"


def _notes(console: Console, dataset: Mapping[str, Any], shown: set[str]) -> None:
    """Print drops, failures, notes and fields of a dataset that were not printed before."""
    ledger, name = dataset["ledger"], escape(Path(dataset["folder"]).name)
    lines = [
        f"{what}, {reason}: {count:,}"
        for what in ("dropped", "failed")
        for reason, count in ledger[what].items()
    ]
    notes = ledger["notes"].items()
    lines += [f"{note}: {count:,}" for note, count in notes if not is_usage(note)]
    for field, counts in dataset["fields"].items():
        values = ", ".join(f"{value} {n:,}" for value, n in counts.items())
        lines.append(f"{field.replace('_', ' ')}: {values}")
    for line in lines:
        if line not in shown:
            console.print(f"{name}: {escape(line)}")
            shown.add(line)


def _usage(datasets: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of calls and tokens by recipe, and their cost where prices are known."""
    rows = [(dataset, row) for dataset in datasets for row in dataset["usage"]]
    priced = any("cost" in row for _, row in rows)
    table = Table(title="Asked of language models", title_justify="left", **STYLE)
    for name in ("output", "recipe"):
        table.add_column(name, overflow="fold")
    for name in ("calls", "tokens in", "tokens out", *(["cost"] if priced else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for dataset, row in rows:
        numbers = [row["calls"], row["prompt_tokens"], row["completion_tokens"]]
        cost = [f"${row['cost']:,.2f}" if "cost" in row else "?"] if priced else []
        name = escape(Path(dataset["folder"]).name)
        table.add_row(name, escape(row["recipe"]), *(f"{n:,}" for n in numbers), *cost)
    return table


def _reasons(dataset: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"Candidates of {escape(dataset['folder'])}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("verdict: reason", overflow="fold")
    table.add_column("candidates", justify="right")
    for reason, count in dataset["reasons"].items():
        table.add_row(escape(reason), f"{count:,}")
    return table


def _sources(dataset: Mapping[str, Any]) -> Table:
    """Return a table of candidates by who found or wrote them."""
    table = Table(title="Candidates by source", title_justify="left", **STYLE)
    table.add_column("source", overflow="fold")
    for name in ("keep", "drop"):
        table.add_column(name, justify="right", no_wrap=True)
    for source, counts in dataset["sources"].items():
        table.add_row(escape(source), *(f"{counts.get(name, 0):,}" for name in ("keep", "drop")))
    return table


def _scores(dataset: Mapping[str, Any]) -> Table:
    table = Table(title="Scores", title_justify="left", **STYLE)
    table.add_column("of, by", no_wrap=True)
    for name in ("count", "mean", "5 %", "50 %", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("min … max", no_wrap=True)
    for name, scores in dataset["scores"].items():
        quantiles = scores["quantiles"]
        table.add_row(
            name, f"{scores['count']:,}", f"{scores['mean']:.3f}",
            *(f"{quantiles[q]:.3f}" for q in ("0.05", "0.5", "0.95")), bars(scores["histogram"]),
        )  # fmt: skip
    return table


def bars(histogram: Sequence[int]) -> str:
    """Return a histogram as one line of blocks; any count above 0 is seen."""
    top = max(histogram) or 1
    return "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // top)] for count in histogram)


def _example(console: Console, row: Mapping[str, Any]) -> None:
    """Print one row: a query with its documents, or the fields as they are."""
    if "query" not in row or "positives" not in row:
        for name, value in row.items():
            if name != "texts" and value:
                console.print(f"[bold]{escape(name)}[/]  {escape(short(str(value), console))}")
        console.print()
        return
    console.print(f"[bold]query[/]  {escape(row['query'])}")
    scores = row.get("positive_scores") or [None] * len(row["positives"])
    for doc_id, score in zip(row["positives"], scores, strict=True):
        _document(console, "  + ", doc_id, score, row["texts"], "")
    for hit in row.get("candidates", kept(row)):
        sign = "  - " if hit.get("verdict") != "drop" else "  x "
        _document(
            console, sign, hit["doc_id"], hit.get("score"), row["texts"], hit.get("reason", "")
        )
    console.print()


def _document(
    console: Console,
    sign: str,
    doc_id: str,
    score: float | None,
    texts: Mapping[str, str],
    why: str,
) -> None:
    shown = "" if score is None else f"{score:.3f} "
    line = f"{sign}{shown}{doc_id}{f' ({why})' if why else ''}: {texts.get(doc_id, '')}"
    console.print(escape(short(line, console)))


def short(text: str, console: Console) -> str:
    """Return the text cut to one line of the terminal."""
    flat = " ".join(text.split()) if not text.startswith("  ") else "  " + " ".join(text.split())
    room = max(20, console.width - 12)
    return flat if len(flat) <= room else flat[: room - 1] + "…"


def _size(count: int) -> str:
    """Return bytes in the unit that suits them."""
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
