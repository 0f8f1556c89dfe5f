"""All of dedup's work over the whole input: read it, find what is alike, decide who stays."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io
from gpte_data.backends import open_embedder
from gpte_data.backends.encoding import embedder_identity
from gpte_data.backends.vectors_on_disk import Vectors
from gpte_data.deduping.buckets import DEEPEST, Buckets
from gpte_data.deduping.compared import READ
from gpte_data.deduping.cosines import Cosines
from gpte_data.deduping.deciding import MINHASH, SAME, VECTORS, Near, decide, decide_leaders
from gpte_data.deduping.gained import gained
from gpte_data.deduping.given import Given
from gpte_data.deduping.options import DedupConfig
from gpte_data.deduping.order import Ordered, ordered
from gpte_data.deduping.reading import Reader, Rows, Shingling
from gpte_data.deduping.vectors import Maker, joined, shards_of
from gpte_data.deduping.verdicts import Datasets, by_row
from gpte_data.errors import BadInput
from gpte_data.stage import BY_ROW, Row
from gpte_data.vectors import VectorSpec

BIT = {"exact": SAME, "minhash": MINHASH, "semantic": VECTORS}
"""Way -> the rule that it finds."""
DEEP = f"texts compared with the last {DEEPEST} of many that are a little alike"


def find(cfg: DedupConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, Any]:
    """Return what is said of the input's rows, and of the run.

    Args:
        cfg: The options.
        read: Reads the rows of the input anew.
    """
    minhash = Shingling(cfg.jaccard, cfg.shingle) if "minhash" in cfg.ways else None
    with closing(Reader(minhash)) as reader:
        return _found(Given.of(cfg, read), reader)


def _found(given: Given, reader: Reader) -> Mapping[str, Any]:
    """Return what is said, as long as the reader's files are open."""
    cfg, told = given.cfg, Counter[str]()
    rows, datasets = _read(given, reader)
    order = ordered(
        rows, datasets.others, datasets.of, cfg.survivor,
        lambda wanted: given.contents(wanted - datasets.others),
    )  # fmt: skip
    fixed = int(np.searchsorted(order.leaders, datasets.others))
    near, asked = _near(given, rows, datasets, order, told)
    for one in near.values():
        one.fill(fixed)
    leaders = decide_leaders(len(order.leaders), fixed, near, asked)
    told[DEEP] += sum(one.deep for one in near.values())
    decided = decide(order, leaders, sum(BIT[way] for way in cfg.ways))
    more = gained(given, order, decided, datasets.others)
    table = by_row(rows, datasets, order, decided, READ[given.on][0], more)
    return {BY_ROW: table, "said": "\n".join(f"{what}: {n:,}" for what, n in (+told).items())}


def _read(given: Given, reader: Reader) -> tuple[Rows, Datasets]:
    """Read all datasets, those that win first."""
    cfg = given.cfg
    counts = [reader.read(given.said_in(folder)) for folder in cfg.against]
    counts.append(reader.read(given.said()))
    if not counts[-1]:
        raise BadInput("there is nothing to compare: expected at least one row")
    of = np.repeat(np.arange(len(counts)), counts)
    return reader.rows(), Datasets(names_of(cfg.against), of, sum(counts[:-1]))


def _near(
    given: Given, rows: Rows, datasets: Datasets, order: Ordered, told: "Counter[str]"
) -> tuple[dict[int, Near], Any]:
    """Return what finds near-duplicates by each rule, and the leaders that may have any."""
    cfg, near = given.cfg, dict[int, Near]()
    leaders, asked = order.rows[order.leaders], np.zeros(0, dtype=np.int64)
    if rows.sets is not None:
        buckets = Buckets(rows.sets, leaders, len(rows), cfg.jaccard)
        near[MINHASH], asked = buckets, buckets.shared()
    if "semantic" in cfg.ways:
        vectors = _vectors(given, rows, datasets, told)
        near[VECTORS], asked = Cosines(vectors, leaders, cfg.cosine), np.arange(len(leaders))
    return near, asked


def _vectors(given: Given, rows: Rows, datasets: Datasets, told: "Counter[str]") -> Vectors:
    """Return the vectors of all rows."""
    cfg, on = given.cfg, given.on
    identity = embedder_identity(cfg.teacher, cfg.options().encoding)
    spec = VectorSpec(cfg.teacher, identity, cfg.prompt, "query" if on == "query" else "")
    maker = Maker(spec, lambda: open_embedder(cfg.teacher, cfg.options()), told)
    parts: list[Any] = []
    for folder in cfg.against:
        if on == "pair":
            parts.append(maker.of(one.text for one in given.said_in(folder)))
        else:
            parts.extend(maker.beside(io.shards(folder)))
    ids = rows.ids.slice(datasets.others)
    beside = shards_of(cfg.corpus, ids, READ[on][0]) if on != "pair" and cfg.corpus else None
    if beside is not None:
        parts.extend(maker.beside(beside))
    else:
        parts.append(maker.of(one.text for one in given.said()))
    return joined(parts, cfg.teacher)


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return a name for each dataset: as few of the last parts of its path as tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for count in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
