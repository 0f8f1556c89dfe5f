"""Is the pair itself good? Positives that do not answer their query, or anybody's, are taken out.

By a teacher, or several that must agree: the positive must rank among the best K of the whole
corpus for its query (--consistency; Promptagator, 2209.11755: 1, Nomic Embed, 2402.01613: 2,
CADET, 2502.19712: 20, KaLM, 2501.01028: 50), or have a least cosine to it (--min-cosine;
Qwen3-Embedding, 2506.05176: .7). By a reranker: a least score (--min-rerank-score), or a place
among the best of all pairs (--top-share; Doc2Query--, 2301.03266: .3; --top; InPars-v2, 2301.01820:
10,000). By a judge, a language model: least ratings for relevance, answerability and clarity; it is
asked about pairs alone that keep all other rules.

Each positive is judged for itself; what fails is named in the row as `dropped_positives`, and a row
without any left is dropped. What was measured stays in the row, so that another threshold can be
weighed by looking at it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from gpte_data.backends import RERANKERS, check
from gpte_data.corpus import open_corpus
from gpte_data.judges.rubric import check_rubric
from gpte_data.pair_rules.options import BY_PLACE, PairsConfig
from gpte_data.prompt_lint import warn
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.verdicts import settled

Measure = Callable[[Sequence[Row]], Iterator[Row]]
QUERIES = 12_288
"""Queries measured together: so often less is the whole corpus looked at."""


def _prepare(cfg: PairsConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Check all rows and models, then make what vectors are missing."""
    from gpte_data.pair_rules.ready import ready

    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    for row in read():
        ready(row, corpus, drop=cfg.drops())
    for teacher in teachers:
        teacher.check(corpus, read)
    if cfg.reranker:
        check(cfg.reranker, RERANKERS, "reranker", cfg.reranker_options())
    if cfg.judge:
        check_rubric(load_recipe(cfg.prompt))
        warn(cfg.prompt)
        cfg.check_model()
    notes: dict[str, int] = {}
    for teacher in teachers:
        for note, count in teacher.ensure(corpus).items():
            notes[note] = notes.get(note, 0) + count
    return notes


def _survey(cfg: PairsConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Score all pairs where a share of them is kept; take all ids where vectors go by order."""
    from gpte_data.pair_rules.ready import ready
    from gpte_data.pair_rules.reranked import surveyed

    corpus = open_corpus(cfg.corpus)

    def good() -> Iterator[Row]:
        for row in read():
            pair, problem, _ = ready(row, corpus, drop=cfg.drops())
            if problem is None:
                yield pair

    found = surveyed(cfg, good, corpus) if cfg.asks_any(*BY_PLACE) else {"said": ""}
    return {**found, "query_ids": [row["query_id"] for row in read()] if _by_order(cfg) else []}


def _by_order(cfg: PairsConfig) -> bool:
    """Tell whether a teacher's vectors belong to pairs by their order in the whole input."""
    return any(teacher.in_order for teacher in cfg.open_teachers())


@stage(
    PairsConfig,
    reads={"query_id", "query", "positives"},
    adds={"dropped_positives", "dropped_rules"},
    version=1,
    hooks=Hooks(prepare=_prepare, survey=_survey, surveys=lambda cfg: cfg.looks_at_all()),
)
def filter_pairs(rows: Iterable[Row], cfg: PairsConfig, ctx: Context) -> Iterator[Event]:
    """Measure the positives of each pair, and keep those that keep all rules."""
    from gpte_data.pair_rules.judged import judged
    from gpte_data.pair_rules.rating import rated_rows

    shared = ctx.shared
    if cfg.looks_at_all() and not shared:  # a function's rows, or a pipe's, which have no survey
        rows = seen = list(rows)
        shared = _survey(cfg, lambda: seen)
    with ExitStack() as stack:
        events = _measured(rows, cfg, _measures(cfg, shared, ctx, stack), ctx)
        if cfg.judge:
            events = rated_rows(events, cfg, open_corpus(cfg.corpus), ctx)
        for event in events:
            yield judged(event, cfg, ctx.ledger.notes) if isinstance(event, dict) else event
            ctx.tell(1, 0)


def _measured(
    rows: Iterable[Row], cfg: PairsConfig, measured: Measure, ctx: Context
) -> Iterator[Event]:
    """Yield the rows with what was measured of them; those that can't be judged are rejected."""
    from gpte_data.pair_rules.ready import ready

    corpus, source = open_corpus(cfg.corpus), iter(rows)
    while block := list(islice(source, QUERIES)):
        good = []
        for row in block:
            pair, problem, lost = ready(row, corpus, drop=cfg.drops())
            if lost:
                ctx.ledger.notes["positives not in the corpus, left out"] += lost
            if problem:
                yield settled(pair, [problem])
            else:
                good.append(pair)
        yield from measured(good)


def _measures(
    cfg: PairsConfig, shared: Mapping[str, Any], ctx: Context, stack: ExitStack
) -> Measure:
    """Return what gives rows all that the rules ask of them; `stack` closes what it needs."""
    from gpte_data.pair_rules.consistency import Consistency
    from gpte_data.pair_rules.reranked import Reranked, scorer_of

    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    for teacher in teachers:
        if teacher.in_order and shared.get("query_ids"):
            teacher.tell(shared["query_ids"])
        teacher.ensure(corpus)
    by_teacher = Consistency(corpus, teachers, ranks=cfg.consistency is not None)
    by_reranker = None
    if cfg.reranker:
        scorer = stack.enter_context(scorer_of(cfg))
        stack.callback(lambda: scorer.note(ctx.ledger))
        by_reranker = Reranked(cfg, corpus, scorer, shared)

    def measured(rows: Sequence[Row]) -> Iterator[Row]:
        nothing: Iterable[Row] = ({} for _ in rows)
        first = by_teacher.measured(rows, ctx.ledger.notes) if teachers and rows else nothing
        second = by_reranker.measured(rows) if by_reranker else ({} for _ in rows)
        for row, one, other in zip(rows, first, second, strict=True):
            yield row | one | other

    return measured
