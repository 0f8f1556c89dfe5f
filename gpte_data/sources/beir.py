"""A BEIR folder: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv (each also .gz or .zst)."""

from collections.abc import Iterator, Mapping
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
    without `query`. Grades come as `positive_grades` where one of them is not 1. A document judged
    0 or less is no positive: it comes among `negatives`.
    """
    queries, qrels = pair_files(source, split)
    judged = _judged(qrels)
    for row in records(queries):
        if BROKEN in row:
            yield row
            continue
        named = Columns(doc_id="", text="").renamed(row)
        query_id = str(named.get("doc_id", ""))
        yield {
            "query_id": query_id,
            "query": named.get("text", ""),
            **_sides(judged.pop(query_id, {})),
        }
    for query_id, grades in judged.items():
        yield {"query_id": query_id, **_sides(grades)}


def _sides(grades: Mapping[str, int]) -> Row:
    """Return positives, with their grades where they say something, and negatives."""
    positives = {doc_id: grade for doc_id, grade in grades.items() if grade > 0}
    found: Row = {"positives": list(positives)}
    if any(grade != 1 for grade in positives.values()):
        found["positive_grades"] = list(positives.values())
    if len(positives) < len(grades):
        found["negatives"] = [doc_id for doc_id in grades if doc_id not in positives]
    return found


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


def _judged(path: Path) -> dict[str, dict[str, int]]:
    """Return query_id -> doc_id -> grade, in the order of the file; of two grades the higher."""
    judged: dict[str, dict[str, int]] = {}
    for number, row in enumerate(table_rows(str(path), Columns()), 2):
        try:
            query_id, doc_id, score = row["query-id"], row["corpus-id"], float(row["score"])
            if not score.is_integer():
                raise ValueError(score)
        except (KeyError, ValueError):
            raise BadInput(
                f"{path}, line {number} is no judgement: "
                "expected query-id, corpus-id and a whole number as score, separated by tabs"
            ) from None
        grades = judged.setdefault(query_id, {})
        grades[doc_id] = max(int(score), grades.get(doc_id, int(score)))
    return judged
