"""The chain of stages that led to a dataset, followed backwards through the marks by contents.

A mark names what its stage has read by content, not by place. The folders that may hold it are
those beside: where a run keeps its stages, and where its corpora lie. A link that is not found
there is said to be missing; what was never made by gpte-data is where the chain begins.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpte_data import manifest
from gpte_data.cards.plain import options
from gpte_data.errors import BadInput
from gpte_data.io import shard_files
from gpte_data.ledger import Ledger

SOURCES = ("ingest", "ingest-pairs")
"""Stages that read what is not ours: here a chain begins."""


@dataclass(frozen=True)
class Step:
    """A stage that was run; plain values.

    Attributes:
        folder: The name of its output folder, unique in the chain.
        stage: Its command; "" for a folder that gpte-data did not write.
        rows: Its books, as a mark has them; of a folder of no stage only `shards`.
        options: What was set, defaults left out, without ways on the disk.
        identity: What of the options entered the fingerprint: contents of models and prompts.
        made_from: Folders of this chain that it read.
        missing: Whether what it read is not to be found any more.
    """

    folder: str
    stage: str
    rows: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    made_from: list[str] = field(default_factory=list)
    missing: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class Lineage:
    """Chains of several datasets; a stage that they share is one step.

    Args:
        folders: The datasets and their corpora; folders beside them are looked at too.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.steps: dict[Path, Step] = {}
        self._names: dict[str, Path] = {}
        self._marks: dict[Path, dict[str, manifest.Mark]] = {}
        for folder in folders:
            self._look_beside(folder.resolve())

    def follow(self, source: Path) -> str:
        """Add the chain of a dataset, what came first before the rest; return its folder's name."""
        path = source.resolve()
        if path.is_file() and path.parent not in self._marks:
            return self.steps.setdefault(path, Step(self._named(path), "", {"shards": 1})).folder
        return self._step(path.parent if path.is_file() else path, ())

    def _look_beside(self, folder: Path) -> None:
        """Read the marks of a folder and of those beside it."""
        if folder.is_file():
            folder = folder.parent
        with contextlib.suppress(OSError):  # what can't be looked at is not there
            for one in [folder, *sorted(folder.parent.iterdir())]:
                if one not in self._marks and (one / manifest.DONE).is_dir():
                    with contextlib.suppress(BadInput):
                        self._marks[one] = manifest.marks(one)

    def _step(self, folder: Path, below: tuple[Path, ...]) -> str:
        """Add a folder's step after those that it was made from."""
        if folder in self.steps:
            return self.steps[folder].folder
        marks = self._marks.get(folder, {})
        name = self._named(folder)
        if not marks:
            self.steps[folder] = Step(name, "", {"shards": len(shard_files(folder))})
            return name
        made_from, missing = [], False
        for wanted in _inputs(marks):
            found = self._holder(wanted, folder, below)
            missing |= found is None
            made_from += [self._step(found, (*below, folder))] if found is not None else []
        mark = marks.get(manifest.ALL) or next(iter(marks.values()))
        self.steps[folder] = Step(
            name, str(mark.identity.get("stage", "")), _books(marks), options(mark.options),
            _contents_of_models(mark.identity), list(dict.fromkeys(made_from)), missing,
        )  # fmt: skip
        return name

    def _named(self, folder: Path) -> str:
        """Return the folder's name; where two have one, with a number."""
        name, number = folder.name, 1
        while self._names.setdefault(name, folder) != folder:
            number += 1
            name = f"{folder.name} ({number})"
        return name

    def _holder(self, wanted: frozenset[str], folder: Path, below: tuple[Path, ...]) -> Path | None:
        """Return the folder that holds some contents, of several the last one made before this.

        A stage that changed nothing holds what the one before it held.
        """
        own = _time(self._marks[folder])
        holders = [
            one
            for one, marks in self._marks.items()
            if one != folder and one not in below and wanted <= _contents(marks)
        ]
        earlier = [one for one in holders if _time(self._marks[one]) <= own]
        ranked = sorted(earlier or holders, key=lambda one: (_time(self._marks[one]), one.name))
        return ranked[-1] if ranked else None


def _inputs(marks: Mapping[str, manifest.Mark]) -> Iterator[frozenset[str]]:
    """Yield what a stage has read as rows: all its shards, or the whole; nothing for a source."""
    identities = [mark.identity for mark in marks.values()]
    if any(identity.get("stage") in SOURCES for identity in identities):
        return
    shards = frozenset(str(identity["input"]) for identity in identities if "input" in identity)
    if shards:
        yield shards
    given = identities[0].get("options", {}).get("source") if identities else None
    for content in given.values() if isinstance(given, Mapping) else ():
        yield frozenset([str(content)])


def _contents(marks: Mapping[str, manifest.Mark]) -> set[str]:
    """Return what stands for a dataset, and for its shards, in what was made from them."""
    shards = {name: mark for name, mark in marks.items() if name != manifest.ALL and mark.output}
    digest = hashlib.sha256()
    for mark in sorted(shards.values(), key=lambda one: str(one.output["name"])):
        digest.update(f"{mark.output['name']}\0{mark.output['sha256']}\n".encode())
    return {digest.hexdigest()} | {str(mark.output["sha256"]) for mark in shards.values()}


def _time(marks: Mapping[str, manifest.Mark]) -> int:
    """Return when the last shard was written, as its mark says."""
    return max((int(mark.output.get("mtime_ns", 0)) for mark in marks.values()), default=0)


def _books(marks: Mapping[str, manifest.Mark]) -> dict[str, Any]:
    """Return the books of a stage: those of the whole, or of its shards together."""
    whole = marks.get(manifest.ALL)
    books = whole.ledger if whole is not None else Ledger.total(m.ledger for m in marks.values())
    return books.to_json()


def _contents_of_models(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that stand for models and prompts: those with values of their own."""
    given = identity.get("options", {})
    return {
        name: value
        for name, value in given.items()
        if name != "source" and isinstance(_first(value), Mapping)
    }


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
