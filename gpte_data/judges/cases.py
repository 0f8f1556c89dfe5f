"""Rows as cases: which candidates are judged, and what is shown of them and of the positives."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from gpte_data.candidates import Candidates
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.judges.options import JudgeConfig
from gpte_data.judges.panel import Case
from gpte_data.judges.shown import numbered, one_line
from gpte_data.records import kept
from gpte_data.stage import Row

BLOCK = 256
"""Queries whose texts are looked up together."""


def cases_of(rows: Iterable[Row], cfg: JudgeConfig, corpus: Corpus) -> Iterator[Case]:
    """Yield a case for each row, in order."""
    source, name = iter(rows), cfg.judged_by()
    while block := list(islice(source, BLOCK)):
        for row in block:
            check_row(row, cfg, corpus)
        hits = [_to_be_judged(row, cfg, name) for row in block]
        wanted = [
            [*row["positives"][: cfg.max_positives], *(hit["doc_id"] for hit in some)]
            for row, some in zip(block, hits, strict=True)
        ]
        texts = corpus.texts(doc_id for ids in wanted for doc_id in ids)
        for row, ids in zip(block, wanted, strict=True):
            lines = {doc_id: one_line(texts[doc_id], cfg.max_words) for doc_id in ids}
            yield _case(row, lines, cfg, name)


def _case(row: Row, lines: dict[str, str], cfg: JudgeConfig, name: str) -> Case:
    """Return a row as a case, with the grades that it has by the same judges."""
    shown = row["positives"][: cfg.max_positives]
    ids = [doc_id for doc_id in lines if doc_id not in shown]
    case = Case(row, ids, lines, numbered(lines[doc_id] for doc_id in shown))
    for hit in _known(row, name):
        case.judged[hit["doc_id"]] = hit["judged"]
        if "confirmed" in hit:
            case.confirmed[hit["doc_id"]] = hit["confirmed"]
    return case


def _known(row: Row, name: str) -> list[dict[str, Any]]:
    """Return the candidates at hand that the same judges have graded."""
    return [hit for hit in kept(row) if "judged" in hit] if row.get("judged_by") == name else []


def _to_be_judged(row: Row, cfg: JudgeConfig, name: str) -> list[dict[str, Any]]:
    """Return the candidates that a row's question is about, first choice first."""
    known = {hit["doc_id"] for hit in _known(row, name)}
    return [hit for hit in kept(row)[: cfg.depth] if hit["doc_id"] not in known]


def check_row(row: Row, cfg: JudgeConfig, corpus: Corpus) -> None:
    """Raise BadInput for a row that no miner wrote, or of another corpus."""
    _check_shape(row)
    shown = [hit["doc_id"] for hit in kept(row)[: cfg.depth]]
    for doc_id in [*row["positives"], *shown]:
        if doc_id not in corpus.position:
            raise BadInput(
                f"row {row['query_id']!r} names {doc_id!r}, which is not in {corpus}: "
                "give the corpus that was mined"
            )


def _check_shape(row: Row) -> None:
    """Raise BadInput for a row that no miner wrote."""
    name, candidates = row.get("query_id"), row.get("candidates")
    if not isinstance(candidates, list | Candidates) or not row.get("positives"):
        raise BadInput(
            f"row {name!r} has no positives or no candidates: judge-negatives reads the output of "
            "mine-negatives or filter-negatives"
        )
    if not isinstance(row["query"], str) or not row["query"].strip():
        raise BadInput(f"row {name!r} must have a query in words, found {row['query']!r}")
    if not _are_ids(row["positives"]):
        raise BadInput(
            f"row {name!r} must have positives that are doc_ids, found {row['positives']!r}"
        )
    if not all(isinstance(hit, dict) and isinstance(hit.get("doc_id"), str) for hit in candidates):
        raise BadInput(
            f"row {name!r} has a candidate without doc_id: judge-negatives reads the output of "
            "mine-negatives or filter-negatives"
        )
    if odd := [one for hit in candidates if not isinstance(one := hit.get("choice") or 0, int)]:
        raise BadInput(f"row {name!r} must have a whole number as choice, found {odd[0]!r}")


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
