"""A language model's look at the negatives: those that answer the query after all are found.

After RLHN (2505.16967): a cheap model is shown a query, its positives and up to 25 candidates side
by side, and flags those that serve as well as a positive; a stronger one (--confirm) looks at these
alone, and what both flag is a false negative. It is dropped, or the query with it, or it becomes a
positive; or the best document of all becomes the positive, as in Gecko's relabelling (2403.20327).

What a miner or a reranker has dropped stays dropped and is not shown. Candidates beyond --depth,
without a verdict, or with verdicts that contradict each other are dropped: nothing unchecked is
trained on. Grades stay with the candidates (`judged`, `confirmed`): on its own output the stage
asks nothing, and can take another --action or --partly.
"""

from collections.abc import Callable, Iterable, Iterator

from gpte_data.backends.journal import Journal
from gpte_data.corpus import open_corpus
from gpte_data.judges.cases import cases_of, check_row
from gpte_data.judges.deciding import decided
from gpte_data.judges.grades import check_judge
from gpte_data.judges.options import JudgeConfig
from gpte_data.judges.panel import heard
from gpte_data.prompt_lint import warn
from gpte_data.recipes import load_recipe
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage


def _prepare(cfg: JudgeConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether prompt, models, corpus and documents are there."""
    check_judge(load_recipe(cfg.prompt))
    cfg.check_models()
    warn(cfg.prompt)
    corpus = open_corpus(cfg.corpus)
    for row in read():
        check_row(row, cfg, corpus)


@stage(
    JudgeConfig,
    reads={"query_id", "query", "positives", "candidates"},
    adds={"candidates", "judged_by", "promoted", "relabelled_from"},
    version=1,
    hooks=Hooks(prepare=_prepare),
)
def judge_negatives(rows: Iterable[Row], cfg: JudgeConfig, ctx: Context) -> Iterator[Event]:
    """Give each kept candidate the grades of its judges and a verdict by them."""
    check_judge(load_recipe(cfg.prompt))
    first, second = cfg.members(ctx)
    journal = Journal(ctx.journal)
    cases = cases_of(rows, cfg, open_corpus(cfg.corpus))
    try:
        for case in heard(cases, first, second, journal, ctx):
            ctx.tell(1, 0)
            if case.failure is not None:
                raw = {"raw": case.failure.raw} if case.failure.raw else {}
                yield Rejected(case.row | raw, case.failure.error, failed=True)
            else:
                yield decided(case, cfg, ctx.ledger.notes)
    finally:
        journal.close()
