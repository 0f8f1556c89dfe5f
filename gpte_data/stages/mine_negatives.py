"""Hard negatives: rank the corpus for each query, keep the best k with all that is known of them.

Nothing is deleted: every candidate stays in the row with its score, its rank, the estimated
probability that it is a positive that nobody labelled, a verdict and a reason. By default the
hardest are taken of which a share of at most `max_false_negatives` is expected to be false
(`mining.estimate`, `mining.choosing`); the rules of others are there beside it (`mining.rules`).
`select-negatives` chooses again from what is stored here, without a model.

Negatives that a recipe wrote for the query are candidates too, wherever they rank; their texts are
in a corpus that `passages` made.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import Encoding, Options
from gpte_data.config import Identity, Runtime
from gpte_data.corpus import Corpus, corpus_identity, open_corpus
from gpte_data.mining.options import ChoiceConfig
from gpte_data.mining.pairs import check_written, known_positives, ready
from gpte_data.randomness import bits
from gpte_data.records import WRITTEN
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage
from gpte_data.teachers import KINDS, Teacher, dtype_of, open_teacher, teachers_identity

if TYPE_CHECKING:
    from gpte_data.mining.judging import Hits
    from gpte_data.mining.miner import Mined, Miner
    from gpte_data.mining.seconds import Second

BM25 = "bm25"
QUERIES = 4096
"""Queries searched together."""
SAMPLE = 500
"""Queries by which the estimate is fitted to a dataset."""


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
        None, ge=1, description="Of st:MODEL: tokens of a text that are read, at most."
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

    def drops(self) -> bool:
        """Tell whether positives that are not in the corpus are left out."""
        return self.missing_positives == "drop"

    def open_teachers(self) -> list[Teacher]:
        """Return the teachers with vectors; a model is loaded when it is first needed."""
        encoding = Encoding(self.dtype, self.max_length, self.truncate_dim)
        options = Options(
            encoding=encoding,
            base_urls=self.base_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )
        return [
            open_teacher(spec, options, self.query_prompt, self.doc_prompt)
            for spec in self.teacher
            if spec != BM25
        ]


def _prepare(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Check the documents that all rows name, then make what vectors are missing."""
    corpus, teachers = open_corpus(cfg.corpus), cfg.open_teachers()
    for row in read():
        known_positives(row, corpus, drop=cfg.drops())
        check_written(row, corpus)
    for teacher in teachers:
        teacher.check(corpus, read)
    return _ensure(corpus, teachers)


def _ensure(corpus: Corpus, teachers: list[Teacher]) -> Mapping[str, int]:
    """Make what mining reads beside the corpus, where it is missing."""
    from gpte_data.mining.terms import ensure_terms

    ensure_terms(corpus)
    notes: Counter[str] = Counter()
    for teacher in teachers:
        notes.update(teacher.ensure(corpus))
    return notes


