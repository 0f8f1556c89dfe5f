"""What is said of each row: the rules that hold against it and its survivor, or whom it stands for.

A table of those rows alone of which something is said, small enough to be sent to workers, each of
which gets the part about its own shard.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.deduping.deciding import ID, MINHASH, SAME, VECTORS, Decided
from gpte_data.deduping.order import Ordered
from gpte_data.deduping.reading import Rows

SAME_TEXT = "same text as another"
NEAR_WORDS = "near-duplicate (MinHash)"
NEAR_VECTORS = "near-duplicate (vectors)"


def same_id(field: str) -> str:
    """Return the rule for an id that another row of the dataset has."""
    return f"{field} met before"


@dataclass(frozen=True)
class Datasets:
    """Which rows are whose: those of other datasets stand first.

    Attributes:
        names: Of the other datasets.
        of: The number of each row's dataset, (n,); the last is the input.
        others: How many rows the other datasets have.
    """

    names: Sequence[str]
    of: Any
    others: int


def by_row(
    rows: Rows, datasets: Datasets, order: Ordered, decided: Decided, id_field: str,
    gained: Mapping[int, list[str]],
) -> Any:  # fmt: skip
    """Return what is said of rows of the input, as an Arrow table in the order of `row`.

    Of rows that others went for their ids, and the positives `gained` from them, by number.
    """
    places = datasets.others + np.flatnonzero(decided.rules[datasets.others :])
    table = _dropped(rows, datasets, order, decided, places, id_field)
    stands_for = _stands_for(rows, datasets, order, decided, places)
    numbers = pa.array(list(stands_for), pa.int64())
    ids = pa.array([list(found) for found in stands_for.values()], pa.list_(pa.string()))
    more = pa.array([gained.get(number) for number in stands_for], pa.list_(pa.string()))
    survivors = pa.table({"row": numbers, "duplicates": ids, "gained": more})
    return pa.concat_tables([table, survivors], promote_options="default").sort_by("row")


def _dropped(
    rows: Rows, datasets: Datasets, order: Ordered, decided: Decided, places: Any, id_field: str
) -> Any:
    """Return what is said of those that go."""
    texts = {ID: same_id(id_field), SAME: SAME_TEXT, MINHASH: NEAR_WORDS, VECTORS: NEAR_VECTORS}
    bits = decided.rules[places]
    kinds = [[text for bit, text in texts.items() if kind & bit] for kind in range(16)]
    survivor = decided.survivor[places]
    target = order.rows[np.where(survivor < 0, places, survivor)]
    ids = rows.ids.take(pa.array(target)).cast(pa.string())
    of = datasets.of[target]
    names = pa.array([*(f"{name}/" for name in datasets.names), ""]).take(pa.array(of))
    return pa.table(
        {
            "row": order.rows[places] - datasets.others,
            "rules": pa.array(kinds, pa.list_(pa.string())).take(pa.array(bits)),
            "duplicate_of": pc.binary_join_element_wise(names, ids, ""),
            "similarity": pa.array(np.round(decided.similarity[places], 4), from_pandas=True),
        }
    )


def _stands_for(
    rows: Rows, datasets: Datasets, order: Ordered, decided: Decided, places: Any
) -> Mapping[int, dict[str, None]]:
    """Return for each row of the input that others went for the ids of these, in their order.

    What went for them in an earlier run goes with them.
    """
    found: dict[int, dict[str, None]] = {}
    survivor = decided.survivor[places]
    told = (survivor < 0) & np.isin(order.rows[places], list(rows.duplicates))
    if told.any():
        survivor = survivor.copy()
        survivor[told] = _of_their_id(rows, datasets, order, decided, places[told])
    mine = survivor >= datasets.others
    survivors, gone = order.rows[survivor[mine]], order.rows[places[mine]]
    ids = rows.ids.take(pa.array(gone)).to_pylist()
    own = rows.ids.take(pa.array(survivors)).to_pylist()
    for survivor, row, id_, its in zip(survivors.tolist(), gone.tolist(), ids, own, strict=True):
        number = survivor - datasets.others
        if number not in found:
            found[number] = dict.fromkeys(rows.duplicates.get(survivor, ()))
        found[number] |= dict.fromkeys((id_, *rows.duplicates.get(row, ())))
        found[number].pop(its, None)
    return {number: ids for number, ids in found.items() if ids}


def _of_their_id(
    rows: Rows, datasets: Datasets, order: Ordered, decided: Decided, places: Any
) -> Any:
    """Return what stays for the rows that have the ids of those at these places, (places,)."""
    owners = datasets.others + np.flatnonzero(~order.same_id[datasets.others :])
    known, asked = (rows.ids.take(pa.array(order.rows[some])) for some in (owners, places))
    return decided.survivor[owners[pc.index_in(asked, value_set=known).to_numpy()]]


def in_order(table: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the table as dicts; what is not said is absent."""
    for batch in table.to_batches(max_chunksize=1024):
        for said in batch.to_pylist():
            yield {name: value for name, value in said.items() if value is not None}


def each(rows: Iterable[Any], table: Any) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield each row with what is said of it."""
    said = in_order(table)
    next_ = next(said, None)
    for number, row in enumerate(rows):
        if next_ is not None and next_["row"] == number:
            yield row, next_
            next_ = next(said, None)
        else:
            yield row, {}
