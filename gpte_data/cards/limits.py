"""What one should know of the data before using them: how they were found, what may be wrong."""

from collections.abc import Mapping
from typing import Any

from gpte_data.cards.front import NO_MODEL, is_synthetic
from gpte_data.cards.tables import code, listed, nouns


def limits(facts: Mapping[str, Any]) -> str:
    """Say what one should know before one trusts these data."""
    lines = ["## Known limits\n"]
    found = facts.get("negatives_from", {})
    written = found.get("written", 0)
    mined = sum(found.values()) - written
    if mined:
        lines.append(
            f"- {mined:,} negatives were found by machine. No person has looked at them, and some "
            f"will answer their query all the same.{_estimate(facts)}"
        )
    if written:
        lines.append(f"- {written:,} negatives were written for their query by a language model.")
    if is_synthetic(facts):
        models = [name for name in facts["generator"] if name != NO_MODEL]
        made = sum(facts["generator"][name] for name in models)
        lines.append(
            f"- The queries of {nouns(made, 'example')} were written by machine "
            f"({listed([code(name) for name in models])}), and no person has read them. They have "
            "the habits of what wrote them, and are more alike than those of people."
        )
    if facts["limit"]:
        lines.append(f"- Only the first {nouns(facts['limit'], 'row')} of each dataset were read.")
    missing = [step["folder"] for step in facts["steps"] if step["missing"]]
    if missing:
        lines.append(
            "- The chain of steps is not whole: no longer is beside it what "
            f"{listed([code(name) for name in missing])} was made from."
        )
    lines.append(
        "- Personal data and unfit texts of the documents are here as they are there"
        f"{_filtered(facts)}."
    )
    return "\n".join(lines) + "\n"


def _filtered(facts: Mapping[str, Any]) -> str:
    stages = {step["stage"] for step in facts["steps"]}
    return ", but for what `filter-texts` took out" if "filter-texts" in stages else ""


def _estimate(facts: Mapping[str, Any]) -> str:
    """Say how many of the negatives are expected to be none."""
    found = facts.get("false_negatives", {"estimated": 0})
    if not found["estimated"]:
        return " How many has not been estimated."
    share = found["expected"] / found["estimated"]
    return (
        f" Of the {found['estimated']:,} that have an estimate, {share:.1%} are expected to "
        "be such false negatives."
    )