def _survey(cfg: MineConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Fit the estimate of false negatives to a sample of all queries."""
    corpus = open_corpus(cfg.corpus)
    prepared = (ready(row, corpus, drop=cfg.drops()) for row in read())
    good = (row for row, problem, _ in prepared if problem is None)
    sample = heapq.nsmallest(SAMPLE, good, key=lambda row: bits(0, row["query_id"], "survey"))
    return _surveyed(cfg, sample)


def _surveyed(cfg: MineConfig, rows: list[Row]) -> Mapping[str, Any]:
    from gpte_data.mining.from_options import described, rules_of
    from gpte_data.mining.judging import survey

    miner = open_miner(cfg)
    found = [hits_of(mined) for mined in miner.mine(rows, Context())]
    return described(survey(found, rules_of(cfg), cfg.num_negatives, cfg.budget() or 1.0), cfg)


@stage(
    MineConfig,
    reads={"query_id", "query", "positives"},
    adds={"candidates", "positive_scores"},
    version=2,
    hooks=Hooks(prepare=_prepare, survey=_survey, surveys=lambda cfg: cfg.budget() is not None),
)
def mine_negatives(rows: Iterable[Row], cfg: MineConfig, ctx: Context) -> Iterator[Event]:
    """Give each pair its scored and judged candidates."""
    from gpte_data.mining.from_options import judge_of, settled

    corpus = open_corpus(cfg.corpus)
    miner, judge = open_miner(cfg), None
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
            judge = judge_of(cfg, ctx.shared or _of_these(cfg, good))
        for mined in miner.mine(good, ctx):
            assert judge is not None
            yield settled(_row(mined, miner, judge.columns(hits_of(mined))), cfg, ctx.ledger)
            ctx.tell(1, 0)
        ctx.tell(len(block) - len(good), 0)


def _of_these(cfg: MineConfig, rows: list[Row]) -> Mapping[str, Any]:
    """Return a survey of the first rows, where the whole input can't be seen, as in a pipe."""
    if cfg.budget() is None:
        return {}
    return _surveyed(cfg, sorted(rows, key=lambda row: bits(0, row["query_id"], "survey"))[:SAMPLE])


def open_miner(cfg: MineConfig) -> "Miner":
    """Return the miner over the corpus' vectors, made now if `prepare` did not run."""
    from gpte_data.mining.bm25 import BM25Index
    from gpte_data.mining.lexical import Lexical
    from gpte_data.mining.miner import Miner
    from gpte_data.mining.seconds import DenseSecond, WordsSecond
    from gpte_data.mining.terms import Terms

    corpus, (first, *others) = open_corpus(cfg.corpus), cfg.open_teachers()
    _ensure(corpus, [first, *others])
    lexical = Lexical(Terms(corpus))
    seconds: list[Second] = [DenseSecond(one, one.documents(corpus)) for one in others]
    if BM25 in cfg.teacher:
        seconds.append(WordsSecond(BM25Index(lexical)))
    return Miner(
        corpus, first, first.documents(corpus), lexical, cfg.top_k, tuple(seconds), cfg.fusion
    )


def hits_of(mined: "Mined") -> "Hits":
    """Return what a judge looks at."""
    import numpy as np

    from gpte_data.mining.judging import Hits

    return Hits(
        mined.row["query_id"],
        {
            "score": mined.scores,
            "rank": mined.ranks,
            "positive_similarity": mined.positive_similarity,
            "sibling": mined.sibling,
            "written": mined.written,
            "dropped": np.zeros(len(mined.scores), dtype=bool),
            "own": mined.found_by == 0,
        },
        mined.evidence,
        mined.positive_scores,
        mined.positive_evidence,
    )


def _row(mined: "Mined", miner: "Miner", verdicts: Mapping[str, Any]) -> Row:
    """Return the row with its candidates."""
    import numpy as np
    import pyarrow as pa

    from gpte_data.candidates import Candidates

    labels = [miner.teacher.label, *(other.label for other in miner.others), WRITTEN]
    found_by = np.where(mined.written, len(labels) - 1, mined.found_by)
    by_teacher = {"teacher_scores": mined.teacher_scores, "teacher_ranks": mined.teacher_ranks}
    ids = miner.corpus.doc_ids.take(mined.positions)
    return mined.row | {
        "positive_scores": mined.positive_scores.tolist(),
        "positive_ranks": mined.positive_ranks,
        "positive_evidence": mined.positive_evidence.tolist(),
        **({"teachers": labels[:-1]} if miner.others else {}),
        "candidates": Candidates(
            {
                "doc_id": ids,
                "rank": mined.ranks,
                "score": mined.scores,
                "source": pa.array(labels).take(pa.array(found_by)),
                **{name: values for name, values in by_teacher.items() if values is not None},
                "positive_similarity": mined.positive_similarity,
                "evidence": mined.evidence,
                **verdicts,
            }
        ),
    }
