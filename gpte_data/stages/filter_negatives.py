"""A reranker's second look at the negatives: what it finds as good as the positive is dropped.

The verdict is the reranker's own: a candidate is dropped when its rerank score is above
`(1 - margin)` of the positive's rerank score (denoised negatives, RocketQA 2010.08191 §4.2, with a
relative margin instead of a fixed threshold, so that rerankers with other scales can be used). With
several positives the lowest counts. Candidates beyond `depth` are left without a score and dropped
for that reason, so no unchecked one reaches training.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gpte_data.backends import (
    RERANKERS,
    Options,
    Reranker,
    check,
    open_reranker,
    reranker_identity,
)  # fmt: skip
from gpte_data.candidates import Candidates
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import Corpus, corpus_identity, open_corpus
from gpte_data.errors import BadInput
from gpte_data.records import kept
from gpte_data.stage import Context, Event, Hooks, Row, stage

QUERIES = 1024
"""Queries scored together: a document is read once for all of them."""
REASON = {
    "keep": "below the reranker's margin",
    "drop": "reranker finds it as good as the positive",
}


class FilterConfig(StageConfig):
    """What looks again, at how many, and how strictly."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus that the candidates come from; may be given more than once."
    )
    reranker: Annotated[str, Identity(reranker_identity)] = Field(
        "maxsim", description="maxsim[:MODEL], st:MODEL (CrossEncoder), openai:MODEL, vllm:MODEL."
    )
    margin: float | None = Field(
        None, ge=0, lt=1, description="Drop above (1 - this) of the positive; the reranker's own."
    )
    depth: int = Field(30, ge=1, description="Candidates scored for each query, best ranks first.")
    num_negatives: Annotated[int, Runtime()] = Field(
        5, ge=1, description="Negatives wanted for a query; those with fewer are counted."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")

    def options(self) -> Options:
        """Return how the reranker is reached."""
        return Options(base_urls=self.base_url, concurrency=self.concurrency)


def _prepare(cfg: FilterConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether reranker, corpus and every document are there."""
    check(cfg.reranker, RERANKERS, "reranker", cfg.options())
    corpus = open_corpus(cfg.corpus)
    for row in read():
        _check_row(row, corpus)


def _check_row(row: Row, corpus: Corpus) -> None:
    """Raise BadInput for a row that no miner wrote, or of another corpus."""
    if not row.get("positives") or not isinstance(row.get("candidates"), list | Candidates):
        raise BadInput(
            f"row {row.get('query_id')!r} has no positives or no candidates: "
            "filter-negatives reads the output of mine-negatives"
        )
    for doc_id in [*row["positives"], *(hit["doc_id"] for hit in row["candidates"])]:
        if doc_id not in corpus.position:
            raise BadInput(
                f"row {row['query_id']!r} names {doc_id!r}, which is not in {corpus}: "
                "give the corpus that was mined"
            )


@stage(
    FilterConfig,
    reads={"query_id", "query", "positives", "candidates"},
    adds={"candidates", "positive_rerank_scores"},
    version=1,
    hooks=Hooks(prepare=_prepare),
)
def filter_negatives(rows: Iterable[Row], cfg: FilterConfig, ctx: Context) -> Iterator[Event]:
    """Give each kept candidate a rerank score and a verdict by it."""
    corpus = open_corpus(cfg.corpus)
    reranker = open_reranker(cfg.reranker, cfg.options())
    source = iter(rows)
    while block := list(islice(source, QUERIES)):
        for row in block:
            _check_row(row, corpus)
        for row in _judged(block, corpus, reranker, cfg, ctx):
            if len(kept(row)) < cfg.num_negatives:
                ctx.ledger.notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
            yield row


def _judged(
    rows: list[Row], corpus: Corpus, reranker: Reranker, cfg: FilterConfig, ctx: Context
) -> Iterator[Row]:
    """Score all pairs of the rows together, then judge row by row."""
    wanted = [[*row["positives"], *(h["doc_id"] for h in kept(row)[: cfg.depth])] for row in rows]
    texts = corpus.texts(doc_id for ids in wanted for doc_id in ids)
    pairs = [
        (row["query"], texts[doc_id])
        for row, ids in zip(rows, wanted, strict=True)
        for doc_id in ids
    ]
    done = 0

    def tell(scored: int) -> None:
        nonlocal done
        before, done = done, done + scored
        ctx.tell(done * len(rows) // len(pairs) - before * len(rows) // len(pairs), 0)

    scores = iter(reranker.score(pairs, tell).tolist())
    margin = reranker.margin if cfg.margin is None else cfg.margin
    for row, ids in zip(rows, wanted, strict=True):
        by_id = dict(zip(ids, islice(scores, len(ids)), strict=True))
        yield _row(row, by_id, margin)


def _row(row: Row, scores: dict[str, float], margin: float) -> Row:
    """Return the row with what the reranker says of each candidate."""
    positive_scores = [scores[doc_id] for doc_id in row["positives"]]
    lowest = min(positive_scores)
    ceiling = lowest - abs(lowest) * margin
    return row | {
        "positive_rerank_scores": positive_scores,
        "candidates": [_candidate(hit, scores, ceiling) for hit in row["candidates"]],
    }


def _candidate(hit: Row, scores: dict[str, float], ceiling: float) -> Row:
    """Return the candidate with its rerank score and the verdict by it; one dropped stays so."""
    if hit.get("verdict") == "drop":
        return hit
    score, unchosen = scores.get(hit["doc_id"]), {k: v for k, v in hit.items() if k != "choice"}
    if score is None:
        return unchosen | {"verdict": "drop", "reason": "beyond the reranked depth"}
    verdict = "keep" if score <= ceiling else "drop"
    judged = {"rerank_score": score, "verdict": verdict, "reason": REASON[verdict]}
    return (hit if verdict == "keep" else unchosen) | judged
