"""What a command says when it is done, on stderr."""

import sys
from collections.abc import Mapping

from gpte_data.ledger import Ledger
from gpte_data.run import Result


def say_result(result: Result) -> None:
    """Print the books of a run, and whether there was anything to do."""
    if result.done:
        say_ledger(result.stage, result.ledger)
        _say_notes(result.stage, result.prepared)
        _say(f"{result.stage}: {_shards(result.shards)} in {result.output}, {result.seconds:.1f} s")
    else:
        _say(
            f"{result.stage}: nothing to do, {result.output} is done with the same settings "
            f"({_shards(result.shards)}, {result.ledger.rows_out:,} rows)"
        )
    for line in result.said.splitlines():
        _say(f"{result.stage}: {line}")


def say_ledger(name: str, ledger: Ledger) -> None:
    """Print the balance and what else was counted."""
    _say(f"{name}: {ledger.line()}")
    _say_notes(name, ledger.notes)


def _say_notes(name: str, notes: Mapping[str, int]) -> None:
    for note, count in sorted(notes.items()):
        _say(f"{name}: {note}: {count:,}")


def _shards(count: int) -> str:
    return f"{count} shard" if count == 1 else f"{count} shards"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
