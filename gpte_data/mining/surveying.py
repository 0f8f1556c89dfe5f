"""What is found out from a sample of all queries before the first of them is mined for good."""

from collections.abc import Iterable
from typing import Any

from gpte_data.mining.from_options import sample, survey_for
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.miner import Miner
from gpte_data.mining.recall import measured
from gpte_data.mining.rows import hits_of
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
        shared = survey_for(cfg, [hits_of(mined) for mined in miner.mine(some, Context())])
        said.append(shared["said"])
    if cfg.search().kind != "flat":
        shared = shared | measured(miner, some, cfg.search())
        said.append(shared["said"])
    return shared | {"said": "\n".join(said)}
