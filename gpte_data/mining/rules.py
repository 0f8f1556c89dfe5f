"""Rules that drop candidates, each with its reason; what no rule drops may be a negative.

    same text          a copy of a positive or of the query, which no score makes a negative
    chunk              of a document that a positive was cut from
    margins            TopK-PercPos and TopK-MarginPos (NV-Retriever, 2407.15831 §4): a candidate
                       that scores nearly as high as a positive is likely one itself
    scores and ranks   windows on the score and on the rank among all documents (FlagEmbedding's
                       range_for_sampling; sentence-transformers counts ranks after other rules)
    similarity         to a positive, and whether the two are near neighbours of each other
    length             negatives that are longer or shorter than positives teach a model to look at
                       length (length-induced collapse, 2410.24200)

Negatives that a recipe wrote for the query are meant to come close to its positive: only the first
rule holds for them. Those that were drawn at random are far from it: windows don't hold for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Against = Literal["min", "mean", "max", "each"]
MARKS = ("sibling", "written", "random", "dropped", "hub")
"""What is true or not of a candidate."""
LOOKED_AT = ("reciprocal_rank", "longer", "shorter")
"""What only some rules look at."""
KEPT = 0
ROUNDING = 1e-3
"""What float16 may take from the score of a copy of the query."""


@dataclass(frozen=True)
class Rules:
    """What is dropped; None leaves a rule out."""

    relative_margin: float | None = None
    absolute_margin: float | None = None
    against: Against = "min"
    min_rank: int | None = None
    max_rank: int | None = None
    min_score: float | None = None
    max_score: float | None = None
    max_positive_similarity: float | None = None
    same_text: float = 0.99999
    min_reciprocal_rank: int | None = None
    max_length_ratio: float | None = None

    def reasons(self, hits: Mapping[str, Any], positive_scores: Any) -> Any:
        """Return for each candidate the number of the reason to drop it, 0 if there is none, (n,).

        Args:
            hits: `score`, `rank`, `positive_similarity`, `sibling`, `written`, `random`, `dropped`
                and `hub` of candidates, (n,) each; `reciprocal_rank`, `longer` and `shorter` (see
                `lengths`) for the rules that look at them.
            positive_scores: (p,)
        """
        score, rank = hits["score"], hits["rank"]
        dropped = np.zeros(len(score), dtype=np.int8)
        for number, (_, holds) in enumerate(self._found(hits, score, rank, positive_scores), 1):
            dropped[(dropped == KEPT) & holds] = number
        return dropped

    def needs(self) -> list[str]:
        """Return what of stored candidates these rules look at and others don't."""
        asked = {"reciprocal_rank": self.min_reciprocal_rank, "words": self.max_length_ratio}
        return [name for name, option in asked.items() if option is not None]

    def words(self) -> list[str]:
        """Return the reasons by number; number 0 is no reason."""
        nothing: Any = np.zeros(0)
        blank = dict.fromkeys(("positive_similarity", "score", "rank", *LOOKED_AT), nothing)
        blank |= dict.fromkeys(MARKS, nothing.astype(bool))
        return ["", *(reason for reason, _ in self._found(blank, nothing, nothing, nothing))]

    def _found(self, hits: Mapping[str, Any], score: Any, rank: Any, positives: Any) -> Any:
        """Yield each rule's reason and whom it drops; the surest comes first."""
        free = ~hits["written"]
        found = free & ~hits["random"]
        # First, since by this reason alone a chunk is known again in a stored row.
        yield "chunk of a positive's document", hits["sibling"] & free
        yield "dropped by another stage", hits["dropped"]
        yield "a negative of many queries already", hits["hub"] & free
        yield "score is not finite", ~np.isfinite(score)
        yield "same text as a positive", hits["positive_similarity"] >= self.same_text
        yield "same text as the query", score >= self.same_text - ROUNDING
        close = ~(score <= self.ceiling(positives)) & free
        yield "too close to the positive's score", close
        if self.min_rank is not None:
            yield f"ranks before {self.min_rank}", (rank < self.min_rank) & found
        if self.max_rank is not None:
            yield f"ranks behind {self.max_rank}", (rank > self.max_rank) & found
        if self.max_score is not None:
            yield f"scores above {self.max_score:g}", (score > self.max_score) & free
        if self.min_score is not None:
            yield f"scores below {self.min_score:g}", (score < self.min_score) & found
        if self.max_positive_similarity is not None:
            near = hits["positive_similarity"] > self.max_positive_similarity
            yield "too similar to a positive", near & free
        if self.min_reciprocal_rank is not None:
            near = hits["reciprocal_rank"] < self.min_reciprocal_rank
            yield "nearest neighbours with a positive", near & free
        if (most := self.max_length_ratio) is not None:
            yield f"longer than {most:g} times every positive", (hits["longer"] > most) & free
            yield f"shorter than every positive, {most:g} times", (hits["shorter"] > most) & free

    def ceiling(self, positive_scores: Any) -> float:
        """Return the highest score that the margins leave; of each positive's, the highest."""
        if not len(positive_scores):
            return np.inf
        how: Any = {"min": np.min, "mean": np.mean, "max": np.max, "each": np.max}[self.against]
        return float(self._below(how(np.asarray(positive_scores, dtype=np.float64))))

    def ceilings(self, positive_scores: Any) -> Any:
        """Return the highest score of a negative of each positive, (p,) in float32, or None.

        Rounded down, so that they part scores, which are float32, as the margins themselves do.
        """
        if self.against != "each" or (self.relative_margin, self.absolute_margin) == (None, None):
            return None
        exact = self._below(np.asarray(positive_scores, dtype=np.float64))
        rounded = exact.astype(np.float32)
        return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)

    def _below(self, score: Any) -> Any:
        """Return what lies a margin below a score, the stricter of two."""
        ceiling = np.full_like(score, np.inf)
        if self.relative_margin is not None:
            ceiling = score - abs(score) * self.relative_margin
        if self.absolute_margin is not None:
            ceiling = np.minimum(ceiling, score - self.absolute_margin)
        return ceiling
