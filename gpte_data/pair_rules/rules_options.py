"""The options of `filter-pairs` that say which rules there are, and what each measures with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import llm_identity
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.recipes import recipe_identity
from gpte_data.teachers import KINDS, teacher_identity


def _teachers_identity(specs: Sequence[str]) -> list[dict[str, Any]]:
    return [teacher_identity(spec) for spec in specs]


class RulesConfig(StageConfig):
    """Which rules a pair must keep; a class of its own so that these are the first options."""

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
    reranker: str = Field(
        "", description="For the rules below: maxsim[:MODEL], st:MODEL (CrossEncoder), "
        "openai:MODEL, vllm:MODEL.",
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
    judge: Annotated[str, Identity(lambda spec: llm_identity(spec) if spec else "")] = Field(
        "",
        description="Who rates pairs for the rules below: openai:MODEL (any server), vllm:MODEL.",
    )
    min_judge_score: float | None = Field(
        None, ge=0, le=10, description="Drop pairs whose ratings have a lower mean, from 0 to 10."
    )
    min_relevance: int | None = Field(
        None, ge=1, le=5, description="Drop pairs rated lower for: is it about what is asked?"
    )
    min_answerability: int | None = Field(
        None, ge=1, le=5, description="Drop pairs rated lower for: does it say what is asked?"
    )
    min_clarity: int | None = Field(
        None, ge=1, le=5, description="Drop pairs rated lower for: is the query understood alone?"
    )
    prompt: Annotated[str, Identity(recipe_identity)] = Field(
        "judge-pair", description="The judge's: a name from prompts/, or the path of a .md file."
    )
    max_words: int = Field(256, ge=1, description="Words of a document that the judge is shown.")
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
    instruction: str = Field(
        "", description="What counts as relevant, for rerankers that are told (Qwen3-Reranker)."
    )
    server_scale: Literal["probability", "logit"] = Field(
        "probability", description="What scores of a reranker openai:MODEL are."
    )
    score_cache: Annotated[Path | None, Runtime()] = Field(
        None, description="Folder for reranker scores; beside the first corpus if not given."
    )
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )
