"""Duplicates: of rows that say the same, or nearly, one stays, and says for which it stands.

Passages, queries or pairs are compared three ways: what is the same after normalisation; MinHash,
confirmed by the exact Jaccard similarity of the shingles (Broder 1997); cosines of vectors
(SemDeDup, 2303.09540). Rows stand in one order, whatever order they are read in: by dataset, as
--survivor says, by id. A row goes if one that stayed before it is its duplicate, so what goes is
always within the threshold of what stays for it, and a second run has nothing to do.

What stays has `duplicates`, the ids of what went for it; what goes has `duplicate_of`, `similarity`
and the `rules` that hold against it, in _rejected. Datasets given with --against win over the
input. Pairs follow passages that went with --moved. The whole input is read before the first shard
is written; from a pipe it is kept in a temporary file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gpte_data.backends import EMBEDDERS, check
from gpte_data.deduping.compared import READ
from gpte_data.deduping.gained import with_gained
from gpte_data.deduping.options import DedupConfig
from gpte_data.errors import BadOption
from gpte_data.stage import BY_ROW, Context, Event, Hooks, Row, stage
from gpte_data.verdicts import settled


def _reads(cfg: DedupConfig) -> frozenset[str]:
    """Return the fields that a row must have; without --on the first row decides."""
    return frozenset(READ[cfg.on]) if cfg.on else frozenset()


def _prepare(cfg: DedupConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before all rows are read whether options, rows and model go together."""
    from gpte_data.deduping.given import Given

    Given.of(cfg, read)
    here = {folder.resolve() for folder in cfg.corpus}
    for folder in cfg.against if cfg.on != "pair" else ():
        if folder.resolve() in here:
            raise BadOption(f"--against {folder} is the input itself: every row would go")
    if "semantic" in cfg.ways:
        check(cfg.teacher, EMBEDDERS, "teacher", cfg.options())


def _survey(cfg: DedupConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Find all duplicates of the input."""
    from gpte_data.deduping.finding import find

    return find(cfg, read)


@stage(
    DedupConfig,
    adds={"duplicates"},
    version=1,
    hooks=Hooks(prepare=_prepare, survey=_survey, surveys=lambda cfg: True, reads=_reads),
)
def dedup(rows: Iterable[Row], cfg: DedupConfig, ctx: Context) -> Iterator[Event]:
    """Let one of several duplicates stay."""
    from gpte_data.deduping.moved import open_moves
    from gpte_data.deduping.verdicts import each

    shared = ctx.shared
    if BY_ROW not in shared:  # a function's rows, which have no survey
        rows = list(rows)
        shared = _survey(cfg, lambda: rows) if rows else {BY_ROW: None}
    moves = open_moves(cfg.moved)
    for row, said in each(rows, shared[BY_ROW]):
        if moves is not None:
            row = moves.applied(row, ctx.ledger.notes)
        if (more := said.get("gained")) is not None:
            row = with_gained(row, more, ctx.ledger.notes)
        told = ("duplicate_of", "similarity", "duplicates")
        known = {name: said[name] for name in told if name in said}
        yield settled(row | known, said.get("rules", ()))
        ctx.tell(1, 0)
