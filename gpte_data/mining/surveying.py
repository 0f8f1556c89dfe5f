"""What is found out from a sample of all queries before the first of them is mined for good."""

import heapq
from collections.abc import Iterable
from typing import Any

from gpte_data.backends.index_settings import Search
from gpte_data.mining.from_options import described, rules_of
from gpte_data.mining.judging import survey
from gpte_data.mining.miner import Miner
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.recall import measured
from gpte_data.mining.rows import hits_of
from gpte_data.randomness import bits
from gpte_data.stage import Context, Row

SAMPLE = 500
"""Queries by which the estimate is fitted to a dataset."""


def _sample(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that stand for all, the same whatever their order."""
    return heapq.nsmallest(SAMPLE, rows, key=lambda row: bits(0, row["query_id"], "survey"))


def surveyed(
    miner: Miner, rows: Iterable[Row], cfg: ChoiceConfig, search: Search
) -> dict[str, Any]:
    """Fit the estimate of false negatives, and measure what an index misses, as far as asked for.

    Args:
        miner: What mines.
        rows: All that can be seen beforehand; a sample of them is looked at.
        cfg: What counts as a negative.
        search: How vectors are searched.

    Returns:
        What judges and books are told, with sentences for the user as `said`.
    """
    shared: dict[str, Any] = {}
    sample, said = _sample(rows), []
    if cfg.budget() is not None:
        found = [hits_of(mined) for mined in miner.mine(sample, Context())]
        shared = survey(found, rules_of(cfg), cfg.num_negatives, cfg.budget() or 1.0)
        shared = described(shared, cfg)
        said.append(shared["said"])
    if search.kind != "flat":
        shared = shared | measured(miner, sample, search)
        said.append(shared["said"])
    return shared | {"said": "\n".join(said)}
