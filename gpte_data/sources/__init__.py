"""Where documents come from: one file for each kind of source, tried in order.

Each module has two functions: `matches(source)` says whether it reads that, `rows(source, columns)`
yields its records as dicts with `doc_id`, `title` and `text` where it finds them. What can't be
read is yielded too, as a row with BROKEN set to the reason, so that it is counted and kept.
One that reads folders of files also has `files_read(source)`: data it would pass over is told.
A new kind of source is a new file and a name in SOURCES.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gpte_data.errors import BadInput
from gpte_data.files import sha256_file, sha256_folder, visible_files
from gpte_data.stage import Row

SOURCES = ("hub", "beir", "table", "jsonl", "text_folder")
"""Text files come last: a folder of data mostly has a README.md or LICENSE.txt beside it."""
BROKEN = "_broken"

DOC_ID = ("doc_id", "_id", "id", "docid", "document_id")
TITLE = ("title",)
TEXT = ("text", "contents", "content", "body", "passage", "document", "document_text")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; an empty name means: one of those usual in the field."""

    doc_id: str = ""
    title: str = ""
    text: str = ""

    def renamed(self, row: Mapping[str, object]) -> Row:
        """Return the record with its columns under our names, the others as they are.

        A column that was not chosen gives way where it has one of our names.
        """
        names = {
            "doc_id": _pick(row, self.doc_id, DOC_ID),
            "title": _pick(row, self.title, TITLE),
            "text": _pick(row, self.text, TEXT),
        }
        taken = {name for name in names.values() if name} | names.keys()
        found = {ours: row[theirs] for ours, theirs in names.items() if theirs}
        return found | {name: value for name, value in row.items() if name not in taken}


class AsFound(Columns):
    """Leaves the columns' names as they are in the source."""

    def renamed(self, row: Mapping[str, object]) -> Row:
        """Return the record as it is."""
        return dict(row)


def _pick(row: Mapping[str, object], named: str, usual: tuple[str, ...]) -> str | None:
    """Return the column to take, or None; usual names are found in capitals too."""
    if named:
        return named if named in row else None
    for name in usual:
        if name in row:
            return name
    lower = {str(name).strip().lower(): name for name in row}
    return next((lower[name] for name in usual if name in lower), None)


def files(source: str, endings: tuple[str, ...]) -> list[Path]:
    """Return the source if it is a file with one of the endings, or such files in a folder."""
    path = Path(source)
    if not path.is_dir():
        return [path] if source.lower().endswith(endings) else []
    return sorted(
        file
        for file in path.iterdir()
        if file.name.lower().endswith(endings)
        and not file.name.startswith((".", "_"))
        and file.is_file()
    )


def _module(source: str) -> ModuleType:
    """Return the module that reads the source."""
    if not source.startswith("hf:") and not Path(source).exists():
        raise BadInput(f"{source} does not exist: give a file or folder of documents, or hf:NAME")
    for name in SOURCES:
        module = import_module(f"gpte_data.sources.{name}")
        if module.matches(source):
            return module
    raise BadInput(
        f"{source} is of no kind that can be read: expected a BEIR folder, .jsonl (.gz, .zst), "
        ".parquet, .csv, .tsv, a folder of .parquet, .jsonl, .txt or .md files, or hf:NAME"
    )


def read_source(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the records of a source, broken ones included; raise BadInput if it can't be opened."""
    module = _module(source)
    if hasattr(module, "files_read") and Path(source).is_dir():
        _check_nothing_is_passed_over(Path(source), set(module.files_read(source)))
    rows: Iterator[Row] = module.rows(source, columns)
    return rows


def _check_nothing_is_passed_over(folder: Path, read: set[Path]) -> None:
    """Raise BadInput if data lie below a folder that its reader leaves out (`_` names are none)."""
    from gpte_data.sources import jsonl, table

    left = [
        inner.as_posix()
        for inner in (path.relative_to(folder) for path in visible_files(folder))
        if inner.name.lower().endswith(table.ENDINGS + jsonl.ENDINGS)
        and not inner.name.lower().endswith(".json")  # as often settings as data
        and folder / inner not in read
        and not any(part.startswith("_") for part in inner.parts)
    ]
    if left:
        some = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        raise BadInput(
            f"{folder} holds data that would not be read beside what would ({some}): "
            "name the file or the inner folder to read"
        )


def source_identity(source: str) -> str:
    """Return what of a source enters a fingerprint: names and contents of its files.

    A file's name counts too: it decides how the file is read, and the id of a text file.
    """
    if source.startswith("hf:"):
        from gpte_data.sources.hub import revision

        return revision(source)
    path = Path(source)
    if not path.exists():
        raise BadInput(f"{source} does not exist: give a file or folder of documents, or hf:NAME")
    if path.is_dir():
        return sha256_folder(path)
    return hashlib.sha256(os.fsencode(path.name) + f"\0{sha256_file(path)}".encode()).hexdigest()
