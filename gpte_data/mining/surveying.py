"""What is found out from a sample of all queries before the first of them is mined for good."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from gpte_data.mining.from_options import sample, survey_for
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.miner import Miner
from gpte_data.mining.recall import measured
from gpte_data.mining.refitting import refitted
from gpte_data.mining.rows import hits_of
from gpte_data.randomness import bits
from gpte_data.stage import Context, Row


def surveyed(miner: Miner, rows: Iterable[Row], cfg: MineConfig) -> dict[str, Any]:
    """Fit the estimate of false negatives, and measure what an index misses, as far as asked for.

    Args:
        miner: What mines.
        rows: All that can be seen beforehand; a sample of them is looked at.
        cfg: What is searched, and what counts as a negative.

    Returns:
        What judges and books are told, with sentences for the user as `said`.
    """
    shared: dict[str, Any] = {}
    some, said = sample(rows), []
    if cfg.budget() is not None:
        found = [hits_of(mined) for mined in miner.mine(some, Context())]
        shared = survey_for(cfg, found, own_weights(miner, some))
        said.append(shared["said"])
    if cfg.search().kind != "flat":
        shared = shared | measured(miner, some, cfg.search())
        said.append(shared["said"])
    return shared | {"said": "\n".join(said)}


def own_weights(miner: Miner, rows: Iterable[Row]) -> list[float] | None:
    """Return weights fitted to the rows that have several positives; None where they are too few.

    Of each row one positive, drawn by its id, stays known.
    """
    hidden, one_known = [], []
    for row in rows:
        if len(row["positives"]) > 1:
            known = min(row["positives"], key=lambda doc: bits(0, row["query_id"], doc, "known"))
            hidden.append([doc for doc in row["positives"] if doc != known])
            one_known.append(row | {"positives": [known]})
    positions = [[miner.corpus.position[doc] for doc in docs] for docs in hidden]
    mined = list(miner.mine(one_known, Context()))
    return refitted(
        [one.evidence for one in mined],
        [one.positive_evidence for one in mined],
        [np.isin(one.positions, of_row) for one, of_row in zip(mined, positions, strict=True)],
    )
