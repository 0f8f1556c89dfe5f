"""`gpte-data audit`: what mined negatives are worth, and which flags to use."""

from pathlib import Path
from typing import Annotated

import typer


def audit(
    mined: Annotated[Path, typer.Argument(help="Output folder of mine-negatives.")],
    corpus: Annotated[
        list[Path] | None, typer.Option(help="Corpus that was mined, where it has been moved.")
    ] = None,
    queries: Annotated[int, typer.Option(min=1, help="Queries to look at.")] = 500,
    seeds: Annotated[
        int, typer.Option(min=1, help="Choices of the positive that stays known.")
    ] = 3,
    num_negatives: Annotated[
        int | None, typer.Option(min=1, help="Negatives of a query; as mined by default.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw leak over hardness: a .png, .svg or .pdf file.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
) -> None:
    """Hide positives, mine again, and show for every rule and budget how much leaks.

    Where queries have several positives, all but one are hidden and leak is measured; where they
    have one, it is estimated. The last line is a recommendation with the flags to use.
    """
    import orjson

    from gpte_data.audit_plot import plot as draw
    from gpte_data.audit_tables import render_audit
    from gpte_data.auditing import audit as audited
    from gpte_data.auditing import config_of

    found = audited(mined, config_of(mined, corpus, num_negatives), queries, seeds)
    if plot is not None:
        draw(found, plot)
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        render_audit(found)
