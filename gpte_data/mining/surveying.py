"""What is found out from a sample of all queries before the first of them is mined for good."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpte_data.mining.estimate import by_rank
from gpte_data.mining.from_options import sample, survey_for
from gpte_data.mining.judging import Hits
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.miner import Miner
from gpte_data.mining.own import Own
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
        shared = survey_for(cfg, found, own_of(miner, some, found))
        said.append(shared["said"])
    if cfg.search().kind != "flat":
        shared = shared | measured(miner, some, cfg.search())
        said.append(shared["said"])
    return shared | {"said": "\n".join(said)}


def own_of(miner: Miner, rows: Sequence[Row], found: Sequence[Hits]) -> Own | None:
    """Return what the rows that have several positives say; None where they are too few.

    Of each of them one positive, drawn by its id, stays known.
    """
    several = [n for n, row in enumerate(rows) if len(row["positives"]) > 1]
    one_known = [rows[n] | {"positives": [_known(rows[n])]} for n in several]
    labelled, every = [np.zeros(len(one.evidence), dtype=bool) for one in found], list(found)
    for n, mined in zip(several, miner.mine(one_known, Context()), strict=True):
        positions = [miner.corpus.position[doc_id] for doc_id in rows[n]["positives"]]
        labelled[n], every[n] = np.isin(mined.positions, positions), hits_of(mined)
    ranked = [(one, by_rank(one.evidence, one.hits["own"])) for one in every]
    return refitted(
        [one.evidence[order] for one, order in ranked],
        [one.positive_evidence for one in every],
        [one[order] for one, (_, order) in zip(labelled, ranked, strict=True)],
    )


def _known(row: Row) -> str:
    """Return the positive that stays known."""
    return str(min(row["positives"], key=lambda doc: bits(0, row["query_id"], doc, "known")))
