"""A probe from beginning to end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpte_data.backends import EMBEDDERS, Options, parse_spec
from gpte_data.corpus import Corpus
from gpte_data.errors import BadInput
from gpte_data.files import alone
from gpte_data.manifest import check_finished
from gpte_data.probing import evaluation, reading
from gpte_data.probing.choosing import Chosen, choose, split_off
from gpte_data.probing.evaluation import Evaluation, Judged
from gpte_data.probing.library import Library
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
    seeds: int = 3
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
    check_finished(asked.shards)
    teacher = _teacher(asked)
    evaluation.check(asked.evaluation, asked.split)
    data = reading.opened(asked.shards, asked.corpus, asked.negatives)
    with _folder(asked.cache) as folder:
        library = Library(asked.corpus, folder)
        tried = evaluation.load(asked.evaluation, asked.split, library)
        chosen = choose(data, tried, library, asked.rows, asked.seed)
        count, *left_out = split_off(tried, chosen)
        if not count:
            raise BadInput(
                f"all {len(tried.queries):,} queries of {asked.evaluation}, {asked.split}, are left "
                "out, since their relevant documents are positives of the training data: give an "
                "evaluation that shares no documents with it"
            )
        numbers = _numbers(chosen, data, library)
        corpus = library.whole()
        teacher.check(corpus, lambda: ())
        notes = dict(teacher.ensure(corpus))
        embedded = time.monotonic()
        rows = _rows(chosen, numbers, corpus, teacher)
        trained = [train(rows, asked.settings, asked.seed + n) for n in range(asked.seeds)]
        seconds = time.monotonic() - embedded
        values = _values(count, tried, corpus, teacher, trained)
        also_negative = _also_negative(count, chosen, rows, tried)
    found = _summary(asked, values, trained) | {
        "rows": chosen.rows,
        "rows_used": len(chosen.examples),
        "rows_empty": chosen.empty,
        "queries": len(tried.queries),
        "queries_counted": len(count),
        "left_out_by_document": left_out[0],
        "left_out_by_query": left_out[1],
        "also_negatives": also_negative,
        "documents": len(tried.documents),
        "notes": notes | dict(tried.notes),
        "seconds_training": round(seconds, 1),
        "seconds": round(time.monotonic() - started, 1),
    }
    return Probed(found, trained, teacher)


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


def _numbers(chosen: Chosen, data: reading.TrainingData, library: Library) -> list[Any]:
    """Return for each example the numbers of its positive and its negatives, (1 + negatives,)."""
    import numpy as np

    found = []
    for one in chosen.examples:
        documents = (one.positive, *one.negatives)
        if data.by_id:
            assert library.corpus is not None
            places = library.place(list(library.corpus.texts(documents).values()))
            at = dict(zip(library.corpus.texts(documents), places.tolist(), strict=True))
            found.append(np.array([at[doc_id] for doc_id in documents]))
        else:
            found.append(library.place(documents))
    return found


def _rows(chosen: Chosen, numbers: Sequence[Any], corpus: Corpus, teacher: ModelTeacher) -> Rows:
    """Return the examples as numbers, each different query embedded once."""
    import numpy as np

    from gpte_data.probing.splitting import groups

    place: dict[str, int] = {}
    query = np.array([place.setdefault(one.query, len(place)) for one in chosen.examples])
    positive = np.array([one[0] for one in numbers])
    known: dict[int, set[int]] = {}
    for q, p in zip(query.tolist(), positive.tolist(), strict=True):
        known.setdefault(q, set()).add(p)
    negatives = [
        np.array([n for n in one[1:].tolist() if n not in known[q]], dtype=np.int64)
        for q, one in zip(query.tolist(), numbers, strict=True)
    ]
    vectors = teacher.queries([{"query": text} for text in place]).vectors
    documents = teacher.documents(corpus)
    return Rows(query, positive, negatives, vectors, documents, groups(query, positive))


def _values(
    judged: list[Judged], tried: Evaluation, corpus: Corpus, teacher: ModelTeacher,
    trained: Sequence[Trained],
) -> Any:  # fmt: skip
    """Return each measure of each query, before and after each training, (1 + seeds, queries, 2)."""
    import numpy as np

    from gpte_data.probing.measuring import measured

    queries = teacher.queries([{"query": one.query} for one in judged]).vectors
    documents = teacher.documents(corpus)
    every = [None, *(one.maps for one in trained)]
    return np.stack([measured(judged, queries, documents, tried.documents, maps) for maps in every])


def _also_negative(judged: list[Judged], chosen: Chosen, rows: Rows, tried: Evaluation) -> int:
    """Return how many queries have a relevant document that is a negative of training rows."""
    import numpy as np

    negatives = set(np.unique(np.concatenate([*rows.negatives, rows.positive[:0]])).tolist())
    return sum(
        any(int(tried.documents[place]) in negatives for place in one.places) for one in judged
    )


def _summary(asked: Asked, values: Any, trained: Sequence[Trained]) -> dict[str, Any]:
    """Return the figures of each measure, and of each training."""
    from gpte_data.probing.measuring import MEASURES, interval

    measures = {}
    for n, name in enumerate(MEASURES):
        before, after = values[0, :, n], values[1:, :, n]
        differences = (after - before).T
        by_seed = differences.mean(axis=0)
        low, high = interval(differences, asked.seed)
        spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        mean = float(by_seed.mean())
        measures[name] = {
            "before": float(before.mean()),
            "after": float(after.mean()),
            "difference": mean,
            "low": low,
            "high": high,
            "seed_spread": spread,
            "by_seed": [float(one) for one in by_seed],
            "helps": low > 0 and mean > (spread or 0.0),
            "hurts": high < 0 and -mean > (spread or 0.0),
        }
    return {
        "shards": str(asked.shards),
        "evaluation": str(asked.evaluation),
        "split": asked.split,
        "teacher": asked.teacher,
        "measures": measures,
        "trainings": [
            {
                "seed": one.seed,
                "rounds": one.rounds,
                "rows": one.trained,
                "held_out": one.held_out,
                "held_out_before": one.before,
                "held_out_after": one.after,
            }
            for one in trained
        ],
    }
