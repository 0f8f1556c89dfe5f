"""Commands that are no stages, by name; each stands in a file of its own."""

from collections.abc import Callable
from importlib import import_module

COMMANDS = {
    "audit": "Show how much leaks into mined negatives, by rule and by budget.",
    "embed": "Make a corpus' vectors ahead of mining.",
    "inspect": "Show what is in a dataset or a run: counts, reasons, scores, a few rows.",
    "report": "Write one HTML page about a dataset or a run, with charts and examples.",
    "show": "List the prompts and pipelines that come with gpte-data, or print one.",
}


def load_command(name: str) -> Callable[..., None]:
    """Return the function of a command; only its module is imported."""
    command: Callable[..., None] = getattr(import_module(f"gpte_data.commands.{name}"), name)
    return command
