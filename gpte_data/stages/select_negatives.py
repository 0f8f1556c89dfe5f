"""Choose negatives again among candidates that `mine-negatives` stored: no model, no search.

Everything that mining knew of a candidate is in its row, so that a rule, a budget or a way of
sampling can be tried in seconds. Verdicts of a later stage (a reranker, a judge) stand: what it
dropped stays dropped; what this stage or mining dropped by a rule is judged afresh.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from gpte_data.candidates import Candidates, Coded, columns_of
from gpte_data.errors import BadInput, BadOption
from gpte_data.fields import FIELDS, arrow_types
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.own import Own
from gpte_data.records import RANDOM, WRITTEN, kept
from gpte_data.stage import Context, Event, Hooks, Row, stage

if TYPE_CHECKING:
    from gpte_data.mining.judging import Hits, Judge

CHUNK = "chunk of a positive's document"
JUDGED = ("false_negative", "choice", "verdict", "reason")


class SelectConfig(ChoiceConfig):
    """Which of the stored candidates become negatives."""

    max_queries_per_document: int | None = Field(
        None, ge=1, description="Take a document as a negative of at most so many queries."
    )

    @field_validator("shortage")
    @classmethod
    def _without_corpus(cls, value: str) -> str:
        """Raise BadOption for what needs a corpus."""
        if value == "random":
            raise BadOption(
                "--shortage random draws documents from the corpus, which select-negatives does "
                "not read: give it to mine-negatives"
            )
        return value

    def looks_at_all(self) -> bool:
        """Tell whether what is chosen hangs on the whole input."""
        return self.budget() is not None or self.max_queries_per_document is not None


def _survey(cfg: SelectConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Fit the estimate of false negatives to a sample of all queries, and find hubs among all."""
    shared = _surveyed(cfg, read()) if cfg.budget() is not None else {}
    if cfg.max_queries_per_document is None:
        return shared
    return {**shared, "hubs": _hubs(cfg, shared, read)}


