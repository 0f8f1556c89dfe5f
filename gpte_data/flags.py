"""Options from config classes: each field of a stage's config becomes an option of its command.

An option that is not given is None, so that a config file can speak where no flag does; what it
then is stands in the help.
"""

import sys
from inspect import Parameter
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from gpte_data.config import StageConfig
from gpte_data.stage import Stage

COMMON: dict[str, tuple[Any, Any, str]] = {
    "workers": (int, 1, "Processes that work on shards at the same time."),
    "engine": (str, "local", "Where shards run: local or ray."),
    "force": (bool, False, "Make the output again; answers in the journal are used, not bought."),
    "limit": (int, None, "Read only so many rows."),
    "max_errors": (int, None, "Stop when more rows than this have failed; no limit if not given."),
    "rejected": (
        Path,
        None,
        "Also write dropped and failed rows, with reasons, to this .jsonl file.",
    ),
    "config": (Path, None, "Take options from a .yaml, .toml or .json file; flags win over it."),
}
"""Options of every stage: type, default, help."""


TRYING: dict[str, tuple[Any, Any, str]] = {
    "dry_run": (bool, False, "Render all prompts, count tokens, show cost; ask nothing."),
    "probe": (bool, False, "With --dry-run: ask for 20 rows, to measure tokens and time."),
    "preview": (int, None, "Run so many rows and show them; write no shard."),
    "price_in": (float, None, "Dollars for a million prompt tokens."),
    "price_out": (float, None, "Dollars for a million completion tokens."),
    "prices": (Path, None, "Prices by model: a .yaml, .toml or .json file."),
}
"""Options of stages that ask a language model: what is wanted before a run."""


def common(config: type[StageConfig]) -> dict[str, tuple[Any, Any, str]]:
    """Return the options that a stage's command has beside the config's own."""
    return COMMON | (TRYING if config.asks else {})


def stage_parameters(config: type[StageConfig]) -> list[Parameter]:
    """Return the parameters of a stage's command: input, output, its own options, common ones."""
    fields = dict(config.model_fields)
    own = fields.pop("source", None)
    source = own.description if own else "A dataset: folder of shards, .parquet, .jsonl, or -."
    return [
        _parameter("source", str | None, typer.Argument(help=source, show_default=False)),
        _parameter("output", str | None, _OUTPUT),
        *(_option(name, info) for name, info in fields.items()),
        *(_common(name, *spec) for name, spec in common(config).items()),
    ]


_OUTPUT = typer.Option(
    "-o", "--output", help="Folder to write, or - for JSON lines on stdout.", show_default=False
)


def long_help(stage: Stage) -> str:
    """Return what the stage's module says of itself: what it does, how, and after whom."""
    doc = sys.modules[stage.function.__module__].__doc__ or ""
    return "\n\n".join(" ".join(part.split()) for part in doc.strip().split("\n\n"))


def _option(name: str, info: FieldInfo) -> Parameter:
    """Return a config field as an option; not given is None, so that a config file can speak."""
    shown = "  [required]" if info.is_required() else _shown(info.get_default())
    flag = f"{_flag(name)}/--no-{_flag(name)[2:]}" if info.annotation is bool else _flag(name)
    option = typer.Option(flag, help=(info.description or "") + shown, show_default=False)
    return _parameter(name, _plain(info.annotation), option)


def _common(name: str, type_: Any, default: Any, help_: str) -> Parameter:
    option = typer.Option(_flag(name), help=help_ + _shown(default), show_default=False)
    return _parameter(name, type_ | None, option)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(default: Any) -> str:
    """Return the default as the help shows it; nothing where it says nothing."""
    return "" if default in (None, "", (), False) else f"  [default: {default}]"


def _parameter(name: str, annotation: Any, info: Any) -> Parameter:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    return Parameter(name, kind, default=None, annotation=Annotated[annotation, info])


def _plain(annotation: Any) -> Any:
    """Return the type that Typer parses: tuples become lists, choices strings, all optional."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    if get_origin(annotation) is tuple:
        return list[get_args(annotation)[0]] | None  # type: ignore[misc]
    plain = annotation if annotation in (int, float, bool, Path) else str
    return plain | None
