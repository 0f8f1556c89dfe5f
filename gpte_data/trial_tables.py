"""What a dry run and a preview show, for a terminal of any width."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from gpte_data.ledger import Ledger
from gpte_data.pricing import Price, cost
from gpte_data.stage import Rejected, Row
from gpte_data.tables import STYLE, stdout
from gpte_data.trial import Forecast, Preview, Second
from gpte_data.usage import usage

SHOWN = 1200
"""Characters of a prompt that are shown."""


def show_forecast(
    found: Forecast, price: Price | None, concurrency: int, other: Price | None = None
) -> None:
    """Print a dry run: three prompts as they are sent, then calls, tokens, cost and time."""
    console = stdout()
    said: set[str] = set()
    for number, messages in enumerate(found.prompts, 1):
        console.print(f"[bold]prompt {number} of {len(found.prompts)}[/]")
        for message in messages:
            again = message["content"] in said
            console.print(f"[dim]{message['role']}{', as above' if again else ''}[/]")
            if not again:
                console.print(escape(_cut(message["content"])))
            said.add(message["content"])
        console.print()
    table = Table(**STYLE, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", no_wrap=True)
    table.add_column("how it is known")
    lines = _forecast_lines(found, price, concurrency)
    if found.second is not None:
        lines += _second_lines(found, found.second, other)
        if price is not None and other is None:
            lines.append(("confirm cost", "?", "--prices takes the prices of both models"))
    for line in lines:
        table.add_row(*map(escape, line))
    console.print(table)


def _forecast_lines(
    found: Forecast, price: Price | None, concurrency: int
) -> list[tuple[str, str, str]]:
    """Return the figures of a dry run: what, how much, how it is known."""
    asked, written = found.prompt_tokens, found.completion_tokens
    told, probe = "lengths in the middle of what the schema allows", found.probe
    if probe is not None and probe.calls:
        written = round(found.calls * probe.completion_tokens / probe.calls)
        asked = round(found.calls * probe.prompt_tokens / probe.calls)
        told = f"as in a probe of {probe.calls:,} calls"
    lines = [
        ("rows", f"{found.rows:,}", "to be read"),
        ("calls", f"{found.calls:,}", "to be made"),
        ("answered", f"{found.answered:,}", "in the journal, not asked again"),
        ("prompt tokens", f"{asked:,}", told if probe and probe.calls else found.tokens_by),
        ("completion tokens", f"{written:,}", told),
    ]
    if price is not None:
        lines.append(("cost", f"${cost(asked, written, price):,.2f}", "by the prices given"))
    if probe is not None and probe.calls:
        lines.append(("time", _time(found, concurrency), f"with {concurrency} in flight"))
    return lines


def _second_lines(
    found: Forecast, second: Second, price: Price | None
) -> list[tuple[str, str, str]]:
    """Return the figures of a second model: as in a probe, or at most."""
    calls, asked, written = second.calls, second.prompt_tokens, second.completion_tokens
    sign, told = "≤ ", "if all that is shown to the first were flagged; --probe measures"
    probe, first = second.probe, found.probe
    if probe is not None and first is not None and first.calls:
        share = found.calls / first.calls
        calls, asked, written = (
            round(share * n) for n in (probe.calls, probe.prompt_tokens, probe.completion_tokens)
        )
        sign, told = "", f"as often as in the probe: {probe.calls:,} of {first.calls:,}"
    lines = [
        ("confirm calls", f"{sign}{calls:,}", told),
        ("confirm prompt tokens", f"{sign}{asked:,}", ""),
        ("confirm completion tokens", f"{sign}{written:,}", ""),
    ]
    if price is not None:
        lines.append(("confirm cost", f"{sign}${cost(asked, written, price):,.2f}", "by --prices"))
    return lines


def _time(found: Forecast, concurrency: int) -> str:
    """Return how long the calls take: as in the probe, and if the server takes more at once."""
    probe = found.probe
    assert probe is not None
    slow = found.calls * probe.seconds / probe.calls
    fast = slow * min(1.0, probe.calls / concurrency)
    return f"{_hours(fast)} to {_hours(slow)}" if _hours(fast) != _hours(slow) else _hours(slow)


def _hours(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def show_preview(found: Preview, price: Price | None, other: Price | None = None) -> None:
    """Print the rows of a preview, what was rejected and why, and the books."""
    console = stdout()
    for row in found.rows:
        _show_row(console, row)
    for event in found.rejected:
        _show_rejected(console, event)
    console.print(escape(found.ledger.line()), soft_wrap=True)
    console.print(_spent(found.ledger, price, other, found.seconds))


def _show_row(console: Any, row: Row) -> None:
    """Print what was written, with what tells how."""
    names = ("query_type", "difficulty", "language", "persona", "settings")
    how = ", ".join(f"{name}: {row[name]}" for name in names if row.get(name))
    text = row.get("query") or row.get("persona") or row.get("text", "")
    console.print(f"[bold]{escape(str(text))}[/]")
    console.print(f"  [dim]{escape(_ids(row))}{escape(': ' + how if how else '')}[/]")
    for passage in row.get("written", ()):
        sign = "+" if passage["doc_id"] in row.get("positives", ()) else "-"
        console.print(f"  {sign} {escape(_cut(passage['text'], 300))}")
    for hit in row.get("candidates", ()):
        if "judged" in hit:
            said = ", ".join(str(hit[k]) for k in ("judged", "confirmed", "reason") if k in hit)
            sign = "x" if hit.get("verdict") == "drop" else "-"
            console.print(f"  {sign} {escape(hit['doc_id'])}: {escape(said)}")


def _ids(row: Row) -> str:
    """Return a row's own id and the documents that it is about."""
    own = str(row.get("query_id") or row.get("persona_id") or row.get("doc_id", ""))
    return own


def _show_rejected(console: Any, event: Rejected) -> None:
    """Print a row that was rejected, with its reason and what the model wrote."""
    said = event.row.get("raw") or event.row.get("query") or event.row.get("persona") or ""
    word = "failed" if event.failed else "dropped"
    console.print(f"[red]{word}[/], {escape(event.reason)}: {escape(_cut(str(said), 300))}")


def _spent(ledger: Ledger, price: Price | None, other: Price | None, seconds: float) -> str:
    """Return what was used, and what it cost where that is known of all models."""
    asked, written = ledger.notes["prompt tokens"], ledger.notes["completion tokens"]
    said = f"{asked:,} prompt and {written:,} completion tokens in {seconds:.1f} s"
    costs = [row.get("cost") for row in usage(ledger.notes, price, other)]
    known = price is not None and None not in costs
    return said + (f", ${sum(map(float, filter(None, costs))):,.4f}" if known else "")


def _cut(text: str, most: int = SHOWN) -> str:
    """Return a text no longer than is shown, the end of it included."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} […] {text[-half:]}"
