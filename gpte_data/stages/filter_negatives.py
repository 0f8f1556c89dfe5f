"""A reranker's second look at the negatives: what it finds as good as the positive is dropped.

The verdict is the reranker's own: a candidate is dropped when its rerank score is above
`(1 - margin)` of the positive's (denoised negatives, RocketQA 2010.08191 §4.2, with a relative
margin instead of a fixed threshold, so that rerankers with other scales can be used). Beside it may
stand an absolute margin, a highest probability and ranks. All rules that hold are kept with the
candidate. With --promote, a false negative that is found becomes a positive where its score says so
by itself; else it is dropped.

Candidates beyond --depth are dropped without a score, so no unchecked one reaches training. Each
score is kept beside the corpus: other rules on the same candidates ask no model.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import RERANKERS, Options, check
from gpte_data.backends.reranking import PROBABILITY, Reranking, traits
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import Corpus, corpus_identity, open_corpus
from gpte_data.errors import BadOption
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.verdicts import settled

if TYPE_CHECKING:
    from gpte_data.denoising.looking import Looking
    from gpte_data.scoring.scorer import Scorer

QUERIES = 1024
"""Queries scored together: a document is read once for all of them."""
TOO_FEW = "too few negatives are left"
PROMOTE_ABOVE = 0.9


class FilterConfig(StageConfig):
    """What looks again, at how many, and how strictly."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus that the candidates come from; may be given more than once."
    )
    reranker: str = Field(
        "maxsim", description="maxsim[:MODEL], st:MODEL (CrossEncoder), openai:MODEL, vllm:MODEL."
    )
    instruction: str = Field(
        "", description="What counts as relevant, for rerankers that are told (Qwen3-Reranker)."
    )
    server_scale: Literal["probability", "logit"] = Field(
        "probability", description="What the scores of openai:MODEL are: probability or logit."
    )
    dtype: str = Field(
        "auto", description="Of st:MODEL: auto, float32, bfloat16 or float16; auto: what is fast."
    )
    max_length: int | None = Field(
        None, ge=16, description="Of st:MODEL: tokens of a pair that are read; all it takes if not."
    )
    margin: float | None = Field(
        None, ge=0, lt=1, description="Drop above (1 - this) of the positive; the reranker's own."
    )
    absolute_margin: float | None = Field(
        None, ge=0, description="Drop what scores above the positive's score less this."
    )
    max_score: float | None = Field(
        None, ge=0, le=1, description="Drop what has a higher probability (RocketQA: 0.1)."
    )
    min_rerank_rank: int | None = Field(
        None, ge=1, description="Drop what the reranker ranks before this among the candidates."
    )
    max_rerank_rank: int | None = Field(
        None, ge=1, description="Drop what the reranker ranks behind this."
    )
    against: Literal["min", "mean", "max"] = Field(
        "min", description="Whose score counts where positives are several: min, mean or max."
    )
    promote: bool = Field(
        False, description="Make what is dropped by its score a positive, if that is high enough."
    )
    promote_above: float | None = Field(
        None, ge=0, le=1,
        description=f"Probability from which it is; {PROMOTE_ABOVE} if not given. A reranker with "
        "another scale promotes what scores as high as the positive.",
    )  # fmt: skip
    depth: int = Field(
        30, ge=1, description="Candidates scored for each query, first choice first."
    )
    num_negatives: Annotated[int, Runtime()] = Field(
        5, ge=1, description="Negatives wanted for a query; those with fewer are counted."
    )
    shortage: Literal["partial", "drop"] = Field(
        "partial", description="Of queries with fewer: keep what there is (partial), or drop them."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    score_cache: Annotated[Path | None, Runtime()] = Field(
        None, description="Folder for scores; beside the first corpus if not given."
    )

    def reranking(self) -> Reranking:
        """Return how the reranker reads and scores."""
        return Reranking(self.instruction, self.server_scale, self.dtype, self.max_length)

    def options(self) -> Options:
        """Return how the reranker is reached."""
        return Options(
            reranking=self.reranking(), base_urls=self.base_url, concurrency=self.concurrency
        )

    def identity(self) -> dict[str, Any]:
        """Let the reranker stand for its files and all that decides its scores."""
        told = super().identity() | {"reranker": traits(self.reranker, self.reranking()).identity}
        for name in ("instruction", "server_scale", "dtype", "max_length"):
            del told[name]
        return told | ({"num_negatives": self.num_negatives} if self.shortage == "drop" else {})

    def check(self) -> None:
        """Raise BadOption for options that contradict each other, or the reranker's scale."""
        found = traits(self.reranker, self.reranking())
        for name in ("max_score", "promote_above"):
            if getattr(self, name) is not None and found.scale != PROBABILITY:
                raise BadOption(
                    f"--{name.replace('_', '-')} is a probability, but scores of {found.label} are "
                    f"{found.scale}s: use --margin or --absolute-margin"
                )
        if self.promote_above is not None and not self.promote:
            raise BadOption("--promote-above does nothing without --promote: give both, or neither")
        if (self.min_rerank_rank or 1) > (self.max_rerank_rank or self.min_rerank_rank or 1):
            raise BadOption(
                f"--min-rerank-rank {self.min_rerank_rank} is behind --max-rerank-rank "
                f"{self.max_rerank_rank}: nothing would be left"
            )


def _prepare(cfg: FilterConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether reranker, corpus and every document are there."""
    from gpte_data.denoising.block import Block

    cfg.check()
    check(cfg.reranker, RERANKERS, "reranker", cfg.options())
    corpus = open_corpus(cfg.corpus)
    source = iter(read())
    while rows := list(islice(source, QUERIES)):
        Block(rows, corpus)


@stage(
    FilterConfig,
    reads={"query_id", "query", "positives", "candidates"},
    adds={"candidates", "positive_rerank_scores", "reranker", "rerank_scale"},
    version=2,
    hooks=Hooks(prepare=_prepare),
)
def filter_negatives(rows: Iterable[Row], cfg: FilterConfig, ctx: Context) -> Iterator[Event]:
    """Give each kept candidate a rerank score and a verdict by it."""
    from gpte_data.scoring.scorer import open_scorer, scores_folder

    cfg.check()
    corpus, source = open_corpus(cfg.corpus), iter(rows)
    folder = cfg.score_cache or scores_folder(cfg.corpus[0])
    with open_scorer(cfg.reranker, cfg.options(), folder) as scorer:
        looking = _looking(cfg, corpus, scorer)
        while block := list(islice(source, QUERIES)):
            for row in looking.at(block, lambda done: ctx.tell(done, 0)):
                yield _settled(row, cfg, ctx)
        scorer.note(ctx.ledger)


def _looking(cfg: FilterConfig, corpus: Corpus, scorer: "Scorer") -> "Looking":
    """Return what judges rows as the options ask for it."""
    from gpte_data.denoising.looking import Looking
    from gpte_data.denoising.rules import Rules

    found = scorer.traits
    above = cfg.promote_above
    if above is None and found.scale == PROBABILITY:
        above = PROMOTE_ABOVE
    rules = Rules(
        found.margin if cfg.margin is None else cfg.margin,
        cfg.absolute_margin, cfg.max_score, cfg.min_rerank_rank, cfg.max_rerank_rank,
        cfg.promote, above,
    )  # fmt: skip
    return Looking(corpus, scorer, rules, cfg.against, cfg.depth)


def _settled(row: Row, cfg: FilterConfig, ctx: Context) -> Event:
    """Return the row, or reject it where it has too few negatives and these are to be dropped."""
    import pyarrow.compute as pc

    notes, hits = ctx.ledger.notes, row["candidates"]
    kept = pc.sum(pc.equal(hits.columns["verdict"], "keep")).as_py() if len(hits) else 0
    if (kept or 0) >= cfg.num_negatives:
        return row
    if cfg.shortage == "drop":
        return settled(row, [TOO_FEW])
    notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
    return row
