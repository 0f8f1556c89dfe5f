"""The records that stages exchange: what is in a row, and what the words of the house mean.

Rows are plain dicts; these TypedDicts say what is in them. A stage passes on fields that it does
not know. A field is absent rather than None, so a row is the same from a shard and from a pipe.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

from gpte_data.fields import FIELDS, PLACES


class Passage(TypedDict):
    """A piece of text that a query can be answered with."""

    doc_id: str
    text: str
    title: NotRequired[str]
    context: NotRequired[str]
    """The text around a chunk, the chunk included."""
    source: NotRequired[str]
    """The doc_id of the document that a chunk was cut from."""
    language: NotRequired[str]
    duplicates: NotRequired[list[str]]
    """Ids of those that went because this one stays."""
    masked: NotRequired[list[str]]
    """What personal data was masked in its texts: EMAIL, PHONE …, one for each place."""


class Candidate(TypedDict):
    """A document ranked for a query, with what every later rule said of it."""

    doc_id: str
    rank: int
    """1 is the best; positives are not counted. What was written, or comes from an earlier mining,
    and is not among the best k stands behind them."""
    score: float
    """Cosine to the query, by the teacher."""
    source: str
    """The SPEC of the teacher that found it first, of an earlier mining where none of this one did,
    `written` for a negative that a recipe wrote, or `random` for a document that was drawn because
    the query had too few."""
    earlier_rank: NotRequired[int]
    """Its place among the negatives of an earlier mining."""
    teacher_scores: NotRequired[list[float]]
    """By each of several teachers, in the order in which they were given."""
    teacher_ranks: NotRequired[list[int]]
    positive_similarity: NotRequired[float]
    """Highest cosine to a positive."""
    reciprocal_rank: NotRequired[int]
    """The least R such that it and a positive are among the R nearest of each other."""
    words: NotRequired[int]
    """How many words it has, its title included."""
    evidence: NotRequired[list[float]]
    """What the estimate of false negatives looks at: see `mining.evidence`."""
    false_negative: NotRequired[float]
    """Estimated probability that it is a positive that nobody labelled."""
    choice: NotRequired[int]
    """1 is the negative to take first, by the rule or the budget that chose."""
    rerank_score: NotRequired[float]
    reranked_false_negative: NotRequired[float]
    """The estimated probability, with the rerank score as evidence beside mining's."""
    judged: NotRequired[str]
    """Grade by a language model: see `judges.grades`."""
    confirmed: NotRequired[str]
    """Grade by a second one, which is asked about what the first has flagged."""
    verdict: NotRequired[str]
    """`keep` or `drop`."""
    reason: NotRequired[str]
    rules: NotRequired[list[str]]
    """Every rule of a filter that holds against it, the surest first."""


class Pair(TypedDict):
    """A query and the doc_ids that answer it."""

    query_id: str
    query: str
    positives: list[str]
    recipe: NotRequired[str]
    prompt_version: NotRequired[str]
    task: NotRequired[str]
    instruction: NotRequired[str]
    language: NotRequired[str]
    persona: NotRequired[str]
    persona_id: NotRequired[str]
    query_type: NotRequired[str]
    difficulty: NotRequired[str]
    settings: NotRequired[str]
    """JSON object of what else was drawn for the recipe."""
    generator: NotRequired[str]
    seed: NotRequired[int]
    positive_grades: NotRequired[list[int]]
    """How relevant each positive is by its collection's judgements, where they have grades."""
    negatives: NotRequired[list[str]]
    """Passages written as its negatives; mining scores them beside what it finds."""
    duplicates: NotRequired[list[str]]
    """Ids of those that went because this one stays."""
    written: NotRequired[list[Passage]]
    """Passages that the recipe wrote, until `passages` has made a corpus of them."""


class Mined(Pair):
    """A pair with its scored candidates."""

    candidates: list[Candidate]
    positive_scores: list[float]
    """Cosine of each positive to the query, in the order of `positives`."""
    positive_ranks: NotRequired[list[int]]
    """Rank that each positive would have among the candidates; 0 if behind all of them."""
    teachers: NotRequired[list[str]]
    """Where they are several, in the order of each candidate's `teacher_scores`, or where there are
    candidates of an earlier mining."""
    positive_words: NotRequired[list[int]]
    """How many words each positive has."""
    positive_ceilings: NotRequired[list[float]]
    """The highest score of a negative of each positive, where each has its own margin."""
    positive_evidence: NotRequired[list[list[float]]]
    """What the estimate of false negatives looks at: see `mining.evidence`."""
    estimate_weights: NotRequired[list[float]]
    """Of that evidence, where they were fitted to the dataset; the same in all its rows."""
    estimate_hidden: NotRequired[float]
    """Hidden positives among a query's best 20, as counted then; the same in all rows."""
    positive_rerank_scores: NotRequired[list[float]]
    reranker: NotRequired[str]
    """The SPEC of the reranker that gave all rerank scores of the row."""
    rerank_scale: NotRequired[str]
    """What they are: `probability` or `cosine`."""
    promoted: NotRequired[list[str]]
    """Positives that were candidates, until a filter found that they answer the query."""
    relabelled_from: NotRequired[list[str]]
    """The positives before a judge found a better one."""
    judged_by: NotRequired[str]
    """Who gave the grades of its candidates: models and prompt."""


def full_text(passage: Mapping[str, Any]) -> str:
    """Return title and text as models read them (BEIR: joined by a space)."""
    title = passage.get("title") or ""
    text: str = passage["text"]
    return f"{title} {text}" if title else text


def ordered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row without empty fields, known fields first, the others in their own order."""
    names = sorted((name for name in row if name in PLACES), key=PLACES.__getitem__)
    known = {name: row[name] for name in names if row[name] is not None}
    others = {name: row[name] for name in row if name not in FIELDS and row[name] is not None}
    return known | others


WRITTEN = "written"
"""Source of a candidate that a recipe wrote as a negative for its very query."""
RANDOM = "random"
"""Source of a candidate that was drawn because its query had too few negatives."""


def kept(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates that no rule has dropped: those written for the query, then by choice.

    What was paid for comes first, so that it is used. A pair that was never mined has the negatives
    that were written for it, in the order in which they were written.
    """
    if "candidates" not in row:
        ids = dict.fromkeys(row.get("negatives", ()))
        return [{"doc_id": doc_id, "source": WRITTEN} for doc_id in ids]
    hits = [hit for hit in row["candidates"] if hit.get("verdict") != "drop"]
    return sorted(hits, key=lambda hit: (hit.get("source") != WRITTEN, hit.get("choice") or 0))


def missing(names: Iterable[str], row: Mapping[str, Any]) -> list[str]:
    """Return those of names that the row lacks."""
    return [name for name in names if row.get(name) is None]
