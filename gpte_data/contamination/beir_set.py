"""An evaluation set in BEIR's layout: queries.jsonl, corpus.jsonl, qrels/SPLIT.tsv.

Many have the queries of all splits in one file. Those that only qrels/train.tsv names are training
data, of which nothing needs to be taken away.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gpte_data.contamination.part import PASSAGE, QUERY, Part, check_row, checked_text
from gpte_data.errors import BadInput, BadOption
from gpte_data.sources import Columns
from gpte_data.sources.jsonl import records
from gpte_data.sources.table import rows as table_rows

TRAIN = "train"
ZIPPED = ("", ".gz", ".zst")


def matches(folder: Path) -> bool:
    """Tell whether this is a folder in BEIR's layout."""
    return any(_find(folder, name) for name in ("queries.jsonl", "corpus.jsonl"))


def _find(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{ending}" for ending in ZIPPED)
    return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class _Judged:
    """Which ids the judgements name."""

    queries: frozenset[str]
    passages: frozenset[str]


def parts(folder: Path, passages: str, split: str) -> Iterator[Part]:
    """Yield queries and passages."""
    splits = _splits(folder)
    if split and split not in splits:
        there = ", ".join(splits) or "none"
        raise BadOption(f"{folder} has no qrels/{split}.tsv: --split takes one of {there}")
    chosen = [split] if split else [name for name in splits if name != TRAIN] or list(splits)
    judged = _judged(splits[name] for name in chosen)
    train = _judged(splits[name] for name in splits if name not in chosen)
    for part in _texts(_needed(folder, "queries.jsonl", "name files of rows by themselves"), QUERY):
        named = part.eval_id in judged.queries
        if named or (not split and part.eval_id not in train.queries):
            yield part
    if passages == "none":
        return
    corpus = _needed(folder, "corpus.jsonl", "leave passages out with --passages none")
    if passages == "judged" and not splits:
        raise BadInput(f"{folder} has no qrels/, which --passages judged reads: take all, or none")
    for part in _texts(corpus, PASSAGE):
        if passages == "all" or part.eval_id in judged.passages:
            yield part


def _needed(folder: Path, name: str, otherwise: str) -> Path:
    path = _find(folder, name)
    if path is None:
        raise BadInput(f"{folder} has no {name}, which a BEIR folder has: {otherwise}")
    return path


def _texts(path: Path, part: str) -> Iterator[Part]:
    for row in records(path):
        check_row(row, str(path))
        named = Columns().renamed(row)
        eval_id = str(named.get("doc_id", ""))
        title = checked_text(named.get("title"), str(path), eval_id, "title")
        if "text" not in named:
            raise BadInput(f"{path}, row {eval_id!r} has no text: found {', '.join(sorted(row))}")
        text = checked_text(named["text"], str(path), eval_id, "text")
        yield Part(part, eval_id, title if part == PASSAGE else "", text)


def _splits(folder: Path) -> dict[str, Path]:
    """Return the files of judgements by split."""
    files = (path for end in ZIPPED for path in sorted((folder / "qrels").glob(f"*.tsv{end}")))
    return {path.name.partition(".")[0]: path for path in files}


def _judged(files: Iterable[Path]) -> _Judged:
    """Return what files of judgements name."""
    queries: set[str] = set()
    passages: set[str] = set()
    for path in files:
        for row in table_rows(str(path), Columns()):
            check_row(row, str(path))
            if "query-id" not in row or "corpus-id" not in row:
                raise BadInput(
                    f"{path} holds no judgements: expected the columns query-id, corpus-id and "
                    f"score, found {', '.join(sorted(row))}"
                )
            queries.add(row["query-id"])
            passages.add(row["corpus-id"])
    return _Judged(frozenset(queries), frozenset(passages))
