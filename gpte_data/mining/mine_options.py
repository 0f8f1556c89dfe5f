"""The options of mining: what is searched, with what, and how."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import Encoding, Options
from gpte_data.backends.index_settings import Kind, Search
from gpte_data.config import Identity, Runtime
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadOption
from gpte_data.mining.options import ChoiceConfig
from gpte_data.teachers import KINDS, Teacher, dtype_of, open_teachers, teachers_identity


class MineConfig(ChoiceConfig):
    """What to search, with what, and what counts as a negative."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus to take negatives from; may be given more than once."
    )
    earlier: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (),
        description="Mined before: its negatives are candidates too; may be given more than once.",
    )
    teacher: Annotated[tuple[str, ...], Identity(teachers_identity)] = Field(
        ("st:all-MiniLM-L6-v2",),
        min_length=1,
        description=f"{KINDS}. Given more than once, or with bm25 after it: the candidates of all.",
    )
    fusion: Literal["rrf", "zscore"] = Field(
        "rrf", description="How several teachers rank together: reciprocal ranks, or z-scores."
    )
    top_k: int = Field(100, ge=1, description="Candidates kept for each query.")
    index: Kind = Field(
        "flat", description="flat (exact), or for millions of passages ivf, hnsw, ivfpq or binary."
    )
    search_effort: float = Field(
        1.0, gt=0, allow_inf_nan=False,
        description="Of an approximate index: look at so many times as much, and miss less.",
    )  # fmt: skip
    query_prompt: str = Field("", description="Put before each query when it is embedded.")
    doc_prompt: str = Field("", description="Put before each document when it is embedded.")
    dtype: Annotated[str, Runtime()] = Field(
        "auto", description="Of st:MODEL: float32, bfloat16 or float16; bfloat16 where it is fast."
    )
    max_length: int | None = Field(
        None,
        ge=1,
        description="Of st:MODEL and promptreps:MODEL (512): tokens of a text that are read.",
    )
    truncate_dim: int | None = Field(
        None, ge=1, description="Numbers of a vector that are kept (Matryoshka models)."
    )
    missing_positives: Literal["error", "drop"] = Field(
        "error", description="What to do with a positive that is not in the corpus."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; the type that a model runs in among it."""
        found = super().identity()
        if self.search().kind == "flat":  # as if there were no other
            del found["index"], found["search_effort"]
        if not self.earlier:
            del found["earlier"]
        local = any(spec.startswith("st:") for spec in self.teacher)
        return found | ({"dtype": dtype_of(self.dtype)} if local else {})

    def search(self) -> Search:
        """Return how vectors are searched."""
        if self.index == "flat" and self.search_effort != 1.0:
            raise BadOption(
                "--search-effort changes nothing here: flat is exact; leave it out, or give --index"
            )
        return Search(self.index, self.search_effort)

    def looks_at_all(self) -> bool:
        """Tell whether a sample of the whole input is looked at before the first shard."""
        return self.budget() is not None or self.index != "flat"

    def by_order(self) -> bool:
        """Tell whether a teacher's vectors belong to pairs by their order in the whole input."""
        return any(teacher.in_order for teacher in self.open_teachers())

    def drops(self) -> bool:
        """Tell whether positives that are not in the corpus are left out."""
        return self.missing_positives == "drop"

    def options(self) -> Options:
        """Return how the teachers are reached and run."""
        return Options(
            encoding=Encoding(self.dtype, self.max_length, self.truncate_dim),
            base_urls=self.base_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def open_teachers(self) -> list[Teacher]:
        """Return the teachers with vectors; a model is loaded when it is first needed."""
        return open_teachers(self.teacher, self.options(), self.query_prompt, self.doc_prompt)
