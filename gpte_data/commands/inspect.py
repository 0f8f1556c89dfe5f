"""`gpte-data inspect`: what is in a dataset or in a run, as tables or as JSON."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    folder: Annotated[Path, typer.Argument(help="A stage's output, or a folder of several.")],
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
    examples: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 3,
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
    import orjson

    from gpte_data.inspection import survey
    from gpte_data.pricing import Price, price_of

    def priced(spec: str) -> Price | None:
        return price_of(spec, price_in, price_out, prices, missing_ok=True) if spec else None

    found = survey(folder, examples, priced)
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    from gpte_data.tables import render

    render(found)
