"""The options of dedup: what is compared, when two rows are duplicates, and which of them stays."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from gpte_data.backends import Encoding, Options
from gpte_data.backends.encoding import embedder_identity
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadOption

WAYS = ("exact", "minhash", "semantic")
OF_WAY = {
    "minhash": ("jaccard", "shingle"),
    "semantic": (
        "cosine", "teacher", "prompt", "max_length", "truncate_dim", "base_url", "concurrency",
        "batch_tokens",
    ),
}  # fmt: skip
"""Options that are of one way alone."""


class DedupConfig(StageConfig):
    """What is compared, when two rows are duplicates, and which of them stays."""

    by: str = Field(
        "exact,minhash",
        description="Ways to find duplicates, with commas: exact (always), minhash, semantic.",
    )
    on: Literal["", "text", "query", "pair"] = Field(
        "",
        description="What is compared: text (a passage with its title), query, or pair (a query "
        "with its positives); if empty, text for passages and query for pairs.",
    )
    against: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (),
        description="Dataset that wins: rows that duplicate one of its go; may be given more than "
        "once.",
    )
    survivor: Literal["longest", "shortest", "id"] = Field(
        "longest",
        description="Which of several duplicates stays: the longest text, the shortest, or the "
        "lowest id; then the lowest id.",
    )
    jaccard: float = Field(
        0.8, gt=0, le=1, description="Share of shingles from which two are near-duplicates."
    )
    shingle: int = Field(
        5, ge=1, le=100,
        description="Words in a shingle; characters, in short texts and in scripts without spaces.",
    )  # fmt: skip
    cosine: float = Field(
        0.95, gt=0, le=1, description="Cosine of vectors from which two are near-duplicates."
    )
    teacher: str = Field(
        "st:all-MiniLM-L6-v2",
        description="Of --by semantic: st:, openai:, vllm: or model2vec:MODEL.",
    )
    prompt: str = Field("", description="Put before each text when it is embedded.")
    max_length: int | None = Field(
        None, ge=1, description="Of st:MODEL: tokens of a text that are read."
    )
    truncate_dim: int | None = Field(
        None, ge=1, description="Numbers of a vector that are kept (Matryoshka models)."
    )
    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (),
        description="With --on pair: the positives' corpus, to compare what they say instead of "
        "their ids; may be given more than once.",
    )
    moved: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (),
        description="What dedup made of the pairs' corpus: where a pair names a passage that went, "
        "it names its survivor; may be given more than once.",
    )
    merge_positives: bool = Field(
        True, description="Of pairs whose queries say the same, give the positives of those that "
        "go to the one that stays.",
    )  # fmt: skip
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        """Return the ways in one order; exact is always among them."""
        given = [way.strip() for way in by.split(",") if way.strip()]
        unknown = [way for way in given if way not in WAYS]
        if unknown or not given:
            found = repr(unknown[0]) if unknown else "nothing"
            raise BadOption(f"--by takes {', '.join(WAYS)}, with commas between; found {found}")
        return ",".join(way for way in WAYS if way == "exact" or way in given)

    @model_validator(mode="after")
    def _useful(self) -> "DedupConfig":
        """Raise BadOption for an option that would change nothing."""
        for way, names in OF_WAY.items():
            given = [name for name in names if name in self.model_fields_set]
            if given and way not in self.ways:
                option = "--" + given[0].replace("_", "-")
                raise BadOption(
                    f"{option} changes nothing here: give --by {self.by},{way} too, or leave it out"
                )
        if self.corpus and self.on != "pair":
            raise BadOption("--corpus is read with --on pair: give that too, or leave it out")
        if self.moved and self.on == "text":
            raise BadOption("--moved is for pairs, which name passages: leave --on text out")
        return self

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to find duplicates, the surest first."""
        return tuple(self.by.split(","))

    def identity(self) -> dict[str, Any]:
        """Leave out what nothing is decided by; the teacher stands for its files."""
        found = super().identity()
        for way, names in OF_WAY.items():
            for name in names if way not in self.ways else ():
                found.pop(name, None)
        if "semantic" in self.ways:
            found["teacher"] = embedder_identity(self.teacher, self.options().encoding)
        return found

    def options(self) -> Options:
        """Return how the teacher is reached and run."""
        return Options(
            encoding=Encoding("auto", self.max_length, self.truncate_dim),
            base_urls=self.base_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )
