"""Where documents come from: one file for each kind of source, tried in order.

Each module has two functions: `matches(source)` says whether it reads that, `rows(source, columns)`
yields its records as dicts with `doc_id`, `title` and `text` where it finds them. What can't be
read is yielded too, as a row with BROKEN set to the reason, so that it is counted and kept.
A new kind of source is a new file and a name in SOURCES.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gpte_data.errors import BadInput
from gpte_data.files import sha256_file, sha256_folder
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
    rows: Iterator[Row] = _module(source).rows(source, columns)
    return rows


def source_identity(source: str) -> str:
    """Return what of a source enters a fingerprint: the content of its files."""
    if source.startswith("hf:"):
        from gpte_data.sources.hub import revision

        return revision(source)
    path = Path(source)
    if not path.exists():
        raise BadInput(f"{source} does not exist: give a file or folder of documents, or hf:NAME")
    return sha256_folder(path) if path.is_dir() else sha256_file(path)
