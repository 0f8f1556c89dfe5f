"""A reranker's second look at the negatives: what it finds as good as the positive is dropped.

The verdict is the reranker's own: a candidate is dropped when its rerank score is above
`(1 - margin)` of the positive's (denoised negatives, RocketQA 2010.08191 §4.2, with a relative
margin instead of a fixed threshold, so that rerankers with other scales can be used). Beside it may
stand an absolute margin, a highest probability and ranks. With --max-false-negatives a score is
evidence instead, beside what mining has estimated, and the hardest are chosen anew within that
budget. All rules that hold are kept with the candidate. With --promote, a false negative that is
found becomes a positive where its score says so by itself; else it is dropped.

Candidates beyond --depth are dropped without a score, so no unchecked one reaches training. Each
score is kept beside the corpus: other rules on the same candidates ask no model.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from gpte_data.backends import RERANKERS, check
from gpte_data.backends.reranking import PROBABILITY
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.denoising.options import PROMOTE_ABOVE, FilterConfig
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.verdicts import settled

if TYPE_CHECKING:
    from gpte_data.denoising.looking import Looking
    from gpte_data.scoring.scorer import Scorer

FIRST = 500
"""Rows of a pipe that a budget is fitted to."""
QUERIES = 1024
"""Queries scored together: a document is read once for all of them."""
TOO_FEW = "too few negatives are left"


def _prepare(cfg: FilterConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether reranker, corpus and every document are there."""
    from gpte_data.denoising.block import Block

    cfg.check()
    check(cfg.reranker, RERANKERS, "reranker", cfg.options())
    corpus = open_corpus(cfg.corpus)
    source = iter(read())
    while rows := list(islice(source, QUERIES)):
        Block(rows, corpus)


def _survey(cfg: FilterConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Fit the budget to a sample of all queries."""
    from gpte_data.mining.from_options import sample

    return _fitted(cfg, sample(read()))


def _fitted(cfg: FilterConfig, rows: Sequence[Row]) -> Mapping[str, Any]:
    """Return the budget as plain values, fitted to some rows, and what there is to say of it."""
    from dataclasses import asdict

    from gpte_data.denoising.budget import fitted
    from gpte_data.denoising.chosen import sampled
    from gpte_data.scoring.scorer import open_scorer, scores_folder

    corpus, found = open_corpus(cfg.corpus), []
    folder = cfg.score_cache or scores_folder(cfg.corpus[0])
    with open_scorer(cfg.reranker, cfg.options(), folder) as scorer:
        look = _looking(cfg, corpus, scorer, None).looked(rows, lambda done: None)
        found = sampled(look, scorer.traits.scale)
    if not found:
        return {"budget": None, "said": "there are no candidates to choose from"}
    assert cfg.max_false_negatives is not None
    budget, expected = fitted(found, cfg.num_negatives, cfg.max_false_negatives, cfg.rerank_weight)
    said = (
        f"of {cfg.num_negatives} negatives a query {expected['false_negatives']:.1%} are expected "
        f"to be positives that nobody labelled, {expected['unchecked']:.1%} without a budget "
        f"({len(found):,} queries looked at)"
    )
    return {"budget": asdict(budget), "said": said}


@stage(
    FilterConfig,
    reads={"query_id", "query", "positives", "candidates"},
    adds={"candidates", "positive_rerank_scores", "reranker", "rerank_scale"},
    version=2,
    hooks=Hooks(
        prepare=_prepare,
        survey=_survey,
        surveys=lambda cfg: cfg.max_false_negatives is not None,
    ),
)
def filter_negatives(rows: Iterable[Row], cfg: FilterConfig, ctx: Context) -> Iterator[Event]:
    """Give each kept candidate a rerank score and a verdict by it."""
    from gpte_data.scoring.scorer import open_scorer, scores_folder

    cfg.check()
    corpus, source, shared = open_corpus(cfg.corpus), iter(rows), ctx.shared
    if cfg.max_false_negatives is not None and not shared:
        # In a pipe the whole input can't be seen: its first rows stand for it.
        first = list(islice(source, FIRST))
        source, shared = chain(first, source), _fitted(cfg, first)
    folder = cfg.score_cache or scores_folder(cfg.corpus[0])
    with open_scorer(cfg.reranker, cfg.options(), folder) as scorer:
        looking = _looking(cfg, corpus, scorer, shared.get("budget"))
        while block := list(islice(source, QUERIES)):
            for row in looking.at(block, lambda done: ctx.tell(done, 0)):
                yield _settled(row, cfg, ctx)
        scorer.note(ctx.ledger)


def _looking(
    cfg: FilterConfig, corpus: Corpus, scorer: "Scorer", budget: Mapping[str, Any] | None
) -> "Looking":
    """Return what judges rows as the options ask for it, with a budget if one was fitted."""
    from gpte_data.denoising.budget import Budget
    from gpte_data.denoising.looking import Looking
    from gpte_data.denoising.rules import Rules

    found = scorer.traits
    above = cfg.promote_above
    if above is None and found.scale == PROBABILITY:
        above = PROMOTE_ABOVE
    own = found.margin if cfg.max_false_negatives is None else None
    rules = Rules(
        own if cfg.margin is None else cfg.margin,
        cfg.absolute_margin, cfg.max_score, cfg.min_rerank_rank, cfg.max_rerank_rank,
        cfg.promote, above,
    )  # fmt: skip
    made = Budget(**budget) if budget is not None else None
    return Looking(corpus, scorer, rules, cfg.against, cfg.depth, made)


def _settled(row: Row, cfg: FilterConfig, ctx: Context) -> Event:
    """Return the row, or reject it where it has too few negatives and these are to be dropped."""
    import pyarrow.compute as pc

    notes, hits = ctx.ledger.notes, row["candidates"]
    kept = pc.sum(pc.equal(hits.columns["verdict"], "keep")).as_py() if len(hits) else 0
    if (kept or 0) >= cfg.num_negatives:
        return row
    if cfg.shortage == "drop":
        return settled(row, [TOO_FEW])
    notes[f"queries with fewer than {cfg.num_negatives} negatives"] += 1
    return row
