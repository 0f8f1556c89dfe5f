"""The options by which negatives are chosen, the same for mining and for choosing again."""

from typing import Any, Literal

from pydantic import Field

from gpte_data.config import StageConfig

BUDGET = 0.05
"""Share of false negatives that is allowed where nothing else is asked for."""
EARLIER_SHARE = 0.5


class ChoiceConfig(StageConfig):
    """What counts as a negative, and which are taken first."""

    seed: int = Field(0, description="Seed of what is sampled; each query draws by its own id.")
    num_negatives: int = Field(
        5, ge=1, description="Negatives wanted for a query, for which the budget is kept."
    )
    max_false_negatives: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Take the hardest negatives of which at most this share is expected to be "
        f"unlabelled positives; {BUDGET:g} unless a margin or a sampling is asked for.",
    )
    relative_margin: float | None = Field(
        None, ge=0, lt=1, description="Drop candidates above (1 - this) of the positive's score."
    )
    absolute_margin: float | None = Field(
        None, ge=0, description="Drop candidates less than this below the positive's score."
    )
    margin_against: Literal["min", "mean", "max", "each"] = Field(
        "min", description="Whose score counts where positives are several; each: its own margin."
    )
    min_rank: int | None = Field(None, ge=1, description="Drop candidates before this rank.")
    max_rank: int | None = Field(None, ge=1, description="Drop candidates behind this rank.")
    min_score: float | None = Field(None, description="Drop candidates that score less.")
    max_score: float | None = Field(None, description="Drop candidates that score more.")
    max_positive_similarity: float | None = Field(
        None, ge=-1, le=1, description="Drop candidates whose cosine to a positive is higher."
    )
    min_reciprocal_rank: int | None = Field(
        None, ge=1, description="Drop mutual neighbours of a positive before this rank."
    )
    max_length_ratio: float | None = Field(
        None,
        ge=1,
        description="Drop candidates with so many times more or fewer words than every positive.",
    )
    same_text: float = Field(
        0.99999, gt=0, le=1, description="Cosine from which a candidate is a copy of a positive."
    )
    sampling: Literal["top", "uniform", "softmax", "simans"] | None = Field(
        None, description="Without a budget: which of those left are taken first; top by default."
    )
    temperature: float = Field(0.05, gt=0, description="Of softmax sampling, in cosines.")
    simans_a: float = Field(100.0, ge=0, description="Of SimANS: how narrow, for cosines.")
    simans_b: float = Field(0.0, description="Of SimANS: how far from the positive's score.")
    earlier_share: float = Field(
        EARLIER_SHARE,
        ge=0,
        le=1,
        description="Share of the negatives that comes from earlier candidates, where there are "
        "such; 0: by their worth alone.",
    )
    shortage: Literal["partial", "drop", "random"] = Field(
        "partial",
        description="Of queries with fewer negatives: keep what there is, drop them, or (when "
        "mining) fill up with random documents.",
    )

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; a share that is usual needs no mention."""
        told = super().identity()
        if self.earlier_share == EARLIER_SHARE:
            del told["earlier_share"]
        return told

    def budget(self) -> float | None:
        """Return the share of false negatives that is allowed, or None where rules alone decide."""
        if self.max_false_negatives is not None:
            return self.max_false_negatives
        margins = (self.relative_margin, self.absolute_margin, self.sampling)
        return BUDGET if margins == (None, None, None) else None