def _hubs(
    cfg: SelectConfig, shared: Mapping[str, Any], read: Callable[[], Iterable[Row]]
) -> dict[str, int]:
    """Return the documents that too many queries would take, with the limit of each."""
    from gpte_data.mining.from_options import judge_of
    from gpte_data.mining.hubs import limits

    judge, budget = judge_of(cfg, shared), cfg.budget() is not None

    def taken(hubs: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
        for row in read():
            first = kept(_judged(row, judge, hubs, budget=budget))[: cfg.num_negatives]
            yield row["query_id"], [hit["doc_id"] for hit in first]

    assert cfg.max_queries_per_document is not None
    return limits(taken, cfg.max_queries_per_document)


def _surveyed(cfg: SelectConfig, rows: Iterable[Row]) -> Mapping[str, Any]:
    from gpte_data.mining.from_options import rules_of, sample, survey_for

    type_ = arrow_types()[FIELDS["candidates"]]
    needs = ["evidence", *rules_of(cfg).needs()]
    some = sample(rows)
    found = [_hits(row, columns_of(row["candidates"], type_), needs) for row in some]
    own = [Own.of(row) for row in some]
    alike = all(one == own[0] for one in own)  # not where several minings were put together
    return survey_for(cfg, found, own[0] if own and alike else None)


@stage(
    SelectConfig,
    reads={"query_id", "query", "positives", "candidates", "positive_scores"},
    adds={"candidates"},
    version=1,
    hooks=Hooks(survey=_survey, surveys=lambda cfg: cfg.looks_at_all()),
)
def select_negatives(rows: Iterable[Row], cfg: SelectConfig, ctx: Context) -> Iterator[Event]:
    """Give each stored candidate a verdict by the rules and the budget asked for."""
    from gpte_data.mining.from_options import SAMPLE, judge_of, settled

    shared = ctx.shared
    if cfg.looks_at_all() and not shared:  # a function's rows, or a pipe's, which have no survey
        source = iter(rows)
        seen = list(source if cfg.max_queries_per_document else islice(source, SAMPLE))
        rows, shared = chain(seen, source), _survey(cfg, lambda: seen)
    judge, budget = judge_of(cfg, shared), cfg.budget() is not None
    for row in rows:
        yield settled(_judged(row, judge, shared.get("hubs", {}), budget=budget), cfg, ctx.ledger)
        ctx.tell(1, 0)


def _judged(row: Row, judge: "Judge", hubs: Mapping[str, int], *, budget: bool) -> Row:
    """Return the row with new verdicts; what a reranker has dropped stays as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    old = columns_of(row["candidates"], arrow_types()[FIELDS["candidates"]])
    found = _hits(row, old, ["evidence"] * budget + judge.rules.needs())
    if hubs:
        found.hits["hub"][:] = _beyond(row["query_id"], old["doc_id"].to_pylist(), hubs)
    columns = {name: column for name, column in old.items() if name not in JUDGED}
    for name, column in judge.columns(found).items():
        made = column.arrow() if isinstance(column, Coded) else pa.array(column)
        before = old.get(name) if name != "choice" else None  # what is dropped has none
        if before is not None and found.hits["dropped"].any():
            made = pc.if_else(pa.array(found.hits["dropped"]), before, made.cast(before.type))
        columns[name] = made
    return row | {"candidates": Candidates(columns, len(row["candidates"]))}


def _by_filters(row: Row, columns: Mapping[str, Any], n: int) -> Any:
    """Tell which candidates are not this stage's to take back: a filter's drops.

    Once a reranker or a judge has looked at what was kept, all drops: it has not seen the others.
    The row tells, not its columns, which hang on the other rows of a shard.
    """
    import numpy as np

    if row.get("reranker") or row.get("judged_by") or "rerank_score" in columns:
        return np.ones(n, dtype=bool)
    rules = columns["rules"].is_valid() if "rules" in columns else [False] * n
    return np.array(rules, dtype=bool)


def _beyond(query_id: str, doc_ids: list[str], hubs: Mapping[str, int]) -> list[bool]:
    """Tell which documents are hubs that other queries have."""
    from gpte_data.mining.hubs import place

    return [doc in hubs and place(query_id, doc) > hubs[doc] for doc in doc_ids]


def _hits(row: Row, columns: Mapping[str, Any], needs: Sequence[str]) -> "Hits":
    """Return what a judge looks at; raise BadInput where mining has not left what it needs."""
    import numpy as np

    from gpte_data.mining.evidence import EVIDENCE, OF_POSITIVES
    from gpte_data.mining.judging import Hits
    from gpte_data.mining.lengths import lengths

    n = len(row["candidates"])
    wanted = ["score", "rank", "source", "positive_similarity", *needs]
    lacking = [name for name in wanted if n and name not in columns]
    of_row = {"evidence": "positive_evidence", "words": "positive_words"}
    lacking += [of for name, of in of_row.items() if name in needs and not row.get(of)]
    if lacking:
        raise BadInput(
            f"row {row['query_id']!r} has no {lacking[0]}: select-negatives reads what "
            "mine-negatives writes now; mine again"
        )

    def numbers(name: str, type_: type) -> Any:
        there = n and name in columns
        return np.asarray(columns[name], dtype=type_) if there else np.zeros(n, dtype=type_)

    def texts(name: str) -> Any:
        return np.array(columns[name].to_pylist() if name in columns else [None] * n, dtype=object)

    sources, labels = texts("source"), row.get("teachers", [])
    earlier, random = texts("earlier_rank") != None, texts("source") == RANDOM  # noqa: E711
    own = ~np.isin(sources, labels[1:]) & (~earlier | np.isin(sources, [*labels[:1], WRITTEN]))
    described = columns["evidence"].flatten() if n and "evidence" in needs else ()
    return Hits(
        row["query_id"],
        {
            "score": numbers("score", np.float32),
            "rank": numbers("rank", np.int32),
            "positive_similarity": numbers("positive_similarity", np.float32),
            "sibling": texts("reason") == CHUNK,
            "written": sources == WRITTEN,
            "random": random,
            "reciprocal_rank": numbers("reciprocal_rank", np.int32),
            **lengths(numbers("words", np.int32), row.get("positive_words", [1])),
            "hub": np.zeros(n, dtype=bool),
            "own": own & ~random,
            "earlier": earlier,
            "dropped": (texts("verdict") == "drop") & _by_filters(row, columns, n),
        },
        np.asarray(described, dtype=np.float32).reshape(-1, len(EVIDENCE)),
        np.array(row["positive_scores"], dtype=np.float32),
        np.array(row.get("positive_evidence", ()), np.float32).reshape(-1, len(OF_POSITIVES)),
    )
