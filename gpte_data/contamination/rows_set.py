"""An evaluation set as rows with texts in them: JSONL, Parquet, CSV, or a folder of such files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gpte_data.contamination.part import PASSAGE, QUERY, Part, check_row, checked_text
from gpte_data.errors import BadInput
from gpte_data.sources import DOC_ID, TEXT, AsFound, read_source
from gpte_data.stage import Row

QUERIES = ("query", "question", "anchor", "queries")
PASSAGES = (*TEXT, "positive", "sentence", "sentence1", "sentence2", "sentences")
"""Fields that hold texts, by themselves or in lists."""


def parts(source: str, fields: Sequence[str]) -> Iterator[Part]:
    """Yield the texts of all rows; raise BadInput where none has a field that holds one."""
    found = False
    names: set[str] = set()
    for number, row in enumerate(read_source(source, AsFound()), 1):
        check_row(row, source)
        names.update(row)
        for part in texts_of(row, fields, source, str(number)):
            found = True
            yield part
    if names and not found:
        wanted = ", ".join(fields) or "query, question, text, passage, sentence1, …"
        raise BadInput(
            f"{source} has no evaluation texts: expected {wanted}; found "
            f"{', '.join(sorted(names)[:20])}: name the fields with --text-field"
        )


def texts_of(row: Row, fields: Sequence[str], source: str, number: str) -> Iterator[Part]:
    """Yield the texts of one row."""
    for field in fields or (*QUERIES, *PASSAGES):
        if field not in row:
            continue
        part = QUERY if field in QUERIES or _are_queries(source, field) else PASSAGE
        eval_id = _id(row, part, number)
        title = row.get("title") if part == PASSAGE and field in TEXT else ""
        values = row[field] if isinstance(row[field], list) else [row[field]]
        for value in values:
            text = checked_text(value, source, eval_id, field)
            yield Part(part, eval_id, checked_text(title, source, eval_id, "title"), text)


def _are_queries(source: str, field: str) -> bool:
    """Tell whether the texts of a file are queries: BEIR's queries.jsonl, by itself."""
    return field == "text" and Path(source).name.startswith("queries")


def _id(row: Row, part: str, number: str) -> str:
    """Return a row's own id, its number where it has none."""
    names = ("query_id", "qid", *DOC_ID) if part == QUERY else DOC_ID
    return next((str(row[name]) for name in names if row.get(name) is not None), number)
