"""Hard negatives: rank the corpus for each query, keep the best k with scores, judge each.

The rule is NV-Retriever's TopK-PercPos (2407.15831 §4): a candidate that scores above
`(1 - relative_margin)` of the positive is likely an unlabelled positive and is dropped. Nothing is
deleted: every candidate stays in the row with its score, rank, verdict and reason. With several
positives the lowest score counts.

Negatives that a recipe wrote for the query are candidates too, wherever they rank; their texts are
in a corpus that `passages` made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import (
    EMBEDDERS,
    Embedder,
    Options,
    check,
    embedder_identity,
    label,
    open_embedder,
)  # fmt: skip
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import Corpus, corpus_identity, open_corpus
from gpte_data.errors import BadInput
from gpte_data.records import kept
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage
from gpte_data.vectors import VectorSpec

if TYPE_CHECKING:
    from gpte_data.mining import Miner

QUERIES = 512
"""Queries searched together."""


class MineConfig(StageConfig):
    """What to search, with what, and what counts as a negative."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus to take negatives from; may be given more than once."
    )
    teacher: Annotated[str, Identity(embedder_identity)] = Field(
        "st:all-MiniLM-L6-v2", description="st:MODEL, openai:MODEL (any server) or vllm:MODEL."
    )
    top_k: int = Field(100, ge=1, description="Candidates kept for each query.")
    num_negatives: Annotated[int, Runtime()] = Field(
        5, ge=1, description="Negatives wanted for a query; those with fewer are counted."
    )
    relative_margin: float = Field(
        0.05, ge=0, lt=1, description="Drop candidates above (1 - this) of the positive's score."
    )
    query_prompt: str = Field("", description="Put before each query when it is embedded.")
    doc_prompt: str = Field("", description="Put before each document when it is embedded.")
    missing_positives: Literal["error", "drop"] = Field(
        "error", description="What to do with a positive that is not in the corpus."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")

    def vectors(self) -> VectorSpec:
        """Return what decides the corpus' vectors."""
        return VectorSpec(self.teacher, embedder_identity(self.teacher), self.doc_prompt)

    def open_teacher(self) -> Embedder:
        """Return the teacher, opened once."""
        return open_embedder(self.teacher, self.options())

    def options(self) -> Options:
        """Return how the teacher is reached."""
        return Options(base_urls=self.base_url, concurrency=self.concurrency)


def _prepare(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Check the documents that all rows name, then make what vectors are missing."""
    from gpte_data.embedding import ensure_vectors

    corpus = open_corpus(cfg.corpus)
    for row in read():
        _known_positives(row, corpus, cfg)
        _check_written(row, corpus)
    check(cfg.teacher, EMBEDDERS, "teacher", cfg.options())
    return ensure_vectors(corpus, cfg.vectors(), cfg.open_teacher).notes


@stage(
    MineConfig,
    reads={"query_id", "query", "positives"},
    adds={"candidates", "positive_scores"},
    version=1,
    hooks=Hooks(prepare=_prepare),
)
def mine_negatives(rows: Iterable[Row], cfg: MineConfig, ctx: Context) -> Iterator[Event]:
    """Give each pair its scored candidates."""
    corpus = open_corpus(cfg.corpus)
    miner = _miner(corpus, cfg)
    source = iter(rows)
    while block := list(islice(source, QUERIES)):
        good = []
        for row in block:
            known = _known_positives(row, corpus, cfg)
            if lost := len(set(row["positives"])) - len(known):
                ctx.ledger.notes["positives not in the corpus, left out"] += lost
            _check_written(row, corpus)
            row = {k: v for k, v in row.items() if k != "written"} | {"positives": known}
            problem = _problem(row)
            if problem:
                yield Rejected(row, problem)
            else:
                good.append(row)
        for row in miner.mine(good, ctx):
            if len(kept(row)) < cfg.num_negatives:
                ctx.ledger.notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
            yield row
        ctx.tell(len(block), 0)


def _miner(corpus: Corpus, cfg: MineConfig) -> "Miner":
    """Return the miner over the corpus' vectors, made now if `prepare` did not run."""
    from gpte_data.embedding import ensure_vectors, load_vectors
    from gpte_data.mining import Miner

    ensure_vectors(corpus, cfg.vectors(), cfg.open_teacher)
    return Miner(
        corpus=corpus,
        arrays=load_vectors(corpus, cfg.vectors()),
        embedder=cfg.open_teacher(),
        query_prompt=cfg.query_prompt,
        source=label(cfg.teacher),
        top_k=cfg.top_k,
        relative_margin=cfg.relative_margin,
    )


def _known_positives(row: Row, corpus: Corpus, cfg: MineConfig) -> list[str]:
    """Return the positives that are in the corpus; raise BadInput for others, if they matter."""
    positives: Any = row.get("positives", [])
    if not isinstance(positives, list):
        raise BadInput(
            f"pair {row.get('query_id')!r} must hold a list of doc_ids as positives, "
            f"found {positives!r}"
        )
    for doc_id in positives:
        if doc_id not in corpus.position and cfg.missing_positives == "error":
            remedy = f"give {_corpus_of(row, doc_id)}, or --missing-positives drop"
            raise BadInput(
                f"pair {row['query_id']!r} has the positive {doc_id!r}, which is not in {corpus}: "
                f"{remedy}"
            )
    return [doc_id for doc_id in dict.fromkeys(positives) if doc_id in corpus.position]


def _check_written(row: Row, corpus: Corpus) -> None:
    """Raise BadInput unless all negatives that were written for a pair are in the corpus."""
    negatives: Any = row.get("negatives", [])
    if not isinstance(negatives, list):
        raise BadInput(
            f"pair {row.get('query_id')!r} must hold a list of doc_ids as negatives, "
            f"found {negatives!r}"
        )
    for doc_id in negatives:
        if doc_id not in corpus.position:
            raise BadInput(
                f"pair {row['query_id']!r} has the negative {doc_id!r}, which is not in {corpus}: "
                f"give {_corpus_of(row, doc_id)}"
            )


def _corpus_of(row: Row, doc_id: str) -> str:
    """Return in words the corpus that a missing document belongs to."""
    if any(passage["doc_id"] == doc_id for passage in row.get("written", ())):
        return "the corpus that gpte-data passages makes of these pairs as one more --corpus"
    return "the corpus it belongs to; of passages that a recipe wrote, gpte-data passages makes one"


def _problem(row: Row) -> str | None:
    """Return why a pair can't be mined for, or None."""
    if not isinstance(row["query"], str) or not row["query"].strip():
        return "empty query"
    return None if row["positives"] else "no positive in the corpus"
