"""Pairs follow passages that were dropped: what names one names its survivor from now on.

The output of dedup over the pairs' corpus says of each passage for which others it stands.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpte_data import io, manifest
from gpte_data.candidates import Candidates, as_rows
from gpte_data.errors import BadInput
from gpte_data.files import Signature, signature
from gpte_data.positives import NAMED, only
from gpte_data.stage import Row
from gpte_data.verdicts import RULES, dropped

if TYPE_CHECKING:
    from gpte_data.doc_ids import DocIds

POSITIVE = "same text as a positive"
CANDIDATE = "same text as a better candidate"
MOVED = "passages that stand for another now"


class Moves:
    """Which passage stands for another.

    Args:
        gone: The ids of passages that were dropped.
        survivors: For each, the id of the one that stands for it.
    """

    def __init__(self, gone: "DocIds", survivors: "DocIds") -> None:
        from gpte_data.doc_ids import Positions

        self.survivors = survivors
        self.positions = Positions(gone)

    def of(self, doc_ids: Sequence[str]) -> list[str]:
        """Return the passages that stand for these, themselves if they were not dropped."""
        found = (self.positions.get(doc_id) for doc_id in doc_ids)
        return [
            one if place is None else self.survivors[place]
            for one, place in zip(doc_ids, found, strict=True)
        ]

    def applied(self, row: Row, notes: "Counter[str]") -> Row:
        """Return a pair with passages that are there; what became the same stands there once."""
        row = self._with_former(self._with_positives(row, notes))
        if row.get("negatives"):
            row = self._with_negatives(row, notes)
        return self._with_candidates(row, notes) if row.get("candidates") else row

    def _with_positives(self, row: Row, notes: "Counter[str]") -> Row:
        before = row.get("positives", ())
        after = self.of(before)
        if list(before) == after:
            return row
        notes[f"positives: {MOVED}"] += _changed(before, after)
        places = [place for place, one in enumerate(after) if one not in after[:place]]
        return only(row | {"positives": after}, places)

    def _with_former(self, row: Row) -> Row:
        """Where positives are named that a filter took out or put in, their survivors stand now.

        Each in the same place: these lists may be parallel to others.
        """
        named = {name: row[name] for name in NAMED if row.get(name)}
        return row | {name: self.of(ids) for name, ids in named.items()}

    def _with_negatives(self, row: Row, notes: "Counter[str]") -> Row:
        before, positives = row["negatives"], row.get("positives", ())
        after = self.of(before)
        if list(before) == after and not set(positives) & set(after):
            return row
        notes[f"negatives: {MOVED}"] += _changed(before, after)
        return row | {"negatives": [one for one in dict.fromkeys(after) if one not in positives]}

    def _with_candidates(self, row: Row, notes: "Counter[str]") -> Row:
        """Candidates stay, all of them; one that says the same as another is no negative."""
        before = _ids(row["candidates"])
        after, met, moved = self.of(before), set(row.get("positives", ())), []
        positives = frozenset(met)
        if before == after and not positives & set(after):
            return row
        notes[f"candidates: {MOVED}"] += _changed(before, after)
        for hit, doc_id in zip(as_rows(row["candidates"]), after, strict=True):
            changed = hit | {"doc_id": doc_id}
            if doc_id in met:
                rule = POSITIVE if doc_id in positives else CANDIDATE
                changed = dropped(changed, _rules(hit, rule))
            met.add(doc_id)
            moved.append(changed)
        return row | {"candidates": moved}


def _ids(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the doc_ids of candidates; where they are columns, of that one alone."""
    if isinstance(candidates, Candidates):
        column = candidates.columns["doc_id"]
        return list(column.to_pylist())
    return [hit["doc_id"] for hit in candidates]


def _rules(hit: Mapping[str, Any], rule: str) -> list[str]:
    """Return the rules that hold against a candidate, with one more."""
    before = [hit["reason"], *(hit.get(RULES) or ())] if hit.get("verdict") == "drop" else []
    return list(dict.fromkeys([*before, rule]))


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    return sum(one != other for one, other in zip(before, after, strict=True))


def open_moves(folders: tuple[Path, ...]) -> Moves | None:
    """Return what corpora say, read once in a process; None if none is given.

    Raises:
        BadInput: One is no output of dedup.
    """
    if not folders:
        return None
    return _open(folders, signature(path for folder in folders for path in io.shards(folder)))


@lru_cache(maxsize=1)
def _open(folders: tuple[Path, ...], files: Signature) -> Moves:
    import pyarrow as pa

    from gpte_data.doc_ids import DocIds

    gone, survivors = [], []
    for folder in folders:
        _check(folder)
        for path in io.shards(folder):
            lists = io.read_column(path, "duplicates", pa.list_(pa.string()))
            gone.append(lists.flatten())
            ids = io.read_column(path, "doc_id", pa.string())
            survivors.append(ids.take(lists.value_parent_indices()))
    return Moves(DocIds(gone), DocIds(survivors))


def _check(folder: Path) -> None:
    """Raise BadInput unless a folder is what dedup wrote of passages."""
    manifest.check_finished(folder)
    stages = {str(mark.identity.get("stage")) for mark in manifest.marks(folder).values()}
    first = next(io.read_all(folder), {})
    if stages != {"dedup"} or (first and "doc_id" not in first):
        found = f"what {stages.pop()} wrote" if stages else "a dataset without marks"
        raise BadInput(
            f"--moved {folder} is {found}: it takes the output folder of dedup over the pairs' "
            "corpus"
        )
