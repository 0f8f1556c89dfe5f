"""What filters add to rows that they have judged; the types stand in `fields.FIELDS`."""

from typing import NotRequired, TypedDict

from gpte_data.records import Pair


class JudgedPair(Pair):
    """A pair whose positives were measured, and some of them perhaps taken away."""

    dropped_positives: NotRequired[list[str]]
    """Positives that a filter took away; they are no negatives either."""
    dropped_rules: NotRequired[list[list[str]]]
    """Of each of them, every rule that held against it, the surest first."""
    contaminated_positives: NotRequired[list[str]]
    """Positives that were taken away since an evaluation set holds them."""
    consistency_teachers: NotRequired[list[str]]
    positive_consistency_scores: NotRequired[list[list[float]]]
    """Of each positive, its cosine to the query by each of those teachers."""
    positive_consistency_ranks: NotRequired[list[list[int]]]
    positive_pair_scores: NotRequired[list[float]]
    positive_pair_places: NotRequired[list[int]]
    """Place of each among the `pair_population` pairs scored with it by `pair_reranker`."""
    pair_population: NotRequired[int]
    pair_reranker: NotRequired[str]
    positive_judge_scores: NotRequired[list[float]]
    """Of each positive the mean of the ratings below, which are from 1 to 5, from 0 to 10."""
    positive_relevance: NotRequired[list[float]]
    positive_answerability: NotRequired[list[float]]
    positive_clarity: NotRequired[list[float]]
    pair_judge: NotRequired[str]
    """Who gave these ratings: model and prompt."""


class Twin(TypedDict):
    """What a rejected row says of the text for which it went: of an evaluation set, or a row's."""

    contaminated_by: NotRequired[str]
    """The evaluation set that holds it."""
    eval_part: NotRequired[str]
    """Which of its parts: `query` or `passage`."""
    eval_id: NotRequired[str]
    """The id there."""
    overlap: NotRequired[float]
    """The share of its words that stand in the row too; of a piece, of the row's in it."""
    duplicate_of: NotRequired[str]
    """The id of the row that stays; of another dataset, with its name and a slash before it."""
    similarity: NotRequired[float]
    """Jaccard similarity of words or characters, or the cosine, whichever was measured."""
