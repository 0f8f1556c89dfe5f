"""The options of `filter-negatives`: what looks again, at how many, and how strictly."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import Options
from gpte_data.backends.reranking import PROBABILITY, Reranking, traits
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadOption

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
    max_false_negatives: float | None = Field(
        None, gt=0, le=1,
        description="Instead of a margin: take the hardest of which at most this share is expected "
        "to be unlabelled positives, by mining's estimate and the reranker's scores.",
    )  # fmt: skip
    rerank_weight: float = Field(
        1.0, ge=0,
        description="With --max-false-negatives: log-odds that a standard deviation of the scores "
        "counts; more for a reranker that is known to be good.",
    )  # fmt: skip
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
        if self.max_false_negatives is None:
            del told["rerank_weight"]
        counts = self.shortage == "drop" or self.max_false_negatives is not None
        return told | ({"num_negatives": self.num_negatives} if counts else {})

    def check(self) -> None:
        """Raise BadOption for options that contradict each other, or the reranker's scale."""
        found = traits(self.reranker, self.reranking())
        for name in ("max_score", "promote_above"):
            if getattr(self, name) is not None and found.scale != PROBABILITY:
                raise BadOption(
                    f"--{name.replace('_', '-')} is a probability, but scores of {found.label} are "
                    f"{found.scale}s: use --margin or --absolute-margin"
                )
        if self.max_false_negatives is None and "rerank_weight" in self.model_fields_set:
            raise BadOption("--rerank-weight does nothing without --max-false-negatives: give both")
        rules = (self.margin, self.absolute_margin, self.max_score)
        if self.promote and self.max_false_negatives is not None and rules == (None, None, None):
            raise BadOption(
                "--promote makes positives of what a rule on scores drops: with "
                "--max-false-negatives give --margin, --absolute-margin or --max-score too"
            )
        if self.promote_above is not None and not self.promote:
            raise BadOption("--promote-above does nothing without --promote: give both, or neither")
        if (self.min_rerank_rank or 1) > (self.max_rerank_rank or self.min_rerank_rank or 1):
            raise BadOption(
                f"--min-rerank-rank {self.min_rerank_rank} is behind --max-rerank-rank "
                f"{self.max_rerank_rank}: nothing would be left"
            )
