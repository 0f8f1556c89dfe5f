"""What each rule removed, alone and together with the others: the plain values of `--reasons`.

Rows are those in `_rejected/`, candidates and positives those that rows kept with a verdict. A rule
*first* is the one in the books; *all* are the cases against which it holds at all; *alone* those
against which no other does, so which would be there without it. Where a stage left a reason and no
list of rules, only the first is known. Files are read row by row; in memory are counts and a few
examples of each rule.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.candidates import Candidates
from gpte_data.errors import BadInput
from gpte_data.inspection import documents_of
from gpte_data.stage import Row
from gpte_data.verdicts import RULES

KINDS = ("rows", "candidates", "positives")
"""What rules remove: whole rows, candidates as negatives, positives out of rows that stay."""
UNLISTED = {
    "contaminated_positives": "evaluation text",
    "relabelled_from": "a judge found a better positive",
}
"""Field that names positives taken out for one reason -> that reason."""
CAUSES = ("duplicate_of", "contaminated_by", "eval_part", "eval_id")
"""Fields that name the text for which a row went."""
UNNAMED = "no reason was given"


class Rules:
    """Counts of what rules removed, and the first examples of each.

    Args:
        examples: How many of each rule.
    """

    def __init__(self, examples: int) -> None:
        self.wanted, self.together = examples, 0
        self.first: Counter[str] = Counter()
        self.all: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()
        self.unlisted: set[str] = set()
        """Reasons that came without a list of rules."""
        self.examples: dict[str, list[Row]] = {}

    def add(self, reason: str, rules: Iterable[str] | None) -> bool:
        """Count one case; tell whether it is wanted as an example of its reason."""
        self.together += 1
        self.first[reason] += 1
        if rules is None:
            self.unlisted.add(reason)
        else:
            held = dict.fromkeys([reason, *rules])
            self.all.update(list(held))
            self.alone[reason] += len(held) == 1
        return self.first[reason] <= self.wanted

    def show(self, reason: str, row: Row) -> None:
        """Keep an example of a reason."""
        self.examples.setdefault(reason, []).append(row)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what is not known is None."""
        names = sorted({*self.first, *self.all}, key=lambda name: (-self.first[name], name))
        return {
            "together": self.together,
            "rules": [
                {
                    "rule": name,
                    "first": self.first[name],
                    "all": None if name in self.unlisted else self.all[name],
                    "alone": None if name in self.unlisted else self.alone[name],
                    "examples": self.examples.get(name, []),
                }
                for name in names
            ],
        }


def reasons(folder: Path, examples: int = 2) -> dict[str, Any]:
    """Return what rules removed from a stage's output, or from each of those in a folder.

    Raises:
        BadInput: There is no dataset in the folder.
    """
    if (folder / manifest.DONE).is_dir() or io.shard_files(folder):
        inner = [folder]
    elif not folder.is_dir():
        raise BadInput(f"{folder} is no folder: give a stage's output, or a folder of several")
    else:
        inner = sorted(path for path in folder.iterdir() if (path / manifest.DONE).is_dir())
    if not inner:
        raise BadInput(f"{folder} holds no dataset: give a stage's output, or a folder of several")
    return {"folder": str(folder), "datasets": [_dataset(path, examples) for path in inner]}


def _dataset(folder: Path, examples: int) -> dict[str, Any]:
    """Return what rules removed from one dataset."""
    marks = manifest.marks(folder)
    last = marks.get(manifest.ALL) or next(iter(marks.values()), None)
    found = {kind: Rules(examples) for kind in KINDS}
    for row in _rejected(folder):
        _add_row(row, found["rows"])
    for path in io.shard_files(folder):
        for row in io.read(path):
            _add_candidates(row, found["candidates"])
            _add_positives(row, found["positives"])
    _tell_texts(found, (last.options or {}) if last else {})
    return {
        "folder": str(folder),
        "stage": last.identity.get("stage") if last else None,
        **{kind: rules.to_json() for kind, rules in found.items() if rules.together},
    }


def _rejected(folder: Path) -> Iterator[Row]:
    """Yield the rejected rows of all shards."""
    for path in sorted((folder / manifest.REJECTED).glob("*.jsonl")):
        yield from io.read(path)


def _add_row(row: Row, rules: Rules) -> None:
    reason = str(row.get("reason", UNNAMED))
    failed = row.get("rejected") == "failed"
    if rules.add(f"failed: {reason}" if failed else reason, None if failed else row.get(RULES)):
        rules.show(f"failed: {reason}" if failed else reason, _told(row))


def _add_candidates(row: Row, rules: Rules) -> None:
    hits = row.get("candidates") or ()
    for place, (verdict, reason, broken) in enumerate(_verdicts(hits)):
        if verdict == "drop" and rules.add(reason or UNNAMED, broken):
            hit = hits[place]
            own = _numbers(hit)  # before the row's, of which a narrow terminal shows less
            told = own | _told(row) | own | {"doc_id": hit["doc_id"], RULES: list(broken or ())}
            rules.show(reason or UNNAMED, told)


def _verdicts(hits: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield verdict, reason and rules of each candidate, columns at a time."""
    if not isinstance(hits, Candidates):
        yield from ((hit.get("verdict"), hit.get("reason"), hit.get(RULES)) for hit in hits)
        return
    nothing = [None] * len(hits)
    names = ("verdict", "reason", RULES)
    columns = [hits.columns[n].to_pylist() if n in hits.columns else nothing for n in names]
    yield from zip(*columns, strict=True)


def _add_positives(row: Row, rules: Rules) -> None:
    lost = row.get("dropped_positives", ())
    for doc_id, broken in zip(lost, row.get("dropped_rules", ()), strict=False):
        if broken and rules.add(broken[0], broken):
            rules.show(broken[0], _told(row) | {"doc_id": doc_id})
    for name, reason in UNLISTED.items():
        for doc_id in row.get(name) or ():
            if rules.add(reason, None):
                rules.show(reason, _told(row) | {"doc_id": doc_id})


def _told(row: Mapping[str, Any]) -> Row:
    """Return what an example shows of a row: its names, its texts, what was measured."""
    names = ("query_id", "query", "doc_id", "title", "text", "positives", RULES, *CAUSES)
    return {name: row[name] for name in names if row.get(name)} | _numbers(row)


def _numbers(row: Mapping[str, Any]) -> Row:
    """Return the fields of a row that are numbers, or a few of them: what came last is first."""
    found = {name: _short(value) for name, value in reversed([*row.items()]) if name != "seed"}
    return {name: value for name, value in found.items() if value is not None}


def _short(value: Any) -> Any:
    """Return numbers rounded, as many as are shown; None for anything else."""
    if isinstance(value, dict):
        inner = {name: _short(one) for name, one in value.items()}
        return inner if inner and None not in inner.values() else None
    if isinstance(value, list) and 0 < len(value) <= 8:
        found = [_short(one) for one in value]
        return found if None not in found else None
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return round(value, 4)
    return None


def _tell_texts(found: Mapping[str, Rules], options: Mapping[str, Any]) -> None:
    """Give examples the texts of their documents, where the corpus is at hand."""
    shown = [row for rules in found.values() for rows in rules.examples.values() for row in rows]
    texts = documents_of({one for row in shown for one in _documents(row)}, options)
    for row in shown:
        known = {one: texts[one] for one in _documents(row) if one in texts}
        if known:
            row["texts"] = known


def _documents(row: Mapping[str, Any]) -> list[str]:
    """Return the documents that an example speaks of."""
    if "query" not in row:
        return []
    return [row["doc_id"]] if "doc_id" in row else list(row.get("positives", ()))[:3]
