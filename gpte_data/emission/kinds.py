"""What an example's dataset is called, and whether other examples may serve it as negatives.

Texts of one class are each other's positives: in a batch of classification or clustering examples,
another example's positive may be right. Such rows stand in folders of their own,
`…no_in_batch_neg`, which FlagEmbedding trains without in-batch negatives, as NV-Embed does in its
second stage (2405.17428); Gecko gives each such triple an id of its own instead (2403.20327).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.emission.gathered import LOOK
from gpte_data.emission.sources import dataset_of
from gpte_data.emission.writing import Part
from gpte_data.errors import BadOption

CLASS_TASKS = ("classification", "clustering")
"""Values of `task` whose in-batch negatives would be false."""
SUFFIX = "no_in_batch_neg"
"""How folders end that FlagEmbedding reads without in-batch negatives."""
OTHERWISE = "none"
"""The dataset of rows that lack the field which names it."""
MOST = 1 << 16


@dataclass(frozen=True, order=True)
class Kind:
    """What examples have in common: their dataset, and whether in-batch negatives are off."""

    name: str
    alone: bool = False


@dataclass
class Kinds:
    """Numbers the kinds of rows.

    Attributes:
        by: Field of a row that names its dataset, or "" where its folder does.
        alone: Datasets without in-batch negatives; `auto` stands for rows of class tasks.
        known: Those found so far, by number.
    """

    by: str = ""
    alone: frozenset[str] = frozenset({"auto"})
    known: dict[Kind, int] = field(default_factory=dict)

    def names(self, table: Any) -> Any:
        """Return the name of each row's dataset, an Arrow array of strings, (rows,)."""
        if not self.by:
            return pa.repeat(pa.scalar(dataset_of(table), pa.string()), table.num_rows)
        return _said(table, self.by, OTHERWISE)

    def of(self, table: Any) -> Any:
        """Return the number of each row's kind, (rows,) in uint16."""
        coded = self.names(table).dictionary_encode()
        names = coded.dictionary.to_pylist()
        alone = np.array([name in self.alone for name in names], dtype=bool)
        codes = coded.indices.to_numpy()
        off = alone[codes]
        if "auto" in self.alone:
            task = pc.utf8_lower(_said(table, "task", ""))
            off |= pc.is_in(task, value_set=pa.array(CLASS_TASKS)).to_numpy(False)
        pairs, inverse = np.unique(codes * 2 + off, return_inverse=True)
        numbers = [self._number(Kind(names[pair // 2], bool(pair % 2))) for pair in pairs.tolist()]
        return np.array(numbers, dtype=np.uint16)[inverse]

    def _number(self, kind: Kind) -> int:
        if len(self.known) >= MOST:
            raise BadOption(
                f"--mix-by {self.by} finds more than {MOST:,} datasets: "
                "name a field of fewer values"
            )
        return self.known.setdefault(kind, len(self.known))

    def settled(self, examples: Any) -> list[Kind]:
        """Number all kinds by name, whatever row came first; return them in that order."""
        kinds = sorted(self.known)
        number = np.zeros(len(kinds), dtype=np.uint16)
        number[[self.known[kind] for kind in kinds]] = np.arange(len(kinds), dtype=np.uint16)
        for start in range(0, len(examples), LOOK):
            block = examples["dataset"][start : start + LOOK]
            examples["dataset"][start : start + LOOK] = number[block]
        self.known = {kind: n for n, kind in enumerate(kinds)}
        return kinds


def alone_of(given: str) -> frozenset[str]:
    """Return what --no-in-batch names; raise BadOption where it is nothing."""
    names = [name.strip() for name in given.split(",")]
    if not all(names):
        raise BadOption(
            f"--no-in-batch {given!r} won't do: expected auto, none, or NAME,NAME of datasets"
        )
    if "none" in names and len(names) > 1:
        raise BadOption("--no-in-batch none goes alone: leave it out, or the others")
    return frozenset(names) - {"none"}


def check_names(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Raise BadOption for a dataset that an option names and that is not there."""
    if lost := sorted(set(given) - set(known)):
        there = ", ".join(name for name in known if name) or "one dataset without a name"
        raise BadOption(f"{option} names {lost[0]!r}, which is not among the datasets: {there}")


def foldered(
    examples: Any, parts: list[Part], kinds: list[Kind], *, per_dataset: bool
) -> list[Part]:
    """Give examples whose kind has a folder of its own to a part of their own.

    Args:
        examples: (n,) of EXAMPLE, which are changed.
        parts: Where examples go so far.
        kinds: Of examples, by number.
        per_dataset: Whether each dataset has its own.

    Returns:
        The parts, those of a split together.
    """
    there = _there(examples, len(parts), len(kinds))
    names = folder_names([kind.name for kind in kinds]) if per_dataset else {}
    found: dict[Part, int] = {}
    number = np.zeros((len(parts), len(kinds)), dtype=np.uint16)
    for place, part in enumerate(parts):
        for kind, one in enumerate(kinds):
            if there[place, kind]:
                name = names.get(one.name, "")
                folder = "_".join(word for word in (name, SUFFIX if one.alone else "") if word)
                mine = Part(part.split, folder, one.name if per_dataset else "")
                number[place, kind] = found.setdefault(mine, len(found))
    _check_folders(list(found))
    for start in range(0, len(examples), LOOK):
        block = examples[start : start + LOOK]
        kept = block["part"] < len(parts)
        moved = block["part"].copy()
        moved[kept] = number[block["part"][kept], block["dataset"][kept]]
        examples["part"][start : start + LOOK] = moved
    return list(found)


def _check_folders(parts: list[Part]) -> None:
    """Raise BadOption where two datasets would write into one folder."""
    owner: dict[tuple[str, str], str] = {}
    for part in parts:
        other = owner.setdefault((part.split, part.folder.lower()), part.dataset)
        if other != part.dataset:
            raise BadOption(
                f"--per-dataset: the datasets {other!r} and {part.dataset!r} would both be written "
                f"to {part.folder}: give one of them another name, as NAME=FOLDER"
            )


def _there(examples: Any, parts: int, kinds: int) -> Any:
    """Return how many examples of each part and kind there are, (parts, kinds)."""
    counts = np.zeros(parts * kinds, dtype=np.int64)
    for start in range(0, len(examples), LOOK):
        block = examples[start : start + LOOK]
        block = block[block["part"] < parts]
        both = block["part"].astype(np.int64) * kinds + block["dataset"]
        counts += np.bincount(both, minlength=parts * kinds)
    return counts.reshape(parts, kinds)


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """Return a folder name for each dataset; raise BadOption where two would have the same."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        folder = re.sub(r"[^\w.-]+", "-", name).lstrip("-._").rstrip("-.")
        twice = [one for one, other in found.items() if other.lower() == folder.lower()]
        if twice or (name and not folder):
            raise BadOption(
                f"--per-dataset: the dataset {name!r} can't have a folder of its own name"
                + (f" beside {twice[0]!r}" if twice else "")
                + ": give it another name, as NAME=FOLDER"
            )
        found[name] = folder
    return found


def _said(table: Any, name: str, otherwise: str) -> Any:
    """Return a column of texts, with something else where there is none."""
    if name not in table.column_names:
        return pa.repeat(pa.scalar(otherwise, pa.string()), table.num_rows)
    column = table[name].cast(pa.string()).fill_null(otherwise).combine_chunks()
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pc.if_else(pc.equal(array, ""), otherwise, array)
