"""A judge as a stage's options ask for it."""

from collections.abc import Mapping
from typing import Any

from gpte_data.ledger import Ledger
from gpte_data.mining.judging import Judge, surveyed
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.rules import Rules
from gpte_data.mining.sampling import Sampling
from gpte_data.stage import Event, Rejected, Row


def rules_of(cfg: ChoiceConfig) -> Rules:
    """Return the rules that a config asks for."""
    return Rules(
        cfg.relative_margin, cfg.absolute_margin, cfg.margin_against, cfg.min_rank, cfg.max_rank,
        cfg.min_score, cfg.max_score, cfg.max_positive_similarity, cfg.same_text,
    )  # fmt: skip


def judge_of(cfg: ChoiceConfig, shared: Mapping[str, Any]) -> Judge:
    """Return the judge that a config asks for, with what a survey found."""
    sampling = Sampling(
        cfg.sampling or "top", cfg.temperature, (cfg.simans_a, cfg.simans_b), cfg.seed
    )
    fitted = surveyed(shared) if cfg.budget() is not None else (None, 0.0)
    return Judge(rules_of(cfg), sampling, cfg.num_negatives, *fitted)


def described(shared: dict[str, Any], cfg: ChoiceConfig) -> dict[str, Any]:
    """Return what a survey found, with a sentence for the user as `said`."""
    n, budget, got = cfg.num_negatives, cfg.budget() or 1.0, shared["false_negatives"]
    said = (
        f"of {n} negatives a query {got:.1%} are expected to be positives that nobody labelled, "
        f"{shared['unchecked']:.1%} without a budget ({shared['queries']:,} queries looked at)"
    )
    if got > budget * 1.01:
        said += f"; no choice of {n} comes down to {budget:.1%}: ask for fewer negatives"
    return shared | {"said": said}


def settled(row: Row, cfg: ChoiceConfig, books: Ledger) -> Event:
    """Return the row, or reject it where it has too few negatives and these are to be dropped."""
    verdicts = row["candidates"].columns["verdict"]
    have = verdicts.to_pylist().count("keep")
    if have >= cfg.num_negatives:
        return row
    if cfg.shortage == "drop":
        return Rejected(row, f"fewer than {cfg.num_negatives} negatives")
    books.notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
    return row
