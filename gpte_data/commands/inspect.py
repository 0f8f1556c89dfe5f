"""`gpte-data inspect`: what is in a dataset or in a run, as tables or as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gpte_data.measures.asked import Asked


def inspect(
    folder: Annotated[Path, typer.Argument(help="A stage's output, or a folder of several.")],
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
    reasons: Annotated[
        bool,
        typer.Option("--reasons", help="Show what each rule removed, alone and with the others."),
    ] = False,
    examples: Annotated[
        int | None,
        typer.Option(min=0, help="Rows to show (3), or with --reasons rows of each rule (2)."),
    ] = None,
    real_queries: Annotated[
        Path | None,
        typer.Option(help="Queries of people to compare with: pairs, a BEIR folder, or a .txt."),
    ] = None,
    nearest: Annotated[
        int,
        typer.Option(min=0, help="Queries to find the nearest other one of; 0 leaves it out."),
    ] = 0,
    teacher: Annotated[
        str | None,
        typer.Option(help="Embedder of queries; st:all-MiniLM-L6-v2 where it is installed."),
    ] = None,
    price_in: Annotated[
        float | None, typer.Option(help="Dollars for a million prompt tokens.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(help="Dollars for a million completion tokens.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Prices by model: a .yaml, .toml or .json file.")
    ] = None,
) -> None:
    """Show rows, drops by reason, tokens and cost, scores of negatives, and a few examples."""
    if reasons:
        _reasons(folder, 2 if examples is None else examples, json=json)
        return
    from gpte_data.measures.asked import Asked

    asked = Asked(nearest, real_queries, teacher)
    shown = 3 if examples is None else examples
    _survey(folder, shown, asked, (price_in, price_out, prices), json=json)


def _survey(
    folder: Path,
    examples: int,
    asked: "Asked",
    prices: tuple[float | None, float | None, Path | None],
    *,
    json: bool,
) -> None:
    """Show what is in a dataset or a run."""
    from gpte_data.inspection import survey
    from gpte_data.pricing import Price, price_of

    def priced(spec: str) -> Price | None:
        return price_of(spec, *prices, missing_ok=True) if spec else None

    found = survey(folder, examples, priced, asked)
    if json:
        _print(found)
        return
    from gpte_data.query_tables import render_queries
    from gpte_data.tables import render

    render_queries(found["queries"])
    render(found)


def _reasons(folder: Path, examples: int, *, json: bool) -> None:
    """Show what rules removed."""
    from gpte_data.reasons import reasons

    found = reasons(folder, examples)
    if json:
        _print(found)
        return
    from gpte_data.reasons_tables import render_reasons

    render_reasons(found)


def _print(found: dict[str, Any]) -> None:
    """Print plain values as JSON."""
    import orjson

    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
