"""What a stage is: a generator from rows to rows, with what it reads, adds and is told.

    @stage(SynthConfig, reads={"doc_id", "text"}, adds={"query_id", "query"}, version=1)
    def synth(rows, cfg, ctx): ...

The same object is a Python function (`synth(rows, llm="extractive")` yields rows), a command, a
member of a pipe and what `run` spreads over shards. A generator yields rows, and between them:

    Rejected(row, reason)                 a row ends here, dropped on purpose
    Rejected(row, reason, failed=True)    a row ends here because something went wrong
    Expanded(n)                           the row at hand became n rows more than one
    TableFile(…)                          many rows at once, as a file of its own (scope whole)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gpte_data.candidates import as_rows
from gpte_data.config import StageConfig
from gpte_data.errors import BadInput
from gpte_data.ledger import Ledger
from gpte_data.table_files import TableFile

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that ends here; `failed` tells an accident from a decision."""

    row: Row
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Expanded:
    """The row at hand became `by` more rows than one."""

    by: int


Event = Row | Rejected | Expanded | TableFile


def _silent(rows: int, tokens: int) -> None:
    """Take a progress report and say nothing."""


@dataclass(slots=True)
class Context:
    """What a stage may use of the run around it; the defaults suit a plain function call."""

    journal: Path | None = None
    """Where answers that were paid for are kept, or None."""
    tell: Callable[[int, int], None] = _silent
    """Takes (rows, tokens) done since the last call."""
    ledger: Ledger = field(default_factory=Ledger)
    """The books of this shard; a stage adds to `notes` only, the rest is counted for it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a stage tells its `finish` hook."""
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What the stage's survey found in the whole input."""
    llm: Any = None
    """A language model to ask in place of the config's: one that only counts, for a dry run."""
    second: Any = None
    """The same for a stage that asks two."""
    closing: ExitStack = field(default_factory=ExitStack)
    """What is to be closed when all that the stage has yielded is written."""
    folder: Path | None = None
    """Where there is room for what a stage must put aside, or None for the system's own place."""


BY_ROW = "by_row"
"""Of what a survey returns: an Arrow table of what it says of single rows, in the order of its
column `row`, their numbers in the whole input. A shard gets the part about its own rows, counted
from its first."""
Scope = Literal["shard", "whole"]
Function = Callable[[Iterable[Row], Any, Context], Iterator[Event]]


@dataclass(frozen=True)
class Output:
    """How a stage's rows are written: the shards' ending and, where fixed, their columns."""

    suffix: Literal[".parquet", ".jsonl"] = ".parquet"
    columns: Mapping[str, str] | None = None
    """Name -> type in the words of `fields.FIELDS`; None takes those fields and types."""


@dataclass(frozen=True)
class Hooks:
    """What a stage may do beside its generator; each is optional.

    read     opens the stage's own input, where that is no dataset of rows (a folder of text files).
    tables   opens it as Arrow tables of at most so many rows in all, for a stage that takes them.
    prepare  runs once before any shard, in the parent: checks that need all rows, shared files.
             It gets a function that reads the whole input anew; it may return counts to show.
    survey   looks at all rows of the input, done or not, before any shard, in the parent; returns
             what every shard must know of the whole, as plain values: it comes as `ctx.shared`.
             `surveys` tells whether it does with this config; the whole input then decides each
             shard's output, and enters its fingerprint.
    output   says how the rows are written.
    also     returns another stage to run beside it, with its config and output folder.
    reads    returns the fields that rows must have, where that hangs on the config.
    finish   returns further files for the output folder, name -> text, once the books are closed;
             it is told `ctx.facts`, the identity, and the files that are there with their hashes.
    after    runs when all is there, also where there was nothing to do: it gets the config and the
             output folder, and returns what there is to say.
    instead  returns what is printed and no run, where the options that were given ask for that.
    """

    read: Callable[[Any], Iterable[Row]] | None = None
    tables: Callable[[Any, int | None], Iterable[Any]] | None = None
    prepare: Callable[[Any, Callable[[], Iterable[Row]]], Mapping[str, int] | None] | None = None
    survey: Callable[[Any, Callable[[], Iterable[Row]]], Mapping[str, Any]] | None = None
    surveys: Callable[[Any], bool] = lambda cfg: False
    output: Callable[[Any], Output] | None = None
    also: Callable[[Any], "tuple[Stage, StageConfig, str] | None"] | None = None
    reads: Callable[[Any], frozenset[str]] | None = None
    finish: Callable[[Any, Ledger, Mapping[str, Any]], Mapping[str, str]] | None = None
    instead: Callable[[Mapping[str, Any]], str | None] = lambda given: None
    after: Callable[[Any, Path], str] | None = None


