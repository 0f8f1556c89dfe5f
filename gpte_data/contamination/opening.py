"""What rows are compared with: made once in a process, as long as the sets stay as they are."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data.backends import Encoding, Options, open_embedder
from gpte_data.contamination.building import build
from gpte_data.contamination.checking import Checker
from gpte_data.contamination.evaluation import EvalSet, Wanted, eval_groups, eval_sets, texts
from gpte_data.contamination.index import Index
from gpte_data.contamination.lengths import Measure
from gpte_data.contamination.similarity import Similar, stored
from gpte_data.errors import BadInput
from gpte_data.files import Signature
from gpte_data.manifest import fingerprint


def exact(teacher: str, base_urls: tuple[str, ...]) -> Options:
    """Return how a teacher is run whose cosines decide: in float32, where that can be asked."""
    dtype = "float32" if teacher.startswith("st:") else "auto"
    return Options(Encoding(dtype), base_urls=base_urls, concurrency=64)


def open_index(against: Sequence[str], wanted: Wanted, measure: Measure) -> Index:
    """Return the index of the evaluation sets.

    Raises:
        BadInput: A set is not there, is empty, or can't be read.
    """
    sets = tuple(eval_sets(against))
    for one in sets:
        one.check()
    return _index(sets, wanted, measure, tuple(one.signature() for one in sets))


@lru_cache(maxsize=2)
def _index(
    sets: tuple[EvalSet, ...], wanted: Wanted, measure: Measure, files: tuple[Signature, ...]
) -> Index:
    index = build(eval_groups(sets), texts(sets, wanted), measure)
    if not len(index.sizes):
        names = ", ".join(one.source for one in sets)
        raise BadInput(f"{names} has no evaluation text with a word in it: nothing to compare with")
    return index


def open_checker(cfg: Any, journal: Path | None) -> Checker:
    """Return what rows are compared with, as the config of `decontaminate` says.

    Args:
        cfg: The config.
        journal: Where a run keeps what it has paid for, if it does.
    """
    index = open_index(cfg.against, cfg.wanted(), cfg.measure())
    if cfg.max_similarity is None:
        return Checker(index, None)
    options = exact(cfg.teacher, cfg.teacher_url)
    embedder = open_embedder(cfg.teacher, options)
    path = None
    if journal is not None:
        path = journal.parent / f"evaluation-{fingerprint(cfg.identity())[:16]}.npy"
    vectors = _vectors(tuple(eval_sets(cfg.against)), cfg.wanted(), index, embedder, path)
    return Checker(index, Similar(embedder, vectors, index.group, cfg.max_similarity))


_KEPT: list[tuple[Any, Index, Any]] = []
"""The last embedder and index, with the vectors made by them."""


def _vectors(
    sets: Sequence[EvalSet], wanted: Wanted, index: Index, embedder: Any, path: Path | None
) -> Any:
    for by, of, vectors in _KEPT:
        if by is embedder and of is index:
            return vectors
    said = [" ".join(filter(None, text[2:])) for text in _read(sets, wanted, index)]
    vectors = stored(said, embedder, path)
    _KEPT[:] = [(embedder, index, vectors)]
    return vectors


def _read(sets: Sequence[EvalSet], wanted: Wanted, index: Index) -> Any:
    """Return the evaluation texts of the index, in its order."""
    source, at = iter(texts(sets, wanted)), 0
    for number in index.order.tolist():
        yield next(islice(source, number - at, None))
        at = number + 1
