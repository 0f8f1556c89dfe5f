"""`gpte-data show`: the prompts and pipelines that come with the package."""

from typing import Annotated

import typer


def show(
    name: Annotated[
        str | None, typer.Argument(help="A prompt or pipeline, as listed.", show_default=False)
    ] = None,
) -> None:
    """List prompts and pipelines, or print one: gpte-data show quickstart.sh > mine.sh."""
    from gpte_data.errors import BadOption
    from gpte_data.prompts import share

    files = {
        path.name: path
        for kind, ending in (("prompts", "*.md"), ("pipelines", "*.sh"))
        for path in sorted(share(kind).glob(ending))
    }
    if name is None:
        for path in files.values():
            typer.echo(f"{path.parent.name}/{path.name}")
    elif name in files:
        typer.echo(files[name].read_text(encoding="utf-8"), nl=False)
    else:
        raise BadOption(f"there is no {name!r}: take one of {', '.join(files)}")
