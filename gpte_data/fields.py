"""Every field's type, by its name: enforced once, when a shard is written.

What the fields mean stands in `records`, and of what filters add in `judged_records`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

FIELDS: Mapping[str, str] = {
    "doc_id": "string",
    "title": "string",
    "text": "string",
    "context": "string",
    "source": "string",
    "query_id": "string",
    "query": "string",
    "positives": "list<string>",
    "negatives": "list<string>",
    "recipe": "string",
    "prompt_version": "string",
    "task": "string",
    "instruction": "string",
    "language": "string",
    "masked": "list<string>",
    "persona_id": "string",
    "persona": "string",
    "query_type": "string",
    "difficulty": "string",
    "settings": "string",
    "generator": "string",
    "seed": "int",
    "duplicates": "list<string>",
    "written": "list<passage>",
    "positive_scores": "list<float>",
    "positive_grades": "list<int>",
    "positive_ranks": "list<int>",
    "teachers": "list<string>",
    "positive_words": "list<int>",
    "positive_ceilings": "list<float>",
    "positive_evidence": "list<list<float>>",
    "estimate_weights": "list<float>",
    "estimate_hidden": "float",
    "positive_rerank_scores": "list<float>",
    "reranker": "string",
    "rerank_scale": "string",
    "promoted": "list<string>",
    "relabelled_from": "list<string>",
    "judged_by": "string",
    "contaminated_positives": "list<string>",
    "contaminated_by": "string",
    "eval_part": "string",
    "eval_id": "string",
    "overlap": "float",
    "similarity": "float",
    "positive_consistency_scores": "list<list<float>>",
    "positive_consistency_ranks": "list<list<int>>",
    "consistency_teachers": "list<string>",
    "positive_pair_scores": "list<float>",
    "positive_pair_places": "list<int>",
    "pair_population": "int",
    "pair_reranker": "string",
    "positive_judge_scores": "list<float>",
    "positive_relevance": "list<float>",
    "positive_answerability": "list<float>",
    "positive_clarity": "list<float>",
    "pair_judge": "string",
    "dropped_positives": "list<string>",
    "dropped_rules": "list<list<string>>",
    "candidates": "list<candidate>",
}
"""Field name -> type in words, in the order in which columns are written."""
PLACES: Mapping[str, int] = {name: place for place, name in enumerate(FIELDS)}


EVIDENCE = (
    "score", "gap", "log_rank", "among", "positive",
    "words", "words_gap", "shared", "crowd", "hub",
)  # fmt: skip
"""What stands in a candidate's `evidence`, in order; `mining.evidence` says what it is."""
OF_POSITIVES = ("score", "log_rank", "among", "words", "crowd", "hub")
"""What stands in `positive_evidence`: what can be said of a positive too."""


@cache
def arrow_types() -> dict[str, Any]:
    """Return the Arrow type that each word in FIELDS stands for."""
    import pyarrow as pa

    candidate = {
        "doc_id": pa.string(),
        "rank": pa.int32(),
        "score": pa.float32(),
        "source": pa.string(),
        "earlier_rank": pa.int32(),
        "teacher_scores": pa.list_(pa.float32()),
        "teacher_ranks": pa.list_(pa.int32()),
        "positive_similarity": pa.float32(),
        "reciprocal_rank": pa.int32(),
        "words": pa.int32(),
        "evidence": pa.list_(pa.float32()),
        "false_negative": pa.float32(),
        "choice": pa.int32(),
        "rerank_score": pa.float32(),
        "reranked_false_negative": pa.float32(),
        "judged": pa.string(),
        "confirmed": pa.string(),
        "verdict": pa.string(),
        "reason": pa.string(),
        "rules": pa.list_(pa.string()),
    }
    passage = {
        "doc_id": pa.string(),
        "text": pa.string(),
        "relevance": pa.int32(),
        "language": pa.string(),
    }
    return {
        "string": pa.string(),
        "float": pa.float32(),
        "int": pa.int64(),
        "list<string>": pa.list_(pa.string()),
        "list<float>": pa.list_(pa.float32()),
        "list<int>": pa.list_(pa.int32()),
        "list<list<float>>": pa.list_(pa.list_(pa.float32())),
        "list<list<int>>": pa.list_(pa.list_(pa.int32())),
        "list<list<string>>": pa.list_(pa.list_(pa.string())),
        "list<passage>": pa.list_(pa.struct(list(passage.items()))),
        "list<candidate>": pa.list_(pa.struct(list(candidate.items()))),
    }
