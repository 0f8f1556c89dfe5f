"""What was mined, as a judge looks at it and as a row keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.candidates import Candidates
from gpte_data.mining.described import Mined
from gpte_data.mining.judging import Hits
from gpte_data.mining.miner import Miner
from gpte_data.records import WRITTEN
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
    labels = [miner.teacher.label, *(other.label for other in miner.others), WRITTEN]
    found_by = np.where(mined.written, len(labels) - 1, mined.found_by)
    by_teacher = {"teacher_scores": mined.teacher_scores, "teacher_ranks": mined.teacher_ranks}
    ids = miner.corpus.doc_ids.take(mined.positions)
    return mined.row | {
        "positive_scores": mined.positive_scores.tolist(),
        "positive_ranks": mined.positive_ranks,
        "positive_evidence": mined.positive_evidence.tolist(),
        **({"teachers": labels[:-1]} if miner.others else {}),
        "candidates": Candidates(
            {
                "doc_id": ids,
                "rank": mined.ranks,
                "score": mined.scores,
                "source": pa.array(labels).take(pa.array(found_by)),
                **{name: values for name, values in by_teacher.items() if values is not None},
                "positive_similarity": mined.positive_similarity,
                "evidence": mined.evidence,
                **verdicts,
            }
        ),
    }
