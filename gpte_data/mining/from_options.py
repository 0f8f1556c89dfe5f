"""A judge as a stage's options ask for it."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

from gpte_data.ledger import Ledger
from gpte_data.mining.ceilings import with_ceilings
from gpte_data.mining.judging import Hits, Judge, survey, surveyed
from gpte_data.mining.mixing import Mixture
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.own import Own
from gpte_data.mining.rules import Rules
from gpte_data.mining.sampling import Sampling
from gpte_data.randomness import bits
from gpte_data.stage import Event, Rejected, Row

SAMPLE = 500
"""Queries by which the estimate is fitted to a dataset."""


def rules_of(cfg: ChoiceConfig) -> Rules:
    """Return the rules that a config asks for."""
    return Rules(
        cfg.relative_margin, cfg.absolute_margin, cfg.margin_against, cfg.min_rank, cfg.max_rank,
        cfg.min_score, cfg.max_score, cfg.max_positive_similarity, cfg.same_text,
        cfg.min_reciprocal_rank, cfg.max_length_ratio,
    )  # fmt: skip


def judge_of(cfg: ChoiceConfig, shared: Mapping[str, Any]) -> Judge:
    """Return the judge that a config asks for, with what a survey found."""
    sampling = Sampling(
        cfg.sampling or "top", cfg.temperature, (cfg.simans_a, cfg.simans_b), cfg.seed
    )
    unfitted = None, 0.0, Mixture(cfg.earlier_share)
    fitted = surveyed(shared) if cfg.budget() is not None else unfitted
    return Judge(rules_of(cfg), sampling, cfg.num_negatives, *fitted)


def sample(rows: Iterable[Row]) -> list[Row]:
    """Return the queries that a survey looks at, the same in any order of the rows."""
    return nsmallest(SAMPLE, rows, key=lambda row: bits(0, row["query_id"], "survey"))


def survey_for(cfg: ChoiceConfig, found: Sequence[Hits], own: Own | None = None) -> dict[str, Any]:
    """Return what a survey of some queries finds, with a sentence for the user as `said`.

    Args:
        cfg: What counts as a negative.
        found: The queries.
        own: What the dataset's queries with several positives say.
    """
    n, budget = cfg.num_negatives, cfg.budget() or 1.0
    shared = survey(found, rules_of(cfg), n, budget, cfg.earlier_share, own)
    got = shared["false_negatives"]
    said = (
        f"of {n} negatives a query {got:.1%} are expected to be positives that nobody labelled, "
        f"{shared['unchecked']:.1%} without a budget ({shared['queries']:,} queries looked at)"
    )
    if own is not None:
        said += "; fitted to positives that were hidden"
    if shared["earlier"]:
        said += f"; {shared['earlier']:.0%} are earlier candidates"
    if got > budget * 1.01:
        said += f"; no choice of {n} comes down to {budget:.1%}: ask for fewer negatives"
    return shared | {"said": said}


def settled(row: Row, cfg: ChoiceConfig, books: Ledger) -> Event:
    """Return the row, or reject it where it has too few negatives and these are to be dropped."""
    choices = row["candidates"].columns["choice"]
    have = len(choices) - choices.null_count
    row = with_ceilings(row, rules_of(cfg), cfg.num_negatives, books)
    if have >= cfg.num_negatives:
        return row
    if cfg.shortage == "drop":
        return Rejected(row, f"fewer than {cfg.num_negatives} negatives")
    books.notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
    return row
