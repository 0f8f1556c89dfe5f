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
JUDGED = "rated lower by the judge in all"
RELEVANCE = "not relevant enough, says the judge"
ANSWERABILITY = "does not say what is asked, says the judge"
CLARITY = "query is not clear enough, says the judge"
RULES = (SCORE, PLACE, COSINE, RANK, JUDGED, RELEVANCE, ANSWERABILITY, CLARITY)
"""What may hold against a positive, the surest first."""
FLOORS = {
    JUDGED: ("min_judge_score", "positive_judge_scores"),
    RELEVANCE: ("min_relevance", "positive_relevance"),
    ANSWERABILITY: ("min_answerability", "positive_answerability"),
    CLARITY: ("min_clarity", "positive_clarity"),
}
"""Rule of the judge's -> the option with the least rating, and the field with the ratings."""
MEASURED = (
    "positive_consistency_scores", "positive_consistency_ranks", "consistency_teachers",
    "positive_pair_scores", "pair_judge", *(field for _, field in FLOORS.values()),
)  # fmt: skip
"""Fields that `--no-keep-scores` leaves out; places stay, since they can't be measured again."""


def judged(row: Row, cfg: PairsConfig, notes: Counter[str]) -> Event:
    """Return the row with the positives that keep all rules, or the row rejected if none does.

    Args:
        row: With all that was measured of its positives.
        cfg: The rules.
        notes: Where positives taken out of rows that stay are counted.
    """
    against = [broken(row, place, cfg) for place in range(len(row["positives"]))]
    if all(against):
        return settled(row, [rule for rule in RULES if any(rule in one for one in against)])
    lost = [place for place, rules in enumerate(against) if rules]
    for place in lost:
        notes[f"positives taken out: {against[place][0]}"] += 1
    if lost:
        row = _without(row, lost, against)
    if not cfg.keep_scores:
        row = {name: value for name, value in row.items() if name not in MEASURED}
    return settled(row, [])


def _without(row: Row, lost: Sequence[int], against: Sequence[list[str]]) -> Row:
    """Return the row without some positives, which stay named beside the others."""
    kept = [place for place in range(len(against)) if place not in lost]
    ids = [row["positives"][place] for place in lost]
    return only(row, kept) | {
        "dropped_positives": [*row.get("dropped_positives", ()), *ids],
        "dropped_rules": [*row.get("dropped_rules", ()), *(against[place] for place in lost)],
    }


def broken(row: Row, place: int, cfg: PairsConfig) -> list[str]:
    """Return the rules that hold against one positive, the surest first.

    Those of the judge's only where it has rated the positive.
    """
    found = _below(row, place, cfg)
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


def _below(row: Row, place: int, cfg: PairsConfig) -> set[str]:
    """Return the judge's rules that hold against one positive."""
    rated = {
        rule: (getattr(cfg, option), row[field][place])
        for rule, (option, field) in FLOORS.items()
        if row.get(field) is not None and getattr(cfg, option) is not None
    }
    return {rule for rule, (least, found) in rated.items() if found is not None and found < least}


def _behind(row: Row, place: int, cfg: PairsConfig) -> bool:
    """Tell whether a positive stands behind the last place that is kept."""
    return bool(row["positive_pair_places"][place] > least(cfg, row["pair_population"]))


def _against(by_teacher: Sequence[Any], cfg: PairsConfig) -> bool:
    """Tell whether a rule holds, given for each teacher whether it does by its numbers."""
    return any(by_teacher) if cfg.agree == "all" else all(by_teacher)
