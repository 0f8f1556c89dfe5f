"""What `inspect` says of queries that it was asked about: nearest duplicates, and real ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from gpte_data.tables import STYLE, bars, stdout


def render_queries(queries: Mapping[str, Any]) -> None:
    """Print what `measures.asked` found on stdout, if anything."""
    console = stdout()
    for line in [*_nearest(queries.get("nearest")), *_depth(queries.get("real"))]:
        console.print(escape(line))
    if real := queries.get("real"):
        console.print(_words(real))


def _nearest(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    if "left_out" in found:
        yield f"nearest queries: left out: {found['left_out']}"
        return
    near = ", ".join(f"{level} or more: {n:,}" for level, n in found["at_least"].items())
    yield f"nearest other query, of {found['sample']:,} of {found['of']:,}: cosine {near}"


def _depth(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    depth = found["depth"]
    if "left_out" in depth:
        yield f"depth among real queries: left out: {depth['left_out']}"
        return
    test = f"Q {depth['q']:.3f}, W {depth['w']:.2f}, p {depth['p']:.2g}"
    yield f"depth among real queries (Q .5: alike, less: further out): {test}"


def _words(found: Mapping[str, Any]) -> Table:
    """Return a table of words a query, the run's beside the real ones."""
    table = Table(title="Words a query", title_justify="left", **STYLE)
    table.add_column("queries")
    for name in ("count", "different", "mean", "50 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("min … max", no_wrap=True)
    for side in ("synthetic", "real"):
        one, words = found[side], found[side]["words"]
        numbers = [f"{one['count']:,}", f"{one['distinct']:,}", f"{words['mean']:.1f}"]
        middle = f"{words['quantiles']['0.5']:,}"
        table.add_row(side, *numbers, middle, bars(words["histogram"]))
    return table
