"""`gpte-data report`: what is in a run, as one HTML page that needs nothing else."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "report.html"


def report(
    folder: Annotated[Path, typer.Argument(help="A run: a stage's output, or several.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page; RUN/report.html by default."),
    ] = None,
    real_queries: Annotated[
        Path | None,
        typer.Option(help="Queries of people to compare with: pairs, a BEIR folder, or a .txt."),
    ] = None,
    nearest: Annotated[
        int,
        typer.Option(min=0, help="Queries to find the nearest other one of; 0 leaves it out."),
    ] = 2000,
    teacher: Annotated[
        str | None,
        typer.Option(help="Embedder of queries; st:all-MiniLM-L6-v2 where it is installed."),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 10,
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
    """Write one HTML page about a run: counts, drops, scores, leak, lengths, cost, examples.

    The page loads nothing and runs no script. Its numbers are those of inspect --json with the
    same options.
    """
    from gpte_data.inspection import Asked, survey
    from gpte_data.pricing import Price, price_of
    from gpte_data.reporting.page import page

    def priced(spec: str) -> Price | None:
        return price_of(spec, price_in, price_out, prices, missing_ok=True) if spec else None

    target = output or (folder if folder.is_dir() else folder.parent) / NAME
    _check(target)
    found = survey(folder, examples, priced, Asked(nearest, real_queries, teacher))
    _write(target, page(found).encode())
    typer.echo(str(target))


def _write(target: Path, text: bytes) -> None:
    """Write the page, whole or not at all; raise BadOption where that can't be done."""
    from gpte_data.errors import BadOption
    from gpte_data.files import atomic

    try:
        with atomic(target) as file:
            file.write(text)
    except OSError as error:
        raise BadOption(f"-o {target} can't be written: {error.strerror}") from None


def _check(target: Path) -> None:
    """Raise BadOption for a page that would be taken for data, or can't be written."""
    from gpte_data.errors import BadOption

    if target.suffix.lower() not in (".html", ".htm") or target.is_dir():
        raise BadOption(f"-o {target} won't do: the page is one .html file, as -o {NAME}")
