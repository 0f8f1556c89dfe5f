"""Queries with too few negatives, filled up with random documents of the corpus.

What is drawn hangs on the seed and the query alone. It is no positive, no chunk of a positive's
document and no candidate, and rules that guard against false negatives hold for it as for any
other; it stands behind all candidates, described as they are, and is taken after all of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gpte_data.backends.flat_index import exact_scores
from gpte_data.ledger import Ledger
from gpte_data.mining.described import Mined
from gpte_data.mining.judging import Judge
from gpte_data.mining.miner import Miner
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.pairs import no_negatives
from gpte_data.mining.rows import hits_of, row_of
from gpte_data.mining.rules import KEPT
from gpte_data.randomness import bits
from gpte_data.stage import Row

DRAWN = 1024
"""Documents that are drawn for a query at most; where rules leave too few of them, it stays short.
"""
TOGETHER = 32
"""Documents that are looked at together, before more are."""


def judged(mined: Mined, miner: Miner, judge: Judge, cfg: ChoiceConfig, books: Ledger) -> Row:
    """Return the row with its candidates and their verdicts, filled up if that is asked for."""
    columns = judge.columns(hits_of(mined))
    short = cfg.num_negatives - _least(mined, judge, columns) if cfg.shortage == "random" else 0
    if short > 0:
        drawn = _drawn(mined, miner, judge, short, cfg.seed)
        if len(drawn):
            mined = miner.extended(mined, drawn)
            columns = judge.columns(hits_of(mined))
            books.notes["queries filled up with random documents"] += 1
            added = columns["choice"].is_valid().to_numpy(zero_copy_only=False)[-len(drawn) :]
            books.notes["random documents taken as negatives"] += int(added.sum())
    return row_of(mined, miner, columns)


def _least(mined: Mined, judge: Judge, columns: Mapping[str, Any]) -> int:
    """Return how many negatives a query has; where each positive has its own, the fewest."""
    kept = columns["choice"].is_valid().to_numpy(zero_copy_only=False)
    ceilings = judge.rules.ceilings(mined.positive_scores)
    if ceilings is not None:
        kept &= (mined.scores <= ceilings.min()) | mined.written
    return int(kept.sum())


def _drawn(mined: Mined, miner: Miner, judge: Judge, wanted: int, seed: int) -> Any:
    """Return positions of random documents, up to as many as are wanted, hardest first."""
    total = len(miner.corpus.doc_ids)
    own = miner.places(no_negatives(mined.row))
    random = np.random.Generator(np.random.Philox(bits(seed, mined.row["query_id"], "random")))
    drawn = random.choice(total, min(total, DRAWN), replace=False)
    drawn = drawn[~np.isin(drawn, np.concatenate([mined.positions, own]))]
    rules = replace(judge.rules, against="min") if judge.rules.against == "each" else judge.rules
    # One by one where neighbours count: among fewer of them ranks are lower.
    step = TOGETHER if rules.min_reciprocal_rank is None else 1
    taken = np.zeros(0, dtype=np.int64)
    for start in range(0, len(drawn), step):
        some = drawn[start : start + step]
        found = hits_of(miner.extended(mined, some))
        free = rules.reasons(found.hits, found.positive_scores)[-len(some) :] == KEPT
        taken = np.concatenate([taken, some[free]])[:wanted]
        if len(taken) == wanted:
            break
    scores = exact_scores(miner.vectors.take(taken), mined.query)
    return taken[np.lexsort((miner.corpus.doc_ids.ranks[taken], -scores))]
