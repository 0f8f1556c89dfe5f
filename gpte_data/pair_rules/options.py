"""The options of `filter-pairs`: which rules, and with what they measure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gpte_data.backends import Encoding, Options, reranker_identity
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadOption
from gpte_data.teachers import (
    KINDS,
    PRECOMPUTED,
    Teacher,
    dtype_of,
    open_teacher,
    teacher_identity,
)

BY_TEACHER = ("consistency", "min_cosine")
BY_PLACE = ("top_share", "top")
BY_RERANKER = ("min_rerank_score", *BY_PLACE)
OF_TEACHERS = ("teacher", "agree", "query_prompt", "doc_prompt", "max_length", "truncate_dim")
"""Options that decide nothing where no teacher is asked."""


def _teachers_identity(specs: Sequence[str]) -> list[dict[str, Any]]:
    return [teacher_identity(spec) for spec in specs]


class PairsConfig(StageConfig):
    """Which rules a pair must keep."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus that the positives are in; may be given more than once."
    )
    consistency: int | None = Field(
        None, ge=1, description="Keep positives that rank among so many of the whole corpus."
    )
    min_cosine: float | None = Field(
        None, ge=-1, le=1, description="Drop positives whose cosine to the query is lower."
    )
    teacher: Annotated[tuple[str, ...], Identity(_teachers_identity)] = Field(
        ("st:all-MiniLM-L6-v2",), min_length=1,
        description=f"For these two rules: {KINDS}; may be given more than once.",
    )  # fmt: skip
    agree: Literal["all", "any"] = Field(
        "all", description="Of several teachers: all must keep a positive, or any one."
    )
    reranker: Annotated[str, Identity(lambda spec: reranker_identity(spec) if spec else {})] = (
        Field("", description="For the rules below: maxsim[:MODEL], st:MODEL (CrossEncoder), "
              "openai:MODEL, vllm:MODEL.")
    )  # fmt: skip
    min_rerank_score: float | None = Field(
        None, allow_inf_nan=False, description="Drop positives that the reranker scores lower."
    )
    top_share: float | None = Field(
        None, gt=0, le=1, description="Keep this share of all pairs, the best by reranker score."
    )
    top: int | None = Field(
        None, ge=1, description="Keep so many of all pairs, the best by reranker score."
    )
    keep_scores: bool = Field(
        True, description="Keep what was measured in the rows; rejected rows have it anyway."
    )
    missing_positives: Literal["error", "drop"] = Field(
        "error", description="What to do with a positive that is not in the corpus."
    )
    query_prompt: str = Field("", description="Put before each query when it is embedded.")
    doc_prompt: str = Field("", description="Put before each document when it is embedded.")
    dtype: Annotated[str, Runtime()] = Field(
        "auto", description="Of st:MODEL: float32, bfloat16 or float16; bfloat16 where it is fast."
    )
    max_length: int | None = Field(
        None, ge=1,
        description="Of st:MODEL and promptreps:MODEL (512): tokens of a text that are read.",
    )  # fmt: skip
    truncate_dim: int | None = Field(
        None, ge=1, description="Numbers of a vector that are kept (Matryoshka models)."
    )
    teacher_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a teacher openai:MODEL; else OPENAI_BASE_URL."
    )
    reranker_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a reranker openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """Raise BadOption for rules that are missing, or that lack what they measure with."""
        if not self.asks_any(*BY_TEACHER, *BY_RERANKER):
            raise BadOption(
                "no rule was asked for: give at least one of --consistency, --min-cosine, "
                "--min-rerank-score, --top-share and --top"
            )
        if self.asks_any(*BY_RERANKER) and not self.reranker:
            raise BadOption(
                "--min-rerank-score, --top-share and --top need a --reranker: give maxsim or "
                "st:MODEL"
            )
        self._check_useless()
        return self

    def _check_useless(self) -> None:
        """Raise BadOption for an option that changes nothing beside the others."""
        given = self.model_fields_set
        if self.reranker and not self.asks_any(*BY_RERANKER):
            raise BadOption(
                "--reranker changes nothing here: it scores pairs for --min-rerank-score, "
                "--top-share and --top; give one of them, or leave it out"
            )
        useless = [name for name in OF_TEACHERS if name in given]
        if useless and not self.asks_any(*BY_TEACHER):
            raise BadOption(
                f"--{useless[0].replace('_', '-')} changes nothing here: it is for --consistency "
                "and --min-cosine; give one of them, or leave it out"
            )
        if len(set(self.teacher)) < len(self.teacher):
            raise BadOption("the same --teacher is given twice: give different ones")
        if self.agree == "any" and len(self.teacher) == 1:
            raise BadOption("--agree any changes nothing with one --teacher: give several")
        if "bm25" in self.teacher:
            raise BadOption(f"--teacher bm25 has no vectors to compare: give one of {KINDS}")

    def asks_any(self, *names: str) -> bool:
        """Tell whether one of these rules is asked for."""
        return any(getattr(self, name) is not None for name in names)

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; of models only those that are asked."""
        found = super().identity()
        if not self.asks_any(*BY_TEACHER):
            found = {name: value for name, value in found.items() if name not in OF_TEACHERS}
        elif any(spec.startswith("st:") for spec in self.teacher):
            found["dtype"] = dtype_of(self.dtype)
        if not self.reranker:
            del found["reranker"]
        return found

    def looks_at_all(self) -> bool:
        """Tell whether what becomes of a pair hangs on the whole input."""
        return self.asks_any(*BY_PLACE) or any(one.in_order for one in self.open_teachers())

    def drops(self) -> bool:
        """Tell whether positives that are not in the corpus are left out."""
        return self.missing_positives == "drop"

    def teacher_options(self) -> Options:
        """Return how the teachers are reached and run."""
        return Options(
            encoding=Encoding(self.dtype, self.max_length, self.truncate_dim),
            base_urls=self.teacher_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def reranker_options(self) -> Options:
        """Return how the reranker is reached and run."""
        return Options(
            base_urls=self.reranker_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def open_teachers(self) -> list[Teacher]:
        """Return the teachers that are asked; a model is loaded when it is first needed."""
        if not self.asks_any(*BY_TEACHER):
            return []
        options = self.teacher_options()
        made = [spec for spec in self.teacher if spec.startswith(PRECOMPUTED)]
        if len(made) == len(self.teacher) and (
            options.encoding != Encoding() or self.query_prompt or self.doc_prompt
        ):
            raise BadOption(
                f"{made[0]} are vectors already: leave out the prompts, --dtype, --max-length and "
                "--truncate-dim"
            )
        return [
            open_teacher(spec, options, self.query_prompt, self.doc_prompt) for spec in self.teacher
        ]
