"""Tables of rows into examples: who may stand in which, what is left out and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.dropped import BELOW, EMPTY, UNSCORED
from gpte_data.emission.gathered import EXAMPLE, Gathered
from gpte_data.emission.instructions import Instructions
from gpte_data.emission.kinds import Kinds
from gpte_data.emission.library import Library
from gpte_data.emission.origins import NOBODY, Origins
from gpte_data.emission.picking import Candidates, Picked, candidates_of, check_mined, pick
from gpte_data.emission.positives import Positives
from gpte_data.emission.scores import scores_of
from gpte_data.emission.sources import dataset_of
from gpte_data.errors import BadInput
from gpte_data.formats import Format
from gpte_data.stage import Context, Event, Expanded, Rejected
from gpte_data.text_hashes import hashes, mixed

Allowed = Callable[[Any, str, Any, Candidates, Any], Any]
"""Told a table, its dataset, and rows and places of candidates, (k,) each: who may go together."""


@dataclass(frozen=True)
class Wanted:
    """What examples are to be like."""

    format: Format
    negatives: int
    shortage: str
    seed: int
    scores: str
    dropped: bool = False
    """Whether candidates count that a rule has dropped."""
    ordered: bool = False
    """Whether examples are put in order by their scores, so that each must have them."""


@dataclass
class Gathering:
    """Takes tables and yields what is left out of them; what is not is in `gathered`."""

    wanted: Wanted
    library: Library
    gathered: Gathered
    ctx: Context
    kinds: Kinds
    instructions: Instructions
    part: int = 0
    """Where the examples go."""
    allowed: Allowed | None = None

    def __post_init__(self) -> None:
        self.origins = Origins(self.gathered.room)

    def take(self, table: Any) -> Iterator[Event]:
        """Take the rows of a table."""
        usable = _usable(table)
        for place in np.flatnonzero(~usable).tolist():
            yield Rejected(_row(table, place), EMPTY)
        table = table.filter(pa.array(usable)).combine_chunks()
        if table.num_rows:
            yield from self._examples(table)

    def _examples(self, table: Any) -> Iterator[Event]:
        """Make the examples of rows that have a query and a positive."""
        candidates = candidates_of(table, dropped=self.wanted.dropped)
        self.origins.removed.update(candidates.removed)
        positives = Positives.of(table, one=self.wanted.format.one_positive)
        picked = self._picked(table, candidates, positives)
        short = picked.distinct < self.wanted.negatives
        out = short if self.wanted.shortage == "drop" else picked.distinct < self._least()
        columns, missing = self._documents(table, candidates, positives, picked)
        scored = self.wanted.format.scored or self.wanted.ordered
        unscored = missing & ~out if scored else np.zeros_like(out)
        yield from self._left_out(table, positives, out, unscored)
        kept = ~(out | unscored)
        if kept.any():
            self._keep(table, positives, picked, kept, columns)
            repeats = short & kept & (picked.counts >= self.wanted.negatives)
            if repeats.any():
                self.ctx.ledger.notes["examples that repeat negatives"] += int(repeats.sum())

    def _least(self) -> int:
        """Return how few different negatives an example may have."""
        wanted = self.wanted
        return min(wanted.negatives, 1 if wanted.shortage == "repeat" else wanted.format.least)

    def _picked(self, table: Any, candidates: Candidates, positives: Positives) -> Picked:
        """Return the negatives of each example."""
        dataset = dataset_of(table)

        def allowed(example: Any, place: Any) -> Any:
            may = candidates.written[place] | ~(
                candidates.score[place] > positives.ceiling[example]
            )
            if self.allowed is not None:
                may &= self.allowed(table, dataset, positives.row[example], candidates, place)
            return may

        wanted = self.wanted
        return pick(candidates, positives.row, wanted.negatives, wanted.shortage, allowed)

    def _documents(
        self, table: Any, candidates: Candidates, positives: Positives, picked: Picked
    ) -> tuple[tuple[Any, ...], Any]:
        """Return what there is of all examples' documents, and which examples lack a score, (n,).

        Of documents: their numbers, scores and grades, who found them, and how likely it is that
        they answer their query.
        """
        n = len(positives.row)
        example = np.concatenate(
            [np.repeat(np.arange(n), positives.counts), np.repeat(np.arange(n), picked.counts)]
        )
        order = np.argsort(example, kind="stable")
        ids = pa.concat_arrays([positives.doc_id, candidates.doc_id.take(pa.array(picked.place))])
        ids = ids.take(pa.array(order))
        row = positives.row[example[order]]
        mined = np.zeros(table.num_rows, dtype=bool)
        if "candidates" in table.column_names:
            mined = table["candidates"].is_valid().to_numpy()
        numbers = self.library.found(
            dataset_of(table), ids, lambda k: table["query_id"][int(row[k])].as_py(), mined[row]
        )
        teacher = np.concatenate([positives.score, candidates.score[picked.place]])[order]
        rerank = np.concatenate([positives.rerank, candidates.rerank_score[picked.place]])[order]
        scores, missing = scores_of(self.wanted.scores, teacher, rerank, example[order], n)
        grades = np.concatenate([positives.grade, np.zeros(len(picked.place), np.int32)])[order]
        finders = self.origins.finders(candidates.source.take(pa.array(picked.place)))
        found = np.concatenate([np.full(len(positives.doc_id), NOBODY), finders])[order]
        unknown = np.full(len(positives.doc_id), np.nan, np.float32)
        estimates = np.concatenate([unknown, candidates.false_negative[picked.place]])[order]
        return (numbers, scores, grades, found, estimates), missing

    def _left_out(
        self, table: Any, positives: Positives, out: Any, unscored: Any
    ) -> Iterator[Event]:
        """Yield rows that became several, and the examples that are left out."""
        gone = out | unscored
        row, total = positives.row, table.num_rows
        parts = np.bincount(row, minlength=total)
        whole = np.bincount(row, weights=out, minlength=total) == parts
        fewest = self.wanted.negatives if self.wanted.shortage == "drop" else self._least()
        for place in np.flatnonzero(whole).tolist():
            yield Rejected(_row(table, place), f"fewer than {fewest} negatives")
        if extra := int((parts - 1)[~whole].sum()):
            yield Expanded(extra)
        for example in np.flatnonzero(gone & ~whole[row]).tolist():
            said = UNSCORED if unscored[example] else BELOW
            part = _row(table, row[example]) | {"positives": positives.ids(example)}
            yield Rejected(part, said)

    def _keep(
        self, table: Any, positives: Positives, picked: Picked, kept: Any, columns: tuple[Any, ...]
    ) -> None:
        """Put examples aside."""
        first = self.gathered.add_rows(self._instructed(table))
        self.origins.add_rows(table)
        made = np.zeros(int(kept.sum()), dtype=EXAMPLE)
        made["row"] = first + positives.row[kept]
        made["positives"] = positives.counts[kept]
        made["negatives"] = picked.counts[kept]
        made["part"] = self.part
        made["dataset"] = self.kinds.of(table)[positives.row[kept]]
        keys = hashes(table["query_id"].to_pylist())[:, 0]
        salt = hashes([f"{self.wanted.seed}\0{dataset_of(table)}"])[0, 0]
        turn = positives.turn[kept].astype(np.uint64)
        made["query"] = mixed(keys[positives.row[kept]] ^ salt)
        made["key"] = mixed(made["query"] + turn)
        stays = np.repeat(kept, positives.counts + picked.counts)
        documents, scores, grades, found, estimates = (one[stays] for one in columns)
        self.gathered.add(made, documents, scores, grades)
        self.origins.add(found, estimates)

    def _instructed(self, table: Any) -> Any:
        """Return the table with the instruction of each row."""
        had = table.column_names
        filled = self.instructions.of(table, self.kinds.names(table), self.wanted.seed)
        rest = table.drop_columns(["instruction"]) if "instruction" in had else table
        return rest.append_column("instruction", filled)


def checked(table: Any) -> Any:
    """Return a table of rows.

    Raises:
        BadInput: A row has no id, query or positives, or was mined before its negatives.
    """
    for name in ("query_id", "query", "positives"):
        if table[name].null_count:
            place = table[name].is_null().to_pylist().index(True)
            raise BadInput(
                f"row {table['query_id'][place].as_py()!r} of {dataset_of(table) or 'the input'} "
                f"has no {name}: give it the output of the stage before"
            )
    for name in ("positives", "negatives", "candidates"):
        _check_ids(table, name)
    check_mined(table)
    return table


def _check_ids(table: Any, name: str) -> None:
    """Raise BadInput for a document without an id."""
    if name not in table.column_names or pa.types.is_null(table.schema.field(name).type):
        return
    column = table[name].combine_chunks()
    ids = pc.list_flatten(column)
    if name == "candidates":
        ids = pc.struct_field(ids, "doc_id")
    if ids.null_count:
        place = pc.list_parent_indices(column)[ids.is_null().to_pylist().index(True)].as_py()
        raise BadInput(
            f"row {table['query_id'][place].as_py()!r} of {dataset_of(table) or 'the input'} "
            f"has one without a doc_id among its {name}: give it the output of the stage before"
        )


def _usable(table: Any) -> Any:
    """Tell which rows have a query and a positive, (n,)."""
    some = pc.greater(pc.list_value_length(table["positives"]), 0)
    said = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(table["query"])), 0)
    return pc.and_(some, said).to_numpy()


def _row(table: Any, place: int) -> dict[str, Any]:
    """Return a row of a table as a dict, without what it has not."""
    row: dict[str, Any] = table.slice(int(place), 1).to_pylist()[0]
    return {name: value for name, value in row.items() if value is not None}
