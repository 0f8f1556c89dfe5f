"""What becomes of a query whose candidates were judged.

A candidate that serves as well as a positive is a false negative: it is dropped, or becomes a
positive, or takes the query with it. One whose verdicts contradict each other, or that has none,
or that nobody looked at, is dropped: nothing unchecked is trained on. Grades stay with candidates,
so another action can be taken on the output of an earlier one, and nothing is asked for that.
"""

from collections import Counter
from typing import Any

from gpte_data.judges.grades import BEST, CONTRADICTORY, FLAGGED, IRRELEVANT, MISSING, PARTLY
from gpte_data.judges.options import JudgeConfig
from gpte_data.judges.panel import Case
from gpte_data.positives import added, only
from gpte_data.records import kept
from gpte_data.stage import Event, Row
from gpte_data.verdicts import RULES, dropped, settled

FALSE = "judge finds it as good as a positive"
IN_PART = "judge finds that it answers in part"
KEPT = "judge finds that it does not answer"
UNCONFIRMED = "flagged by the judge, not confirmed"
CONTRADICTS = "judge contradicts itself"
SILENT = "judge gave no verdict"
BEYOND = "beyond the judged depth"
PROMOTED = "promoted to a positive"
HAS_FALSE = "has false negatives"
TOO_MANY = "has too many false negatives"
_DROPPED = {CONTRADICTORY: CONTRADICTS, MISSING: SILENT}
_NOTES = {
    PARTLY: "candidates that answer in part",
    CONTRADICTORY: "candidates whose verdicts contradict each other",
    MISSING: "candidates without a verdict",
}
Hit = dict[str, Any]


def decided(case: Case, cfg: JudgeConfig, notes: Counter[str]) -> Event:
    """Return the row with the verdicts of its judges, or the row rejected.

    Args:
        case: With its grades.
        cfg: `action`, `partly`, `max_false_negatives`, `num_negatives`.
        notes: Where grades are counted, and where judges disagree.
    """
    again = case.row.get("judged_by") == cfg.judged_by()
    before = [hit if again else _ungraded(hit) for hit in case.row["candidates"]]
    hits = [_settled(dict(hit), case, cfg, notes) for hit in before]
    false = [hit for hit in hits if final(hit) in FLAGGED]
    row = case.row | {"candidates": hits, "judged_by": cfg.judged_by()}
    broken = [HAS_FALSE] if cfg.action == "drop-query" and false else []
    if len(false) > cfg.max_false_negatives:
        broken.append(TOO_MANY)
    if not broken:
        row = _acted(row, false, cfg, notes)
        if len(kept(row)) < cfg.num_negatives:
            notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
    return settled(row, broken)


def _ungraded(hit: Hit) -> Hit:
    """Return a candidate without the grades of other judges: nothing is done on their word."""
    return {name: value for name, value in hit.items() if name not in ("judged", "confirmed")}


def final(hit: Hit) -> str:
    """Return the grade of a candidate: the second judge's word where the first has flagged it."""
    judged = str(hit.get("judged", ""))
    return str(hit.get("confirmed", judged)) if judged in FLAGGED else judged


def _settled(hit: Hit, case: Case, cfg: JudgeConfig, notes: Counter[str]) -> Hit:
    """Return a candidate with its grades and the verdict by them; one dropped before stays so."""
    if hit.get("verdict") == "drop":
        return hit
    doc_id = hit["doc_id"]
    if doc_id not in case.judged:
        return dropped(hit, [BEYOND])
    given = {"judged": case.judged[doc_id], "confirmed": case.confirmed.get(doc_id)}
    hit |= given
    if hit["confirmed"] is None:
        del hit["confirmed"]
    _count(hit, notes)
    if rule := _rule(final(hit), cfg):
        return dropped(hit, [rule])
    reason = UNCONFIRMED if hit["judged"] in FLAGGED else IN_PART
    hit.pop(RULES, None)
    return hit | {"verdict": "keep", "reason": KEPT if hit["judged"] == IRRELEVANT else reason}


def _rule(grade: str, cfg: JudgeConfig) -> str:
    """Return what holds against a candidate of this grade, or nothing."""
    if grade in FLAGGED:
        return FALSE
    if grade == PARTLY:
        return IN_PART if cfg.partly == "drop" else ""
    return _DROPPED.get(grade, "")


def _count(hit: Hit, notes: Counter[str]) -> None:
    """Count what was said of a candidate, and whether the judges agree."""
    notes["candidates judged"] += 1
    if hit["judged"] in FLAGGED:
        notes["candidates flagged"] += 1
        if "confirmed" in hit:
            agreed = hit["confirmed"] in FLAGGED
            notes[f"candidates flagged, {'' if agreed else 'not '}confirmed"] += 1
    if (note := _NOTES.get(final(hit))) is not None:
        notes[note] += 1


def _acted(row: Row, false: list[Hit], cfg: JudgeConfig, notes: Counter[str]) -> Row:
    """Return the row after the action on its false negatives."""
    if cfg.action == "promote":
        for hit in false:
            row = _promoted(row, hit, notes)
    best = next((hit for hit in false if final(hit) == BEST), None)
    if cfg.action == "relabel" and best is not None and best["doc_id"] not in row["positives"]:
        before = list(row["positives"])
        row = _promoted(row, best, notes)
        row = only(row, [len(before)]) | {"relabelled_from": before}
    return row


def _promoted(row: Row, hit: Hit, notes: Counter[str]) -> Row:
    """Return the row with a candidate as its last positive."""
    doc_id = hit["doc_id"]
    if doc_id in row["positives"]:
        return row
    notes["candidates promoted"] += 1
    hits = [dropped(one, [PROMOTED, FALSE]) if one is hit else one for one in row["candidates"]]
    row = added(row, hit) | {"candidates": hits, "promoted": [*row.get("promoted", ()), doc_id]}
    if "negatives" in row:
        row["negatives"] = [name for name in row["negatives"] if name != doc_id]
    return row
