"""Hard negatives: rank the corpus for each query, keep the best k with all that is known of them.

Nothing is deleted: every candidate stays in the row with its score, its rank, the estimated
probability that it is a positive that nobody labelled, a verdict and a reason. By default the
hardest are taken of which a share of at most `max_false_negatives` is expected to be false
(`mining.estimate`, `mining.choosing`); the rules of others are there beside it (`mining.rules`).
`select-negatives` chooses again from what is stored here, without a model.

Negatives that a recipe wrote for the query are candidates too, wherever they rank; their texts are
in a corpus that `passages` made. So are those that an earlier mining took (`mining.earlier`), which
take turns with the new ones (`mining.mixing`).
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from gpte_data.corpus import open_corpus
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.pairs import check_written, known_positives, ready
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage

QUERIES = 12_288
"""Queries searched together."""


def _prepare(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Check the documents that all rows name, then make what vectors are missing."""
    from gpte_data.mining.opening import earlier_of, ensure

    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    earlier_of(cfg, corpus)
    for row in read():
        known_positives(row, corpus, drop=cfg.drops())
        check_written(row, corpus)
    for teacher in teachers:
        teacher.check(corpus, read)
    return ensure(corpus, teachers, cfg.search())


def _survey(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Look at a sample of all queries; take all ids where vectors go by order."""
    from gpte_data.mining.opening import open_miner
    from gpte_data.mining.surveying import surveyed

    corpus, by_order, query_ids = open_corpus(cfg.corpus), cfg.by_order(), []

    def good() -> Iterator[Row]:
        for row in read():
            if by_order:
                query_ids.append(row["query_id"])
            pair, problem, _ = ready(row, corpus, drop=cfg.drops())
            if problem is None:
                yield pair

    rows = good()
    found = surveyed(open_miner(cfg), rows, cfg) if cfg.looks_at_all() else {}
    for _ in rows:  # where rules alone decide, there was nothing to survey
        pass
    return {**found, **({"query_ids": query_ids} if by_order else {})}


@stage(
    MineConfig,
    reads={"query_id", "query", "positives"},
    adds={"candidates", "positive_scores"},
    version=3,
    hooks=Hooks(
        prepare=_prepare,
        survey=_survey,
        surveys=lambda cfg: cfg.looks_at_all() or cfg.by_order(),
    ),
)
def mine_negatives(rows: Iterable[Row], cfg: MineConfig, ctx: Context) -> Iterator[Event]:
    """Give each pair its scored and judged candidates."""
    from gpte_data.mining.filling import judged
    from gpte_data.mining.from_options import judge_of, settled
    from gpte_data.mining.opening import open_miner
    from gpte_data.mining.recall import note
    from gpte_data.mining.surveying import surveyed

    rows, query_ids = _ids_of_all(rows, cfg, ctx)
    miner, judge, shared = open_miner(cfg, query_ids), None, ctx.shared
    source = iter(rows)
    while block := list(islice(source, QUERIES)):
        good = yield from _ready(block, cfg, ctx)
        if judge is None and good:
            if cfg.looks_at_all() and "said" not in shared:
                # In a pipe the whole input can't be seen: its first rows stand for it.
                shared = surveyed(miner, good, cfg)
            judge = judge_of(cfg, shared)
        for mined in miner.mine(good, ctx):
            assert judge is not None
            note(ctx.ledger, shared.get("recall", ()), mined.row["query_id"])
            row = judged(mined, miner, judge, cfg, ctx.ledger) | shared.get("own", {})
            yield settled(row, cfg, ctx.ledger)
            ctx.tell(1, 0)
        ctx.tell(len(block) - len(good), 0)


def _ready(
    block: Iterable[Row], cfg: MineConfig, ctx: Context
) -> Generator[Event, None, list[Row]]:
    """Return the rows that can be mined for; yield the others as rejected."""
    corpus, good = open_corpus(cfg.corpus), []
    for row in block:
        pair, problem, lost = ready(row, corpus, drop=cfg.drops())
        if lost:
            ctx.ledger.notes["positives not in the corpus, left out"] += lost
        if problem:
            yield Rejected(pair, problem)
        else:
            good.append(pair)
    return good


def _ids_of_all(
    rows: Iterable[Row], cfg: MineConfig, ctx: Context
) -> tuple[Iterable[Row], Sequence[str] | None]:
    """Return the rows and, where a teacher's vectors are theirs by order, the ids of all rows."""
    if not cfg.by_order() or "query_ids" in ctx.shared:
        return rows, ctx.shared.get("query_ids")
    rows = list(rows)
    return rows, [row["query_id"] for row in rows]
