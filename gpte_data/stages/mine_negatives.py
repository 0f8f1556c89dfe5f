"""Hard negatives: rank the corpus for each query, keep the best k with all that is known of them.

Nothing is deleted: every candidate stays in the row with its score, its rank, the estimated
probability that it is a positive that nobody labelled, a verdict and a reason. By default the
hardest are taken of which a share of at most `max_false_negatives` is expected to be false
(`mining.estimate`, `mining.choosing`); the rules of others are there beside it (`mining.rules`).
`select-negatives` chooses again from what is stored here, without a model.

Negatives that a recipe wrote for the query are candidates too, wherever they rank; their texts are
in a corpus that `passages` made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import Encoding, Options
from gpte_data.config import Identity, Runtime
from gpte_data.corpus import corpus_identity, open_corpus
from gpte_data.errors import BadOption
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.pairs import check_written, known_positives, ready
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage
from gpte_data.teachers import (
    KINDS,
    PRECOMPUTED,
    Teacher,
    dtype_of,
    open_teacher,
    teachers_identity,
)

if TYPE_CHECKING:
    from gpte_data.mining.miner import Miner

BM25 = "bm25"
QUERIES = 16_384
"""Queries searched together."""


class MineConfig(ChoiceConfig):
    """What to search, with what, and what counts as a negative."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus to take negatives from; may be given more than once."
    )
    teacher: Annotated[tuple[str, ...], Identity(teachers_identity)] = Field(
        ("st:all-MiniLM-L6-v2",),
        min_length=1,
        description=f"{KINDS}. Given more than once, or with bm25 after it: the candidates of all.",
    )
    fusion: Literal["rrf", "zscore"] = Field(
        "rrf", description="How several teachers rank together: reciprocal ranks, or z-scores."
    )
    top_k: int = Field(100, ge=1, description="Candidates kept for each query.")
    query_prompt: str = Field("", description="Put before each query when it is embedded.")
    doc_prompt: str = Field("", description="Put before each document when it is embedded.")
    dtype: Annotated[str, Runtime()] = Field(
        "auto", description="Of st:MODEL: float32, bfloat16 or float16; bfloat16 where it is fast."
    )
    max_length: int | None = Field(
        None,
        ge=1,
        description="Of st:MODEL and promptreps:MODEL (512): tokens of a text that are read.",
    )
    truncate_dim: int | None = Field(
        None, ge=1, description="Numbers of a vector that are kept (Matryoshka models)."
    )
    missing_positives: Literal["error", "drop"] = Field(
        "error", description="What to do with a positive that is not in the corpus."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; the type that a model runs in among it."""
        local = any(spec.startswith("st:") for spec in self.teacher)
        return super().identity() | ({"dtype": dtype_of(self.dtype)} if local else {})

    def by_order(self) -> bool:
        """Tell whether a teacher's vectors belong to pairs by their order in the whole input."""
        return any(teacher.in_order for teacher in self.open_teachers())

    def drops(self) -> bool:
        """Tell whether positives that are not in the corpus are left out."""
        return self.missing_positives == "drop"

    def options(self) -> Options:
        """Return how the teachers are reached and run."""
        return Options(
            encoding=Encoding(self.dtype, self.max_length, self.truncate_dim),
            base_urls=self.base_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def open_teachers(self) -> list[Teacher]:
        """Return the teachers with vectors; a model is loaded when it is first needed."""
        options = self.options()
        given = [spec for spec in self.teacher if spec.startswith(PRECOMPUTED)]
        if len(given) == len(self.teacher) and (
            options.encoding != Encoding() or self.query_prompt or self.doc_prompt
        ):
            raise BadOption(
                f"{given[0]} are vectors already: leave out the prompts, --dtype, --max-length and "
                "--truncate-dim"
            )
        return [
            open_teacher(spec, options, self.query_prompt, self.doc_prompt)
            for spec in self.teacher
            if spec != BM25
        ]


def _prepare(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Check the documents that all rows name, then make what vectors are missing."""
    from gpte_data.mining.opening import ensure

    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    for row in read():
        known_positives(row, corpus, drop=cfg.drops())
        check_written(row, corpus)
    for teacher in teachers:
        teacher.check(corpus, read)
    return ensure(corpus, teachers)


def _survey(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Fit the estimate to a sample of the queries; take all ids where vectors go by order."""
    corpus, by_order, query_ids = open_corpus(cfg.corpus), cfg.by_order(), []

    def good() -> Iterator[Row]:
        for row in read():
            if by_order:
                query_ids.append(row["query_id"])
            pair, problem, _ = ready(row, corpus, drop=cfg.drops())
            if problem is None:
                yield pair

    rows = good()
    found = _surveyed(cfg, rows)
    for _ in rows:  # where rules alone decide, there was nothing to survey
        pass
    return {**found, **({"query_ids": query_ids} if by_order else {})}


def _surveyed(cfg: MineConfig, rows: Iterable[Row]) -> Mapping[str, Any]:
    """Return what a sample of the rows tells of all; nothing where rules alone decide."""
    from gpte_data.mining.from_options import sample, survey_for
    from gpte_data.mining.rows import hits_of

    if cfg.budget() is None:
        return {}
    miner = open_miner(cfg)
    return survey_for(cfg, [hits_of(mined) for mined in miner.mine(sample(rows), Context())])


def open_miner(cfg: MineConfig, query_ids: Sequence[str] | None = None) -> "Miner":
    """Return the miner that a config asks for.

    Args:
        cfg: The config.
        query_ids: Of all pairs, in order, where a teacher's vectors are theirs by order.
    """
    from gpte_data.mining.opening import opened

    teachers = cfg.open_teachers()
    for teacher in teachers:
        if query_ids is not None and teacher.in_order:
            teacher.tell(query_ids)
    return opened(open_corpus(cfg.corpus), teachers, BM25 in cfg.teacher, cfg.top_k, cfg.fusion)


@stage(
    MineConfig,
    reads={"query_id", "query", "positives"},
    adds={"candidates", "positive_scores"},
    version=3,
    hooks=Hooks(
        prepare=_prepare,
        survey=_survey,
        surveys=lambda cfg: cfg.budget() is not None or cfg.by_order(),
    ),
)
def mine_negatives(rows: Iterable[Row], cfg: MineConfig, ctx: Context) -> Iterator[Event]:
    """Give each pair its scored and judged candidates."""
    from gpte_data.mining.filling import judged
    from gpte_data.mining.from_options import judge_of, settled

    corpus = open_corpus(cfg.corpus)
    rows, query_ids = _ids_of_all(rows, cfg, ctx)
    miner, judge = open_miner(cfg, query_ids), None
    source = iter(rows)
    while block := list(islice(source, QUERIES)):
        good = []
        for row in block:
            pair, problem, lost = ready(row, corpus, drop=cfg.drops())
            if lost:
                ctx.ledger.notes["positives not in the corpus, left out"] += lost
            if problem:
                yield Rejected(pair, problem)
            else:
                good.append(pair)
        if judge is None and good:
            # In a pipe there is no survey of the whole input: its first rows stand for it.
            judge = judge_of(cfg, ctx.shared if "price" in ctx.shared else _surveyed(cfg, good))
        for mined in miner.mine(good, ctx):
            assert judge is not None
            yield settled(judged(mined, miner, judge, cfg, ctx.ledger), cfg, ctx.ledger)
            ctx.tell(1, 0)
        ctx.tell(len(block) - len(good), 0)


def _ids_of_all(
    rows: Iterable[Row], cfg: MineConfig, ctx: Context
) -> tuple[Iterable[Row], Sequence[str] | None]:
    """Return the rows and, where a teacher's vectors are theirs by order, the ids of all rows."""
    if not cfg.by_order() or "query_ids" in ctx.shared:
        return rows, ctx.shared.get("query_ids")
    rows = list(rows)
    return rows, [row["query_id"] for row in rows]
