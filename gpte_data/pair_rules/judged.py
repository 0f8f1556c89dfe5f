"""What becomes of a pair: positives against which a rule holds are taken out of its row."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gpte_data.pair_rules.options import PairsConfig
from gpte_data.pair_rules.reranked import least
from gpte_data.positives import only
from gpte_data.stage import Event, Row
from gpte_data.verdicts import settled

SCORE = "reranker score below the floor"
PLACE = "not among the best pairs by reranker score"
COSINE = "cosine below the floor"
RANK = "not among the best of the corpus for its query"
RULES = (SCORE, PLACE, COSINE, RANK)
"""What may hold against a positive, the surest first."""
MEASURED = (
    "positive_consistency_scores", "positive_consistency_ranks", "consistency_teachers",
    "positive_pair_scores",
)  # fmt: skip
"""Fields that `--no-keep-scores` leaves out; places stay, since they can't be measured again."""


def judged(row: Row, cfg: PairsConfig, notes: Counter[str]) -> Event:
    """Return the row with the positives that keep all rules, or the row rejected if none does.

    Args:
        row: With all that was measured of its positives.
        cfg: The rules.
        notes: Where positives taken out of rows that stay are counted.
    """
    broken = [_broken(row, place, cfg) for place in range(len(row["positives"]))]
    if all(broken):
        return settled(row, [rule for rule in RULES if any(rule in one for one in broken)])
    lost = [place for place, rules in enumerate(broken) if rules]
    for place in lost:
        notes[f"positives taken out: {broken[place][0]}"] += 1
    if lost:
        row = _without(row, lost, broken)
    if not cfg.keep_scores:
        row = {name: value for name, value in row.items() if name not in MEASURED}
    return settled(row, [])


def _without(row: Row, lost: Sequence[int], broken: Sequence[list[str]]) -> Row:
    """Return the row without some positives, which stay named beside the others."""
    kept = [place for place in range(len(broken)) if place not in lost]
    ids = [row["positives"][place] for place in lost]
    return only(row, kept) | {
        "dropped_positives": [*row.get("dropped_positives", ()), *ids],
        "dropped_rules": [*row.get("dropped_rules", ()), *(broken[place] for place in lost)],
    }


def _broken(row: Row, place: int, cfg: PairsConfig) -> list[str]:
    """Return the rules that hold against one positive, the surest first."""
    found = set()
    score, rank = "positive_pair_scores", "positive_consistency_ranks"
    if cfg.min_rerank_score is not None and row[score][place] < cfg.min_rerank_score:
        found.add(SCORE)
    if cfg.asks_any("top", "top_share") and _behind(row, place, cfg):
        found.add(PLACE)
    if cfg.min_cosine is not None:
        lower = [one < cfg.min_cosine for one in row["positive_consistency_scores"][place]]
        if _against(lower, cfg):
            found.add(COSINE)
    if cfg.consistency is not None and _against(
        [n > cfg.consistency for n in row[rank][place]], cfg
    ):
        found.add(RANK)
    return [rule for rule in RULES if rule in found]


def _behind(row: Row, place: int, cfg: PairsConfig) -> bool:
    """Tell whether a positive stands behind the last place that is kept."""
    return bool(row["positive_pair_places"][place] > least(cfg, row["pair_population"]))


def _against(by_teacher: Sequence[Any], cfg: PairsConfig) -> bool:
    """Tell whether a rule holds, given for each teacher whether it does by its numbers."""
    return any(by_teacher) if cfg.agree == "all" else all(by_teacher)