@dataclass(frozen=True)
class Stage:
    """A stage and its contract; call it on rows, or hand it to `run`."""

    name: str
    function: Function
    config: type[StageConfig]
    reads: frozenset[str]
    adds: frozenset[str]
    version: int
    scope: Scope
    hooks: Hooks

    def __call__(
        self,
        rows: Iterable[Row] = (),
        cfg: StageConfig | None = None,
        on_reject: Callable[[Rejected], None] | None = None,
        **options: Any,
    ) -> Iterator[Row]:
        """Yield the rows of `function`; options may be given by name instead of a config."""
        cfg = cfg if cfg is not None else self.config.of(options)
        for row in self.run(rows, cfg, Context(), on_reject):
            yield {name: as_rows(value) for name, value in row.items()}

    def run(
        self,
        rows: Iterable[Row],
        cfg: StageConfig,
        ctx: Context,
        on_reject: Callable[[Rejected], None] | None = None,
    ) -> Iterator[Row]:
        """Yield rows, those of files too; book every event, and close the books at the end."""
        with ctx.closing:
            for piece in self.pieces(rows, cfg, ctx, on_reject):
                if not isinstance(piece, TableFile):
                    yield piece
                elif piece.counted:
                    yield from piece.as_rows()

    def pieces(
        self,
        rows: Iterable[Any],
        cfg: StageConfig,
        ctx: Context,
        on_reject: Callable[[Rejected], None] | None = None,
    ) -> Iterator[Row | TableFile]:
        """Yield rows and files, book every event in ctx.ledger, and close the books at the end."""
        counted = self._checked(rows, cfg, ctx)
        for event in self.function(counted, cfg, ctx):
            if isinstance(event, Expanded):
                ctx.ledger.expanded += event.by
            elif isinstance(event, Rejected):
                (ctx.ledger.failed if event.failed else ctx.ledger.dropped)[event.reason] += 1
                if on_reject is not None:
                    on_reject(event)
            else:
                ctx.ledger.rows_out += _made(event)
                yield event
        for _ in counted:  # what a stage left unread counts as lost
            pass
        ctx.ledger.close()

    def _checked(self, rows: Iterable[Any], cfg: StageConfig, ctx: Context) -> Iterator[Any]:
        """Count rows, or tables of rows, as they are read; hold each to what the stage reads."""
        reads = self.fields(cfg)
        for row in rows:
            columns = row if isinstance(row, dict) else dict.fromkeys(row.column_names)
            self.check(columns, ctx.ledger.rows_in + 1, reads)
            ctx.ledger.rows_in += 1 if isinstance(row, dict) else row.num_rows
            yield row

    def fields(self, cfg: StageConfig) -> frozenset[str]:
        """Return the fields that the stage reads with this config."""
        return self.hooks.reads(cfg) if self.hooks.reads is not None else self.reads

    def check(self, row: Row, number: int, reads: frozenset[str]) -> None:
        """Raise BadInput if the row lacks something that the stage reads."""
        if reads <= row.keys():
            return
        missing = ", ".join(sorted(reads - row.keys()))
        found = ", ".join(sorted(row)) or "nothing"
        raise BadInput(
            f"{self.name} reads {', '.join(sorted(reads))}, but row {number} has no "
            f"{missing} (found: {found}): give it the output of the stage before, "
            "or rename the columns"
        )


def _made(piece: Row | TableFile) -> int:
    """Return how many rows a piece is of what the stage makes."""
    if isinstance(piece, TableFile):
        return piece.rows if piece.counted else 0
    return 1


def stage(
    config: type[StageConfig],
    *,
    reads: Iterable[str] = (),
    adds: Iterable[str] = (),
    version: int,
    scope: Scope = "shard",
    hooks: Hooks | None = None,
) -> Callable[[Function], Stage]:
    """Make a generator function a Stage; its name is the command's."""

    def wrap(function: Function) -> Stage:
        name = function.__name__.replace("_", "-")
        made = Stage(
            name, function, config, frozenset(reads), frozenset(adds), version, scope,
            hooks or Hooks(),
        )  # fmt: skip
        object.__setattr__(made, "__doc__", function.__doc__)
        return made

    return wrap
