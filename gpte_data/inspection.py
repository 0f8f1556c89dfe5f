"""What is in a dataset: books, reasons, score distributions, examples; as plain values.

Everything shown is counted here from marks and rows; `tables` only draws it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.corpus import open_corpus
from gpte_data.errors import BadInput, UserError
from gpte_data.ledger import Ledger
from gpte_data.pricing import Price
from gpte_data.records import kept
from gpte_data.stage import Row
from gpte_data.usage import usage

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 16


Pricing = Callable[[str], Price | None]


def _unpriced(spec: str) -> None:
    """Know no price."""


def survey(folder: Path, examples: int = 3, priced: Pricing = _unpriced) -> dict[str, Any]:
    """Return what is in a stage's output, or in each of the outputs that a folder holds.

    `priced` knows what a model costs, by its SPEC.

    Raises:
        BadInput: There is no dataset in the folder.
    """
    if folder.is_file() or (folder / manifest.DONE).is_dir() or io.shard_files(folder):
        return {"folder": str(folder), "datasets": [survey_dataset(folder, examples, priced)]}
    if not folder.is_dir():
        raise BadInput(f"{folder} does not exist: give a stage's output, or a folder of several")
    inner = sorted(path for path in folder.iterdir() if (path / manifest.DONE).is_dir())
    if not inner:
        raise BadInput(f"{folder} holds no dataset: give a stage's output, or a folder of several")
    found = [survey_dataset(path, examples, priced) for path in inner]
    return {"folder": str(folder), "datasets": found}


def survey_dataset(folder: Path, examples: int, priced: Pricing = _unpriced) -> dict[str, Any]:
    """Return what is in one dataset; one without shards yet has 0 rows."""
    marks = manifest.marks(folder) if folder.is_dir() else {}
    whole = marks.get(manifest.ALL)
    ledgers = [whole.ledger] if whole else [mark.ledger for mark in marks.values()]
    last = whole or next(iter(marks.values()), None)
    paths = io.shard_files(folder) if folder.is_dir() else io.shards(folder)
    counted = _Counted()
    for path in paths:
        counted.add(io.read(path))
    ledger = Ledger.total(ledgers)
    ledger.notes.update(counted.notes)
    return {
        "folder": str(folder),
        "stage": last.identity.get("stage") if last else None,
        "options": last.options if last else None,
        "unfinished": (folder / manifest.DONE / manifest.UNFINISHED).exists(),
        "shards": len(paths),
        "bytes": sum(path.stat().st_size for path in paths),
        "rows": counted.rows,
        "ledger": ledger.to_json(),
        "usage": usage(ledger.notes, *_prices((last.options or {}) if last else {}, priced)),
        "seconds": round(whole.seconds if whole else sum(m.seconds for m in marks.values()), 1),
        **counted.to_json(),
        "examples": _examples(paths[:1], examples, (last.options or {}) if last else {}),
    }


def _prices(options: Mapping[str, Any], priced: Pricing) -> tuple[Price | None, Price | None]:
    """Return what the model of a stage costs, and what its second one does, where it has one."""
    first = str(options.get("llm") or options.get("judge") or "")
    return priced(first), priced(str(options.get("confirm") or ""))


class _Counted:
    """Counts over rows; scores are rounded to 3 digits, so memory stays small."""

    def __init__(self) -> None:
        self.rows = 0
        self.reasons: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.sources: dict[str, Counter[str]] = {}
        self.notes: Counter[str] = Counter()
        self.fields: dict[str, Counter[str]] = {
            name: Counter() for name in ("recipe", "generator", "query_type", "language")
        }
        self.scores: dict[str, Counter[float]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.rows += 1
            for name, counter in self.fields.items():
                if name in row:
                    counter[str(row[name])] += 1
            self._scores("positives, teacher", row.get("positive_scores", ()))
            reranker = _reranker(row)
            self._scores(f"positives, {reranker}", row.get("positive_rerank_scores", ()))
            for hit in row.get("candidates", ()):
                self._candidate(hit, reranker)

    def _candidate(self, hit: Mapping[str, Any], reranker: str) -> None:
        verdict = hit.get("verdict", "keep")
        name = "negatives" if verdict == "keep" else "dropped"
        self.verdicts[verdict] += 1
        self.sources.setdefault(str(hit.get("source", "")), Counter())[verdict] += 1
        self.reasons[f"{verdict}: {hit.get('reason', 'no rule was applied')}"] += 1
        for field, model in (("score", "teacher"), ("rerank_score", reranker)):
            if field in hit:
                self._scores(f"{name}, {model}", [hit[field]])

    def _scores(self, name: str, scores: Iterable[float | None]) -> None:
        for score in scores:
            if score is None or not isfinite(score):
                self.notes["scores that are not finite"] += 1
                continue
            self.scores.setdefault(name, Counter())[round(score, 3)] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "fields": {name: dict(c.most_common()) for name, c in self.fields.items() if c},
            "verdicts": dict(self.verdicts),
            "sources": {name: dict(counts) for name, counts in sorted(self.sources.items())},
            "reasons": dict(self.reasons.most_common()),
            "scores": {name: distribution(counts) for name, counts in sorted(self.scores.items())},
        }


def _reranker(row: Row) -> str:
    """Return whose rerank scores a row has, and what they are: `maxsim, cosine`."""
    known = [row[name] for name in ("reranker", "rerank_scale") if name in row]
    return ", ".join(known) or "reranker"


def distribution(counts: Mapping[float, int]) -> dict[str, Any]:
    """Return count, mean, quantiles and a histogram of scores given as score -> how often."""
    total = sum(counts.values())
    ordered = sorted(counts)
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BINS or 1.0
    histogram = [0] * BINS
    for score, count in counts.items():
        histogram[min(BINS - 1, int((score - low) / width))] += count
    return {
        "count": total,
        "mean": round(sum(score * n for score, n in counts.items()) / total, 4),
        "min": low,
        "max": high,
        "quantiles": {str(q): _quantile(ordered, counts, q * total) for q in QUANTILES},
        "histogram": histogram,
    }


def _quantile(ordered: list[float], counts: Mapping[float, int], rank: float) -> float:
    """Return the score that `rank` scores are at or below."""
    passed = 0
    for score in ordered:
        passed += counts[score]
        if passed >= rank:
            return score
    return ordered[-1]


def _examples(paths: Iterable[Path], count: int, options: Mapping[str, Any]) -> list[Row]:
    """Return first rows, with the texts of their documents where the corpus is at hand."""
    rows = [
        row | {"candidates": row["candidates"][:5]} if "candidates" in row else row
        for path in paths
        for row in islice(io.read(path), count)
    ]
    ids = {doc_id for row in rows for doc_id in _ids(row)}
    texts = documents_of(ids, options)
    return [row | {"texts": _known(row, texts)} for row in rows]


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
