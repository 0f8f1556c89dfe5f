"""What is found out about a run's queries with a model, or beside real ones, where it is asked for.

Nearest duplicates and depths are of samples, which a model embeds; the rest is counted over all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.backends import EMBEDDERS, Options, check, label, open_embedder
from gpte_data.backends.embedded import embed
from gpte_data.errors import BadInput, UserError
from gpte_data.measures.columns import blocks
from gpte_data.measures.depth import depths, rank_sum
from gpte_data.measures.distributions import add_scores, distribution
from gpte_data.measures.nearest import told
from gpte_data.measures.sampling import Sample
from gpte_data.measures.texts import QUERIES, Queries

TEACHER = "st:all-MiniLM-L6-v2"
DEPTH = 2000
"""Queries of either side whose depths are taken; the paper (§4.1) finds 500 enough."""
FEW = 8
"""Real queries, or others, below which nothing is tested."""


@dataclass(frozen=True)
class Asked:
    """What to find out."""

    nearest: int = 0
    """Size of the sample whose nearest duplicates are looked for; 0: none."""
    real: Path | None = None
    """Queries that people have asked, to compare with."""
    teacher: str | None = None
    """Embedder; TEACHER if None, and then it is no error if it can't be had."""


def about_queries(paths: Sequence[Path], asked: Asked) -> dict[str, Any]:
    """Return what was asked for about the queries in some shards."""
    found: dict[str, Any] = {}
    if asked.nearest > 0:
        sample = _sampled(paths, asked.nearest)
        found["nearest"] = {"sample": len(sample.texts()), "of": sample.seen} | _with_model(
            asked, sample.texts(), [], _told_nearest
        )
    if asked.real is not None:
        found["real"] = _beside(paths, asked)
    return found


def _texts(paths: Iterable[Path]) -> Any:
    """Yield the queries of shards, an Arrow array for each block."""
    for path in paths:
        for block in blocks(path):
            name = next((one for one in QUERIES if one in block.columns), "")
            if name:
                yield block.strings(name).drop_null()


def _sampled(paths: Iterable[Path], size: int) -> Sample:
    sample = Sample(size)
    for texts in _texts(paths):
        sample.add(texts)
    return sample


def _beside(paths: Sequence[Path], asked: Asked) -> dict[str, Any]:
    """Return how a run's queries differ from real ones."""
    import pyarrow as pa

    assert asked.real is not None
    sides = {"synthetic": Queries(), "real": Queries()}
    samples = {"synthetic": Sample(DEPTH), "real": Sample(2 * DEPTH)}
    streams = {"synthetic": _texts(paths), "real": real_queries(asked.real)}
    for name, stream in streams.items():
        for texts in stream:
            texts = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
            sides[name].add(texts)
            samples[name].add(texts)
    if not sides["real"].rows:
        raise BadInput(f"--real-queries {asked.real} is empty: expected at least one query")
    tested = _with_model(asked, samples["synthetic"].texts(), samples["real"].texts(), _told_depths)
    counted = {name: side.to_json() for name, side in sides.items()}
    return {"file": str(asked.real), **counted, "depth": tested}


def _with_model(asked: Asked, texts: list[str], others: list[str], tell: Any) -> dict[str, Any]:
    """Return what `tell` says of texts and their vectors, or why there is nothing to say."""
    spec = asked.teacher or TEACHER
    if min(len(texts), len(others) or FEW) < (FEW if others else 2):
        return {"left_out": "there are too few queries"}
    try:
        check(spec, EMBEDDERS, "teacher", Options())
        vectors = embed(open_embedder(spec, Options()), [*texts, *others]).vectors
    except UserError as error:
        if asked.teacher is not None:
            raise
        return {"left_out": str(error)}
    return {"teacher": label(spec), **tell(texts, vectors)}


def _told_nearest(texts: list[str], vectors: Any) -> dict[str, Any]:
    return told(texts, vectors)


def _told_depths(texts: list[str], vectors: Any) -> dict[str, Any]:
    """Return the depths of synthetic and real queries, and what the test says of them.

    The first half of the real ones, which are in the order of hashes, is what depth refers to.
    """
    from collections import Counter

    synthetic, real = vectors[: len(texts)], vectors[len(texts) :]
    half = len(real) // 2
    x, y = depths(real[half:], real[:half]), depths(synthetic, real[:half])
    test = rank_sum(x, y)
    found: dict[str, Any] = {
        "reference": half,
        "q": round(test.q, 4),
        "w": round(test.w, 2),
        "p": float(f"{test.p:.3g}"),
    }
    for name, values in (("real", x), ("synthetic", y)):
        counts: Counter[float] = Counter()
        add_scores(counts, values)
        found[name] = distribution(counts)
    return found


def real_queries(path: Path) -> Any:
    """Yield real queries in lists: of a dataset, a BEIR folder, or a .txt file with one a line.

    Raises:
        BadInput: There is nothing of the kind.
    """
    if path.suffix == ".txt" and path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        yield [line.strip() for line in lines if line.strip()]
        return
    beir = [path / f"queries.jsonl{ending}" for ending in ("", ".gz", ".zst")]
    inner = next((one for one in beir if one.is_file()), None)
    for shard in [inner] if inner is not None else io.shards(path):
        for block in blocks(shard):
            yield _column(block, shard)


def _column(block: Any, shard: Path) -> Any:
    name = next((one for one in (*QUERIES, "text") if one in block.columns), None)
    if name is None:
        found = ", ".join(block.columns) or "nothing"
        raise BadInput(
            f"--real-queries {shard} has no column query, anchor, question or text "
            f"(found: {found}): name a dataset of pairs, a BEIR folder or a .txt file"
        )
    return block.strings(name).drop_null()
