"""A judge's ratings of pairs: asked for positives that keep all other rules, and kept in the row.

Ratings by the same model, prompt and number of words are taken over from a row that has them, so
the stage asks nothing about its own output.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from gpte_data.backends.journal import Journal
from gpte_data.corpus import Corpus
from gpte_data.judges.rubric import RUBRIC, Rating, rated
from gpte_data.pair_rules.judged import broken
from gpte_data.pair_rules.options import PairsConfig
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Event, Row

ROWS = 1024
"""Rows whose texts are in memory together."""
RATED = {"score": "positive_judge_scores"} | {name: f"positive_{name}" for name in RUBRIC}
"""Name of a rating -> field that holds it for each positive."""
BY = "pair_judge"


def rated_rows(
    events: Iterable[Event], cfg: PairsConfig, corpus: Corpus, ctx: Context
) -> Iterator[Event]:
    """Yield the rows with ratings of their positives; null for those that other rules take out.

    A row of which a rating fails is rejected as failed, and asked about again by the next run.
    What is rejected already keeps its place.
    """
    judge, journal = cfg.judged_by(), Journal(ctx.journal)
    waiting: deque[Event] = deque()

    def pairs() -> Iterator[tuple[Row, str]]:
        source = iter(events)
        while block := list(islice(source, ROWS)):
            asked = [_asked(one, cfg, judge) if isinstance(one, dict) else [] for one in block]
            texts = corpus.texts(doc_id for ids in asked for doc_id in ids if doc_id)
            for event, ids in zip(block, asked, strict=True):
                one = _own(event, judge) if isinstance(event, dict) else event
                waiting.append(one)
                if isinstance(one, dict):
                    yield from ((one, texts[doc_id] if doc_id else "") for doc_id in ids)

    found: list[Rating] = []
    try:
        for rating in rated(pairs(), cfg, load_recipe(cfg.prompt), cfg.max_words, journal, ctx):
            yield from _rejected(waiting)
            found.append(rating)
            row = waiting[0]
            if isinstance(row, dict) and len(found) == len(row["positives"]):
                waiting.popleft()
                yield _said(row, found, judge)
                found = []
        yield from _rejected(waiting)
    finally:
        journal.close()


def _rejected(waiting: deque[Event]) -> Iterator[Event]:
    """Take what waits before the next row."""
    while waiting and not isinstance(waiting[0], dict):
        yield waiting.popleft()


def _own(row: Row, judge: str) -> Row:
    """Return the row with no other judge's ratings."""
    return row if row.get(BY) == judge else _unrated(row)


def _asked(row: Row, cfg: PairsConfig, judge: str) -> list[str]:
    """Return the positives to be rated, and nothing in place of the others."""
    old = row.get(RATED["score"]) if row.get(BY) == judge else None
    known = [score is not None for score in old] if old else [False] * len(row["positives"])
    return [
        "" if known[place] or broken(_unrated(row), place, cfg) else doc_id
        for place, doc_id in enumerate(row["positives"])
    ]


def _unrated(row: Row) -> Row:
    """Return the row without ratings, of whomever."""
    return {name: value for name, value in row.items() if name not in (BY, *RATED.values())}


def _said(row: Row, found: list[Rating], judge: str) -> Event:
    """Return the row with its ratings, or why it has none."""
    bad = next((one.rejected for one in found if one.rejected is not None), None)
    if bad is not None:
        return bad
    said: dict[str, Any] = {BY: judge}
    for name, field in RATED.items():
        before = row.get(field) or [None] * len(found)
        new = [one.scores[name] if one.scores is not None else None for one in found]
        said[field] = [old if one is None else one for old, one in zip(before, new, strict=True)]
    return row | said
