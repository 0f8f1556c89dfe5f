"""What was mined, as a judge looks at it and as a row keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

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
            "own": ((mined.found_by == 0) | mined.written) & ~mined.random,
            "earlier": mined.earlier[0] > 0,
        },
        mined.evidence,
        mined.positive_scores,
        mined.positive_evidence,
    )


def row_of(mined: Mined, miner: Miner, verdicts: Mapping[str, Any]) -> Row:
    """Return the row with its candidates."""
    told: dict[str, Any] = {"source": _sources(mined, miner)}
    if miner.earlier is not None:
        told["earlier_rank"] = pa.array(mined.earlier[0], mask=mined.earlier[0] == 0)
    if miner.others:
        told |= {"teacher_scores": mined.teacher_scores, "teacher_ranks": mined.teacher_ranks}
    return mined.row | {
        "positive_scores": mined.positive_scores.tolist(),
        "positive_ranks": mined.positive_ranks,
        "positive_evidence": mined.positive_evidence.tolist(),
        "positive_words": mined.positive_words.astype(np.int32).tolist(),
        **({"teachers": miner.teachers} if miner.others or miner.earlier else {}),
        "candidates": Candidates(
            {
                "doc_id": Coded(miner.corpus.doc_ids.array, mined.positions),
                "rank": mined.ranks,
                "score": mined.scores,
                **told,
                "positive_similarity": mined.positive_similarity,
                "reciprocal_rank": mined.reciprocal_ranks,
                "words": mined.words.astype(np.int32),
                "evidence": mined.evidence,
                **verdicts,
            }
        ),
    }


def _sources(mined: Mined, miner: Miner) -> Coded:
    """Return who found each candidate."""
    written = len(miner.teachers)
    random, earlier = written + 1, written + 2
    numbers = np.where(mined.found_by < 0, earlier + mined.earlier[1], mined.found_by)
    numbers = np.where(mined.random, random, numbers)
    return Coded(miner.labels, np.where(mined.written, written, numbers))
