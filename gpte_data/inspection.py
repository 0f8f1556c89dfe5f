"""What is in a dataset: books, reasons, score distributions, examples; as plain values.

Everything shown is counted here from marks and rows; `tables` only draws it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.corpus import open_corpus
from gpte_data.errors import BadInput, UserError
from gpte_data.ledger import Ledger
from gpte_data.measures.asked import Asked, about_queries
from gpte_data.measures.chain import ordered
from gpte_data.measures.columns import blocks
from gpte_data.measures.counted import Counted
from gpte_data.measures.distributions import distribution
from gpte_data.own_files import data_files
from gpte_data.pricing import Price
from gpte_data.records import kept
from gpte_data.stage import Row
from gpte_data.usage import usage

__all__ = ["Asked", "distribution", "documents_of", "survey", "survey_dataset"]

SPREAD = 8192
"""Rows of the first shard that examples are taken from, at even distances."""
KEPT, DROPPED = 5, 4
"""Candidates that an example shows."""

Pricing = Callable[[str], Price | None]


def _unpriced(spec: str) -> None:
    """Know no price."""


def survey(
    folder: Path, examples: int = 3, priced: Pricing = _unpriced, asked: Asked | None = None
) -> dict[str, Any]:
    """Return what is in a stage's output, or in each of the outputs that a folder holds.

    Outputs stand in the order in which they were made from each other.

    Args:
        folder: A dataset, or a folder of several.
        examples: How many rows of each.
        priced: What knows what a model costs, by its SPEC.
        asked: What to find out about the queries, of the last dataset that has some.

    Raises:
        BadInput: There is no dataset in the folder.
    """
    found: list[dict[str, Any]] = []
    for path, inputs in ordered(datasets(folder)):
        corpora = [one for one in found if "text" in one["lengths"] and _named(one) in inputs]
        known = [Path(one["folder"]) for one in corpora]
        found.append(survey_dataset(path, examples, priced, known) | {"inputs": inputs})
    # An emitted shard has a query once for each positive: a dataset of pairs tells more.
    asking = [one for one in found if "query" in one["lengths"] and one["stage"] != "emit"]
    asking = asking or [one for one in found if one["queries"]]
    queries: dict[str, Any] = {}
    if asked is not None and asking and (asked.nearest or asked.real is not None):
        last = Path(asking[-1]["folder"])
        paths = data_files(last)[0] if last.is_dir() else [last]
        queries = {"folder": str(last), **about_queries(paths, asked)}
    elif asked is not None and asked.real is not None:
        raise BadInput(f"{folder} holds no queries to compare with --real-queries {asked.real}")
    return {"folder": str(folder), "datasets": found, "queries": queries}


def datasets(folder: Path) -> list[Path]:
    """Return the dataset that this is, or those that the folder holds; raise BadInput if none."""
    if folder.is_file() or (folder / manifest.DONE).is_dir() or io.shard_files(folder):
        return [folder]
    if not folder.is_dir():
        raise BadInput(f"{folder} does not exist: give a stage's output, or a folder of several")
    inner = sorted(path for path in folder.iterdir() if (path / manifest.DONE).is_dir())
    if not inner:
        raise BadInput(f"{folder} holds no dataset: give a stage's output, or a folder of several")
    return inner


def _named(dataset: Mapping[str, Any]) -> str:
    return Path(dataset["folder"]).name


def survey_dataset(
    folder: Path, examples: int, priced: Pricing = _unpriced, corpora: Sequence[Path] = ()
) -> dict[str, Any]:
    """Return what is in one dataset; one without shards yet has 0 rows.

    Args:
        folder: The dataset, a folder or a file.
        examples: How many rows to show.
        priced: What knows what a model costs.
        corpora: Where texts of documents may be, if not where the stage's options say.
    """
    marks = manifest.marks(folder) if folder.is_dir() else {}
    whole = marks.get(manifest.ALL)
    ledgers = [whole.ledger] if whole else [mark.ledger for mark in marks.values()]
    last = whole or next(iter(marks.values()), None)
    paths, others = data_files(folder) if folder.is_dir() else (io.shards(folder), 0)
    counted = Counted()
    for path in paths:
        for block in blocks(path):
            counted.add(block)
    ledger = Ledger.total(ledgers)
    ledger.notes.update(counted.notes)
    return {
        "folder": str(folder),
        "stage": last.identity.get("stage") if last else None,
        "options": last.options if last else None,
        "unfinished": (folder / manifest.DONE / manifest.UNFINISHED).exists(),
        "shards": len(paths),
        "bytes": sum(path.stat().st_size for path in paths),
        "rows": counted.rows + others,
        "ledger": ledger.to_json(),
        "usage": usage(ledger.notes, *_prices((last.options or {}) if last else {}, priced)),
        "seconds": round(whole.seconds if whole else sum(m.seconds for m in marks.values()), 1),
        **counted.to_json(),
        "examples": _examples(paths[:1], examples, (last.options or {}) if last else {}, corpora),
    }


def _prices(options: Mapping[str, Any], priced: Pricing) -> tuple[Price | None, Price | None]:
    """Return what the model of a stage costs, and what its second one does, where it has one."""
    first = str(options.get("llm") or options.get("judge") or "")
    return priced(first), priced(str(options.get("confirm") or ""))


def _examples(
    paths: Sequence[Path], count: int, options: Mapping[str, Any], corpora: Sequence[Path]
) -> list[Row]:
    """Return some rows, with the texts of their documents where the corpus is at hand."""
    if not paths or not count:
        return []
    there = min(SPREAD, io.count(paths[0]))
    places = {n * there // count for n in range(min(count, there))} if there else set()
    if count > there:
        places = set(range(there))
    read = islice(io.read(paths[0]), max(places, default=-1) + 1)
    rows = [_shown(row) for n, row in enumerate(read) if n in places]
    ids = {doc_id for row in rows for doc_id in _ids(row)}
    texts = documents_of(ids, options) or documents_of(ids, {"corpus": corpora})
    return [row | {"texts": _known(row, texts)} for row in rows]


def _shown(row: Row) -> Row:
    """Return a row with the candidates that would be taken first, and some of those dropped."""
    if "candidates" not in row:
        return row
    hits = list(row["candidates"])
    dropped = [hit for hit in hits if hit.get("verdict") == "drop"][:DROPPED]
    shown = [*dropped, *kept({"candidates": hits})[:KEPT]]
    return row | {"candidates": sorted(shown, key=lambda hit: hit.get("rank") or 0)}


def _known(row: Row, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a row's documents that are at hand: in the corpus, or just written."""
    written = {passage["doc_id"]: passage["text"] for passage in row.get("written", ())}
    known = {**written, **texts}
    return {doc_id: known[doc_id] for doc_id in _ids(row) if doc_id in known}


def _ids(row: Row) -> list[str]:
    candidates = row.get("candidates", kept(row))
    return [*row.get("positives", ()), *(hit["doc_id"] for hit in candidates)]


def documents_of(ids: Iterable[str], options: Mapping[str, Any]) -> dict[str, str]:
    """Return texts from the corpus that the stage was given, none if it is gone."""
    if not ids:
        return {}
    folders = tuple(Path(folder) for folder in options.get("corpus", ()))
    try:
        corpus = open_corpus(folders)
        return corpus.texts(doc_id for doc_id in ids if doc_id in corpus.position)
    except UserError:
        return {}
