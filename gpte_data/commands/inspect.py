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
) -> None:
    """Show rows, drops by reason, scores of positives and negatives, and a few examples."""
    import orjson

    from gpte_data.inspection import survey

    found = survey(folder, examples)
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    from gpte_data.tables import render

    render(found)
