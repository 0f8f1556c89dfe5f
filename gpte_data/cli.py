"""The command line. A stage's command is made from its config class: each field is an option.

stdout is data, stderr is talk. Only the command that is asked for is imported, so that --help
answers at once.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from gpte_data.commands import COMMANDS, load_command
from gpte_data.config import read_config
from gpte_data.errors import BadOption, GpteError
from gpte_data.files import disk_errors
from gpte_data.flags import COMMON, long_help, stage_parameters
from gpte_data.stage import Stage
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


def _print_version(asked: bool) -> None:
    """Print the version and end, if that was asked."""
    if asked:
        from gpte_data import __version__

        typer.echo(__version__)
        raise typer.Exit


def _version(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _stub() -> None:
    """Stand for a command that was not asked for."""


def _command(name: str) -> Callable[..., None]:
    """Return the function of a command, with the signature that Typer reads."""
    command = stage_command(name) if name in STAGES else load_command(name)

    @functools.wraps(command)
    def guarded(*given: Any, **named: Any) -> None:
        with ending_well():
            command(*given, **named)

    return guarded


def stage_command(name: str) -> Callable[..., None]:
    """Make the command of a stage: its function runs it, its signature is what Typer reads."""
    stage = load(name)

    def command(**given: Any) -> None:
        options = _merged({key: value for key, value in given.items() if value is not None})
        if (told := stage.hooks.instead(options)) is not None:
            typer.echo(told)
        else:
            _run_stage(name, options)

    parameters = stage_parameters(stage.config)
    command.__doc__ = long_help(stage)
    command.__name__ = name.replace("-", "_")
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _run_stage(name: str, options: dict[str, Any]) -> None:
    """Run a stage as the options say, and print its books."""
    from gpte_data.memory import spare_memory
    from gpte_data.pipe import pipe
    from gpte_data.plan import RunOptions
    from gpte_data.run import collect_rejected, run
    from gpte_data.talk import say_ledger, say_result

    spare_memory()
    stage = load(name)
    output = options.pop("output", None)
    wanted = _wanted(stage, options)
    if output is None and wanted is None:
        raise BadOption("-o is missing: give a folder to write, or - for JSON lines on stdout")
    how = RunOptions(**{key: options.pop(key) for key in COMMON if key in options})
    source = (
        options.get("source")
        if "source" in stage.config.model_fields
        else options.pop("source", None)
    )
    if source is None:
        raise BadOption(f"what to read is missing: gpte-data {name} SOURCE -o {output or 'OUTPUT'}")
    cfg = stage.config.of({key: _listed(value) for key, value in options.items()})
    if wanted is not None:
        wanted(cfg, source, output, how)
        return
    also = stage.hooks.also(cfg) if stage.hooks.also is not None else None
    if also is not None and (output == "-" or Path(also[2]).resolve() == Path(output).resolve()):
        raise BadOption(f"{also[0].name} needs a folder of its own, and {name} another with -o")
    if output == "-":
        ledger = pipe(stage, cfg, source, how)
        say_ledger(name, ledger)
        _exit_on_failures(ledger.failed.total(), how.max_errors)
        return
    jobs = [(stage, cfg, output), *([also] if also is not None else [])]
    failed = 0
    for one, config, folder in jobs:
        result = run(one, config, source, Path(folder), how)
        say_result(result)
        failed += result.ledger.failed.total()
    if also is not None and how.rejected is not None:
        collect_rejected([Path(folder) for _, _, folder in jobs], how.rejected)
    _exit_on_failures(failed, how.max_errors)


def _wanted(
    stage: Stage, options: dict[str, Any]
) -> Callable[[Any, str, str | None, Any], None] | None:
    """Return what is to be done instead of a run, where --dry-run or --preview asks for it."""
    if not stage.config.asks:
        return None
    from gpte_data.trying import Trying, try_out

    wanted = Trying.taken(options)
    if not wanted.dry_run and wanted.preview is None:
        return None
    return lambda cfg, source, output, how: try_out(stage, cfg, source, output, how, wanted)


def _exit_on_failures(failed: int, allowed: int | None) -> None:
    """End with exit code 1 if more rows failed than --max-errors allows."""
    if failed > (allowed or 0):
        raise typer.Exit(1)


@contextmanager
def ending_well() -> Iterator[None]:
    """End a command at Ctrl-C with one sentence, and in silence when nobody reads on."""
    try:
        with disk_errors("stdout"):
            yield
            sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what is done is kept; the same command goes on from there\n")
        raise typer.Exit(130) from None


def forget_stdout() -> None:
    """Send what Python still holds for stdout nowhere, so that it does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _merged(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the config file with the flags over them."""
    path = given.pop("config", None)
    return (read_config(path) if path is not None else {}) | given


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def main() -> None:
    """Run the command line; every error of ours is one sentence on stderr."""
    try:
        app_for(sys.argv[1:])(standalone_mode=True)
    except GpteError as error:
        sys.stderr.write(f"error: {error}\n")
        forget_stdout()
        sys.exit(error.exit_code)
