"""Which batches are under way at a server, written down so that none is ever paid for twice.

A file of JSON lines beside the journal: what a batch is to hold, before it is made; its id, after;
and that it is of no use any more. Each line is on the disk before anything else happens. There are
only ids and keys in it, so it may travel with the output to another machine. A batch that was to be
made when the process died is looked for at the server by its label.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gpte_data.backends.journal import open_to_append, write_whole
from gpte_data.files import sync_folder

ASK, REPAIR = "ask", "repair"


@dataclass
class Record:
    """A batch as it was written down."""

    label: str
    """Hash of what it holds and of when it was made; it goes into the batch's metadata."""
    kind: str
    """`ask`, or `repair` for answers that did not fit."""
    parent: str
    """Label of the batch whose left-overs it holds, or nothing."""
    when: float
    """Unix time just before it was made."""
    id: str = ""
    told: bool = False
    """The user has been told that it ended early; what is left of it may be sent again."""
    over: bool = False
    """It brings no answers."""
    number: int = -1
    """Place among the records that count."""


Find = Callable[[Record], str]
"""Returns the id of the batch with a record's label, or nothing where there is none."""


class Book:
    """The records, oldest first; `last` tells the latest that holds a key.

    Args:
        path: The file; it need not be there.
        find: Asked for records that have no id.
    """

    def __init__(self, path: Path, find: Find) -> None:
        self.path = path
        self.records: list[Record] = []
        self.last: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        for record, keys in _read(path, find):
            self._enter(record, keys)

    def _enter(self, record: Record, keys: Iterable[str]) -> None:
        record.number = len(self.records)
        self.records.append(record)
        self._numbers[record.label] = record.number
        for key in keys:
            self.last[key] = record.number

    def intend(self, kind: str, parent: Record | None, keys: Sequence[str]) -> Record:
        """Write down that a batch is about to be made of these keys."""
        when, above = time.time(), parent.label if parent else ""
        said = "\n".join([kind, above, str(time.time_ns()), *keys])
        label = hashlib.sha256(said.encode()).hexdigest()
        record = Record(label, kind, above, when)
        line = {"label": label, "kind": kind, "parent": above, "when": when, "keys": keys}
        self._append(line)
        self._enter(record, keys)
        return record

    def created(self, record: Record, name: str) -> None:
        """Write down the id that a batch was given."""
        record.id = name
        self._append({"label": record.label, "id": name})

    def forget(self, record: Record, keys: Iterable[str]) -> None:
        """Write down that a batch brings no more answers; these keys were in it and have none."""
        self._append({"label": record.label, "over": True})
        above = self.parent(record)
        for key in keys:
            if above is None:
                del self.last[key]
            else:
                self.last[key] = above.number

    def tell(self, record: Record) -> None:
        """Write down that the user has been told that a batch ended early."""
        record.told = True
        self._append({"label": record.label, "told": True})

    def parent(self, record: Record) -> Record | None:
        """Return the record whose left-overs a record holds."""
        number = self._numbers.get(record.parent)
        return None if number is None else self.records[number]

    def line_up(self, number: int) -> Iterator[Record]:
        """Yield a record, what it was made from, and so on."""
        record: Record | None = self.records[number]
        while record is not None:
            yield record
            record = self.parent(record)

    def _append(self, line: dict[str, Any]) -> None:
        file = open_to_append(self.path)
        sync_folder(self.path.parent)  # the file may be new, and is to be found after a crash
        try:
            write_whole(file, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            os.fsync(file)
        finally:
            os.close(file)

    def remove(self) -> None:
        """Take the file away: all that was under way has been collected."""
        self.path.unlink(missing_ok=True)


def _read(path: Path, find: Find) -> Iterator[tuple[Record, list[str]]]:
    """Yield the records that count, with their keys."""
    records: dict[str, tuple[Record, list[str]]] = {}
    for row in _rows(path):
        if "keys" in row:
            record = Record(row["label"], row["kind"], row["parent"], row["when"])
            records[record.label] = record, row["keys"]
        elif row["label"] in records:
            record, _ = records[row["label"]]
            for name in ("id", "told", "over"):
                setattr(record, name, row.get(name, getattr(record, name)))
    for record, keys in records.values():
        if not record.over:
            record.id = record.id or find(record)
            if record.id:
                yield record, keys


def _rows(path: Path) -> Iterator[Any]:
    """Yield the lines of the file; one that is torn says nothing."""
    if path.is_file():
        with path.open("rb") as lines:
            for line in lines:
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)
