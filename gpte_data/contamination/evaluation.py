"""Evaluation sets as they are named: BEIR folders, files and folders of rows, tasks of MTEB.

    beir/scifact          a folder with queries.jsonl, corpus.jsonl and qrels/
    test.jsonl            rows with query, text, … : .jsonl, .parquet, .csv, or a folder of them
    mteb:SciFact          a task of MTEB, through its library
    NAME=PATH             either, under another name

A set is called by its folder or file unless it is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpte_data.contamination import beir_set, mteb_task, rows_set
from gpte_data.contamination.index import EvalText, Group
from gpte_data.contamination.part import PARTS, Part
from gpte_data.errors import BadInput, BadOption
from gpte_data.files import Signature, signature, visible_files
from gpte_data.sources import source_identity

MTEB = "mteb:"


@dataclass(frozen=True)
class Wanted:
    """What is read of evaluation sets.

    Attributes:
        passages: `all` of a BEIR folder or MTEB task, those `judged` for its queries, or `none`.
        split: The one split whose queries are read; if empty, all but those of train alone.
        text_field: Fields of rows that hold texts; if empty, those usual in the field.
    """

    passages: str = "all"
    split: str = ""
    text_field: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvalSet:
    """One set."""

    name: str
    source: str
    """A path, or `mteb:TASK`."""

    @property
    def task(self) -> str:
        """The task of MTEB, if it is one."""
        return self.source.removeprefix(MTEB) if self.source.startswith(MTEB) else ""

    def identity(self) -> list[str]:
        """Return what of the set enters a fingerprint: its name, which stands in rows, and texts.

        Raises:
            BadInput: There is no such file or folder.
        """
        self.check()
        content = mteb_task.revision(self.task) if self.task else source_identity(self.source)
        return [self.name, content]

    def check(self) -> None:
        """Raise BadInput if there is no such file or folder."""
        if not self.task and not Path(self.source).exists():
            raise BadInput(
                f"--against {self.source} does not exist: give a BEIR folder, a file or folder of "
                "rows with query or text, or mteb:TASK"
            )

    def parts(self, wanted: Wanted) -> Iterator[Part]:
        """Yield all texts of the set."""
        if self.task:
            yield from mteb_task.parts(self.task, wanted.passages, wanted.split)
        elif beir_set.matches(Path(self.source)):
            yield from beir_set.parts(Path(self.source), wanted.passages, wanted.split)
        else:
            yield from rows_set.parts(self.source, wanted.text_field)

    def signature(self) -> Signature:
        """Return what changes when the set does: of its files name, size and time."""
        if self.task:
            return ((mteb_task.revision(self.task), 0, 0),)
        path = Path(self.source)
        return signature(visible_files(path) if path.is_dir() else [path])


def eval_sets(against: Sequence[str]) -> list[EvalSet]:
    """Return the sets that are named; raise BadOption where two have one name."""
    found: list[EvalSet] = []
    for spec in against:
        one = _eval_set(spec)
        if any(one.name == other.name for other in found):
            raise BadOption(
                f"two evaluation sets are called {one.name}: name them, as in "
                f"--against {one.name}-2={one.source}"
            )
        found.append(one)
    return found


def _eval_set(spec: str) -> EvalSet:
    name, named, source = spec.partition("=")
    if named and name and "/" not in name and not Path(spec).exists():
        return EvalSet(name, source)
    if spec.startswith(MTEB):
        return EvalSet(spec.removeprefix(MTEB), spec)
    path = Path(spec).resolve()
    return EvalSet(path.name.partition(".")[0] if path.is_file() else path.name, spec)


def eval_groups(sets: Sequence[EvalSet]) -> list[Group]:
    """Return queries and passages of each set, in the order in which `texts` numbers them."""
    return [Group(one.name, part) for one in sets for part in PARTS]


def texts(sets: Sequence[EvalSet], wanted: Wanted) -> Iterator[EvalText]:
    """Yield the texts of all sets; raise BadInput for a set that has none."""
    for number, one in enumerate(sets):
        empty = True
        for part in one.parts(wanted):
            empty = False
            group = number * len(PARTS) + PARTS.index(part.part)
            yield EvalText(group, part.eval_id, part.title, part.text)
        if empty:
            raise BadInput(f"{one.source} is empty: expected at least one evaluation text")
