"""The command line. A stage's command is made from its config class: each field is an option.

stdout is data, stderr is talk. Only the command that is asked for is imported, so that --help
answers at once.
"""

import os
import sys
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from gpte_data.commands import COMMANDS, load_command
from gpte_data.config import StageConfig, read_config
from gpte_data.errors import BadOption, GpteError
from gpte_data.stages import STAGES, load

HELP = """Training data for text embedding models: documents in, training shards out.

    gpte-data ingest docs/ -o corpus/

    gpte-data synth corpus/ -o pairs/

    gpte-data mine-negatives pairs/ --corpus corpus/ -o mined/

    gpte-data filter-negatives mined/ --corpus corpus/ -o filtered/

    gpte-data emit filtered/ --corpus corpus/ -o train/

stdout is data, stderr is talk; - is stdin or stdout, as JSON lines. Exit 0: done; 1: rows failed;
2: something to mend, said in one sentence.
"""

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


def app_for(argv: list[str]) -> typer.Typer:
    """Return the application with the named command whole and the others by their summaries."""
    app = typer.Typer(
        name="gpte-data", help=HELP, no_args_is_help=True, add_completion=False,
        rich_markup_mode=None, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    app.callback(help=HELP)(_version)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in (STAGES | COMMANDS).items():
        command = _command(name) if name == wanted else _stub
        long = command.__doc__ if name == wanted else summary
        app.command(name, help=long, short_help=summary)(command)
    return app


def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from gpte_data import __version__

        typer.echo(__version__)
        raise typer.Exit


def _stub() -> None:
    """Stand for a command that was not asked for."""


def _command(name: str) -> Callable[..., None]:
    """Return the function of a command, with the signature that Typer reads."""
    return stage_command(name) if name in STAGES else load_command(name)


def stage_command(name: str) -> Callable[..., None]:
    """Make the command of a stage from its config class."""
    stage = load(name)
    reads_itself = "source" in stage.config.model_fields

    def command(**given: Any) -> None:
        _run_stage(name, {key: value for key, value in given.items() if value is not None})

    parameters = [
        _argument(
            "source", "Where the documents are." if not reads_itself else _help(stage.config)
        ),
        _output(),
        *(_option(f, i) for f, i in stage.config.model_fields.items() if f != "source"),
        *(_common(field, *spec) for field, spec in COMMON.items()),
    ]
    if not reads_itself:
        parameters[0] = _argument("source", "A dataset: folder of shards, .parquet, .jsonl, or -.")
    command.__doc__ = _long_help(stage.function.__doc__ or "", name)
    command.__name__ = name.replace("-", "_")
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _help(config: type[StageConfig]) -> str:
    return config.model_fields["source"].description or ""


def _long_help(doc: str, name: str) -> str:
    """Return what the command does; the module's docstring says how and after whom."""
    from importlib import import_module

    module = import_module(f"gpte_data.stages.{name.replace('-', '_')}")
    paragraphs = (module.__doc__ or doc).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _argument(name: str, help_: str) -> Parameter:
    return _parameter(name, str | None, typer.Argument(help=help_, show_default=False))


def _output() -> Parameter:
    option = typer.Option(
        "-o", "--output", help="Folder to write, or - for JSON lines on stdout.", show_default=False
    )
    return _parameter("output", str | None, option)


def _option(name: str, info: FieldInfo) -> Parameter:
    """Return a config field as an option; not given is None, so that a config file can speak."""
    shown = "  [required]" if info.is_required() else _shown(info.get_default())
    option = typer.Option(_flag(name), help=(info.description or "") + shown, show_default=False)
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


def _run_stage(name: str, given: dict[str, Any]) -> None:
    """Run a stage as the options say, and print its books."""
    from gpte_data.pipe import pipe
    from gpte_data.run import RunOptions, run
    from gpte_data.talk import say_ledger, say_result

    stage = load(name)
    options = _merged(given)
    output = options.pop("output", None)
    if output is None:
        raise BadOption("-o is missing: give a folder to write, or - for JSON lines on stdout")
    how = RunOptions(**{key: options.pop(key) for key in COMMON if key in options})
    source = (
        options.get("source")
        if "source" in stage.config.model_fields
        else options.pop("source", None)
    )
    if source is None:
        raise BadOption(f"what to read is missing: gpte-data {name} SOURCE -o {output}")
    cfg = stage.config.of({key: _listed(value) for key, value in options.items()})
    if output == "-":
        say_ledger(name, pipe(stage, cfg, source, how))
        return
    jobs = [(stage, cfg, output)]
    if stage.hooks.also is not None and (also := stage.hooks.also(cfg)):
        jobs.append(also)
    failed = 0
    for one, config, folder in jobs:
        result = run(one, config, source, Path(folder), how)
        say_result(result)
        failed += result.ledger.failed.total()
    if failed > (how.max_errors or 0):
        raise typer.Exit(1)


def _merged(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the config file with the flags over them."""
    path = given.pop("config", None)
    options = (read_config(path) if path is not None else {}) | given
    engine = options.get("engine", "local")
    if engine not in ("local", "ray"):
        raise BadOption(f"--engine takes local or ray, found {engine!r}")
    if (options.get("workers") or 1) < 1 or options.get("limit", 1) < 1:
        raise BadOption("--workers and --limit take a number of at least 1")
    return options


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def main() -> None:
    """Run the command line; every error of ours is one sentence on stderr."""
    try:
        app_for(sys.argv[1:])(standalone_mode=True)
    except GpteError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what is done is kept; the same command goes on from there\n")
        sys.exit(130)
