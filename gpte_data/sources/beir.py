"""A BEIR folder: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv (each also .gz or .zst)."""

from collections.abc import Iterator
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.sources import BROKEN, Columns
from gpte_data.sources.jsonl import records
from gpte_data.sources.table import rows as table_rows
from gpte_data.stage import Row


def matches(source: str) -> bool:
    """Tell whether this is a folder in BEIR's layout."""
    return _find(Path(source), "corpus.jsonl") is not None


def _find(folder: Path, name: str) -> Path | None:
    """Return the file of that name, compressed or not."""
    paths = (folder / f"{name}{ending}" for ending in ("", ".gz", ".zst"))
    return next((path for path in paths if path.is_file()), None)


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the corpus."""
    path = _find(Path(source), "corpus.jsonl")
    assert path is not None
    for row in records(path):
        yield row if BROKEN in row else columns.renamed(row)


def pairs(source: str, split: str) -> Iterator[Row]:
    """Yield each query with the documents judged relevant to it in a split.

    A query without any has empty positives; judgements of a query that is not there come as rows
    without `query`. A judgement of 0 is no positive.
    """
    queries, qrels = pair_files(source, split)
    relevant = _relevant(qrels)
    for row in records(queries):
        if BROKEN in row:
            yield row
            continue
        named = Columns(doc_id="", text="").renamed(row)
        query_id = str(named.get("doc_id", ""))
        yield {
            "query_id": query_id,
            "query": named.get("text", ""),
            "positives": relevant.pop(query_id, []),
        }
    for query_id, positives in relevant.items():
        yield {"query_id": query_id, "positives": positives}


def pair_files(source: str, split: str) -> tuple[Path, Path]:
    """Return the files of the queries and of a split's judgements; raise BadInput if one lacks."""
    folder = Path(source)
    if not matches(source):
        what = "stdin" if source == "-" else source
        raise BadInput(f"{what} has no corpus.jsonl: --pairs needs a folder in BEIR's layout")
    queries = _find(folder, "queries.jsonl")
    if queries is None:
        raise BadInput(f"{source} has no queries.jsonl: --pairs needs a folder in BEIR's layout")
    path = _find(folder / "qrels", f"{split}.tsv")
    if path is None:
        there = sorted(p.name.split(".")[0] for p in (folder / "qrels").glob("*.tsv*"))
        raise BadInput(
            f"{folder} has no qrels/{split}.tsv: --split takes one of {', '.join(there) or 'none'}"
        )
    return queries, path


def _relevant(path: Path) -> dict[str, list[str]]:
    """Return query_id -> relevant doc_ids of a split, in the order of the file."""
    relevant: dict[str, list[str]] = {}
    for number, row in enumerate(table_rows(str(path), Columns()), 2):
        try:
            query_id, doc_id, score = row["query-id"], row["corpus-id"], float(row["score"])
        except (KeyError, ValueError):
            raise BadInput(
                f"{path}, line {number} is no judgement: "
                "expected query-id, corpus-id and a number as score, separated by tabs"
            ) from None
        if score > 0:
            relevant.setdefault(query_id, []).append(doc_id)
    return relevant
