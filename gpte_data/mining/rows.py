"""What was mined, as a judge looks at it and as a row keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.candidates import Candidates
from gpte_data.mining.judging import Hits
from gpte_data.mining.miner import Mined, Miner
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
            "earlier": mined.earlier[0] > 0,
        },
        mined.evidence,
        mined.positive_scores,
        mined.positive_evidence,
    )


def row_of(mined: Mined, miner: Miner, verdicts: Mapping[str, Any]) -> Row:
    """Return the row with its candidates."""
    labels = [miner.teacher.label, *(other.label for other in miner.others)]
    told = {"source": _sources(mined, miner, labels)}
    if miner.earlier is not None:
        places = mined.earlier[0]
        told["earlier_rank"] = pa.array(places, mask=places == 0)
    if miner.others:
        told |= {"teacher_scores": mined.teacher_scores, "teacher_ranks": mined.teacher_ranks}
    ids = miner.corpus.doc_ids.take(mined.positions)
    return mined.row | {
        "positive_scores": mined.positive_scores.tolist(),
        "positive_ranks": mined.positive_ranks,
        "positive_evidence": mined.positive_evidence.tolist(),
        **({"teachers": labels} if miner.others or miner.earlier else {}),
        "candidates": Candidates(
            {
                "doc_id": ids,
                "rank": mined.ranks,
                "score": mined.scores,
                **told,
                "positive_similarity": mined.positive_similarity,
                "evidence": mined.evidence,
                **verdicts,
            }
        ),
    }


def _sources(mined: Mined, miner: Miner, labels: list[str]) -> Any:
    """Return who found each candidate; an earlier teacher is told from one of the same name."""
    names, numbers = [*labels, WRITTEN], mined.found_by
    if miner.earlier is not None:
        numbers = np.where(numbers < 0, len(names) + mined.earlier[1], numbers)
        names += [f"{one} (earlier)" if one in labels else one for one in miner.earlier.labels]
    return pa.array(names).take(pa.array(np.where(mined.written, len(labels), numbers)))
