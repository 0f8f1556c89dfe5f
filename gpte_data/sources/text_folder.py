"""A folder of .txt and .md files, at any depth: one document a file, its id the path inside."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gpte_data.sources import BROKEN, Columns
from gpte_data.stage import Row

ENDINGS = (".txt", ".md")
_HEADING = re.compile(r"\A\s*#[ \t]+(\S.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)


def matches(source: str) -> bool:
    """Tell whether this is a text file, or a folder with text files in it."""
    path = Path(source)
    return bool(files_read(source)) if path.is_dir() else path.suffix.lower() in ENDINGS


def files_read(source: str) -> list[Path]:
    """Return the text files below a folder, in order; hidden ones are left out."""
    folder = Path(source)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield each file as a document; a Markdown file's first heading is its title."""
    path = Path(source)
    if path.is_file():
        named = [(path, path.name)]
    else:
        named = [(file, file.relative_to(path).as_posix()) for file in files_read(source)]
    for file, name in named:
        row = _document(file, name)
        yield row if BROKEN in row else columns.renamed(row)


def _document(path: Path, name: str) -> Row:
    doc_id = os.fsencode(name).decode(errors="replace")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raw = content[:500].decode(errors="replace")
        return {BROKEN: "the file is not UTF-8", "doc_id": doc_id, "raw": raw}
    heading = _HEADING.match(text) if path.suffix.lower() == ".md" else None
    if heading is None:
        return {"doc_id": doc_id, "text": text}
    return {"doc_id": doc_id, "title": heading[1], "text": text[heading.end() :]}
