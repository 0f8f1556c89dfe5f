"""A probe from beginning to end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gpte_data.backends import EMBEDDERS, Options, parse_spec
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.files import alone
from gpte_data.probing import evaluation, reading
from gpte_data.probing.choosing import Counted, choose, split_off
from gpte_data.probing.evaluation import Evaluation, Judged
from gpte_data.probing.library import Library
from gpte_data.probing.measuring import measured
from gpte_data.probing.numbering import numbers, rows_of
from gpte_data.probing.summary import summary
from gpte_data.probing.training import Rows, Settings, Trained, train
from gpte_data.teachers import open_model
from gpte_data.teachers.model import ModelTeacher


@dataclass(frozen=True)
class Asked:
    """What a user asks for."""

    shards: Path
    evaluation: Path
    split: str = "test"
    teacher: str = "st:all-MiniLM-L6-v2"
    corpus: tuple[Path, ...] = ()
    cache: Path | None = None
    rows: int = 20_000
    negatives: int = 10
    seeds: int = 5
    seed: int = 0
    query_prompt: str = ""
    doc_prompt: str = ""
    options: Options = field(default_factory=Options)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Probed:
    """What a probe has found: plain values, and the maps of each seed."""

    found: dict[str, Any]
    trained: list[Trained]
    teacher: ModelTeacher

    @property
    def best(self) -> Trained:
        """Return the training whose held-out rows gained most; the evaluation has no say in it."""
        return max(self.trained, key=lambda one: (one.after - one.before, -one.seed))


def probe(asked: Asked) -> Probed:
    """Train maps on a dataset's rows and try them on an evaluation's queries.

    Raises:
        UserError: Something that is asked for can't be done, in one sentence.
    """
    started = time.monotonic()
    shards = reading.shards_of(asked.shards)
    teacher = _teacher(asked)
    evaluation.check(asked.evaluation, asked.split)
    data = reading.opened(shards, asked.corpus, asked.negatives)
    with _folder(asked.cache) as folder:
        library = Library(asked.corpus, folder)
        tried = evaluation.load(asked.evaluation, asked.split, library)
        chosen = choose(data, tried, library, asked.rows, asked.seed)
        count = split_off(tried, chosen)
        _check(count, asked)
        found = numbers(chosen, library, by_id=data.by_id)
        corpus = library.whole()
        teacher.check(corpus, lambda: ())
        notes = {**teacher.ensure(corpus), **tried.notes}
        rows = rows_of(chosen, found, corpus, teacher)
        begun = time.monotonic()
        trained = [train(rows, asked.settings, asked.seed + n) for n in range(asked.seeds)]
        seconds = time.monotonic() - begun
        values = _values(count.queries, tried, corpus, teacher, trained)
    told = {
        "shards": str(shards),
        "evaluation": str(asked.evaluation),
        "split": asked.split,
        "teacher": asked.teacher,
        "queries": len(tried.queries),
        "queries_counted": len(count.queries),
        "left_out_by_document": count.by_document,
        "left_out_by_query": count.by_query,
        "documents": len(tried.documents),
        **summary(values, trained, asked.seed),
        "rows": chosen.rows,
        "rows_used": len(chosen.examples),
        "rows_empty": chosen.empty,
        "also_negatives": _also_negative(count.queries, rows, tried),
        "notes": notes,
        "seconds_training": round(seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
    }
    return Probed(told, trained, teacher)


def _check(count: Counted, asked: Asked) -> None:
    """Raise BadInput if no query counts."""
    if not count.queries:
        raise BadInput(
            f"all {count.by_document + count.by_query:,} queries of {asked.evaluation}, "
            f"{asked.split}, are left out, since their relevant documents are positives of the "
            "training data, or they are queries there: give an evaluation that shares neither"
        )


def _teacher(asked: Asked) -> ModelTeacher:
    """Return the teacher; raise BadOption for one that can't embed new texts by itself."""
    parse_spec(asked.teacher, EMBEDDERS, "teacher that embeds texts")
    return open_model(asked.teacher, asked.options, asked.query_prompt, asked.doc_prompt)


@contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """Yield where vectors of texts lie that no corpus holds."""
    if cache is None:
        with TemporaryDirectory(prefix="gpte-data-probe-") as folder:
            yield Path(folder)
        return
    with alone(cache):
        yield cache


def _values(
    judged: list[Judged], tried: Evaluation, corpus: Corpus, teacher: ModelTeacher,
    trained: Sequence[Trained],
) -> Any:  # fmt: skip
    """Return each measure of each query, before and after, (1 + seeds, queries, 2)."""
    queries = teacher.queries([{"query": one.query} for one in judged]).vectors
    documents = teacher.documents(corpus)
    every = [None, *(one.maps for one in trained)]
    return np.stack([measured(judged, queries, documents, tried.documents, maps) for maps in every])


def _also_negative(judged: list[Judged], rows: Rows, tried: Evaluation) -> int:
    """Return how many queries have a relevant document that is a negative of training rows."""
    negatives = set(np.unique(np.concatenate(rows.negatives)).tolist())
    return sum(
        any(int(tried.documents[place]) in negatives for place in one.places) for one in judged
    )
