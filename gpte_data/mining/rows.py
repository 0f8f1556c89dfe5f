"""What was mined, as a judge looks at it and as a row keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpte_data.candidates import Candidates, Coded
from gpte_data.mining.described import Mined
from gpte_data.mining.judging import Hits
from gpte_data.mining.lengths import lengths
from gpte_data.mining.miner import Miner
from gpte_data.stage import Row


def hits_of(mined: Mined) -> Hits:
    """Return what a judge looks at."""
    return Hits(
        mined.row["query_id"],
        {
            "score": mined.scores,
            "rank": mined.ranks,
            "positive_similarity": mined.positive_similarity,
            "sibling": mined.sibling,
            "written": mined.written,
            "random": mined.random,
            "reciprocal_rank": mined.reciprocal_ranks,
            **lengths(mined.words, mined.positive_words),
            "dropped": np.zeros(len(mined.scores), dtype=bool),
            "hub": np.zeros(len(mined.scores), dtype=bool),
            "own": mined.found_by == 0,
        },
        mined.evidence,
        mined.positive_scores,
        mined.positive_evidence,
    )


def row_of(mined: Mined, miner: Miner, verdicts: Mapping[str, Any]) -> Row:
    """Return the row with its candidates."""
    found_by = np.where(mined.written, len(miner.labels) - 2, mined.found_by)
    found_by[mined.random] = len(miner.labels) - 1
    by_teacher = {"teacher_scores": mined.teacher_scores, "teacher_ranks": mined.teacher_ranks}
    return mined.row | {
        "positive_scores": mined.positive_scores.tolist(),
        "positive_ranks": mined.positive_ranks,
        "positive_evidence": mined.positive_evidence.tolist(),
        "positive_words": mined.positive_words.astype(np.int32).tolist(),
        **({"teachers": miner.labels.to_pylist()[:-2]} if miner.others else {}),
        "candidates": Candidates(
            {
                "doc_id": Coded(miner.corpus.doc_ids.array, mined.positions),
                "rank": mined.ranks,
                "score": mined.scores,
                "source": Coded(miner.labels, found_by),
                **{name: values for name, values in by_teacher.items() if values is not None},
                "positive_similarity": mined.positive_similarity,
                "reciprocal_rank": mined.reciprocal_ranks,
                "words": mined.words.astype(np.int32),
                "evidence": mined.evidence,
                **verdicts,
            }
        ),
    }
