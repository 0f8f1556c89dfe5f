"""Which share of "negatives" are positives that nobody labelled, and how hard are the others?

    python benchmarks/leak.py WORK COLLECTION[:SPLIT] ...

COLLECTION is a folder in BEIR's layout whose queries have several judged documents, or one of those
that known_positives.py makes. For every query one positive is kept and the others are hidden; five
negatives are taken of each query by each rule. Leak is the share of them that is hidden positives,
hardness their mean cosine to the query, short the share of queries with fewer than five. Ours is
the hardest choice within a budget of false negatives (`--max-false-negatives`): against each rule
the budget is set so that hardness is the rule's or higher; against top-k, whose hardness nothing
else can have, at .02 less. Means over five choices of the known positive. The estimate was fitted
on other collections (fit_estimate.py). WORK keeps corpora and vectors.

The second table sets budgets and measures the leak that they lead to.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from known_positives import collection, one_known, stage

from gpte_data import io
from gpte_data.mining.choosing import order, price_for
from gpte_data.mining.estimate import BEST, fitted
from gpte_data.mining.sampling import Sampling

SEEDS = range(5)
NEGATIVES, DEPTH = 5, 210
BUDGETS = (0.02, 0.05, 0.1, 0.2, 0.3)
NEAR_TOP = 0.02
Query = dict[str, Any]


def naive(query: Query) -> Any:
    """Take the highest scores."""
    return np.arange(NEGATIVES)


def shifted(query: Query) -> Any:
    """Skip ten ranks."""
    return np.arange(10, 10 + NEGATIVES)


def percentage(query: Query) -> Any:
    """NV-Retriever's TopK-PercPos at 95 %."""
    positive = query["positive"]
    return np.flatnonzero(query["scores"] <= positive - 0.05 * abs(positive))[:NEGATIVES]


def margin(query: Query) -> Any:
    """NV-Retriever's TopK-MarginPos at .05."""
    return np.flatnonzero(query["scores"] <= query["positive"] - 0.05)[:NEGATIVES]


def drawn(query: Query) -> Any:
    """Draw from ranks 10 to 210, as FlagEmbedding does."""
    places = Sampling("uniform").order(query["scores"][10:], None, query["id"])
    return 10 + places[:NEGATIVES]


RULES: dict[str, Callable[[Query], Any]] = {
    "top-k as is": naive,
    "skip 10": shifted,
    "PercPos 95 %": percentage,
    "MarginPos .05": margin,
    "random in 10-210": drawn,
}


def queries(corpus: Path, pairs: list[dict[str, Any]], seed: int, work: Path) -> list[Query]:
    """Mine with one known positive a query; return what rules and ours choose from."""
    folder = work / f"known-{seed}"
    if not folder.is_dir():
        io.write(folder / "00000.parquet", one_known(pairs, seed))
    output = work / f"leak-{seed}"
    rows = stage(
        "mine-negatives", str(folder), output,
        corpus=(corpus,), top_k=DEPTH, max_false_negatives=0.05, num_negatives=NEGATIVES,
    )  # fmt: skip
    return [
        {
            "id": row["query_id"],
            "scores": np.array([hit["score"] for hit in row["candidates"]]),
            "hidden": np.isin([hit["doc_id"] for hit in row["candidates"]], row["hidden"]),
            "likely": np.array([hit["false_negative"] for hit in row["candidates"]]),
            "positive": min(row["positive_scores"]),
            "evidence": (
                np.array([hit["evidence"] for hit in row["candidates"]]),
                np.array(row["positive_evidence"]),
            ),
        }
        for row in rows
    ]


def taken(found: list[Query], choose: Callable[[Query], Any]) -> tuple[float, float, float]:
    """Return leak, hardness and the share of queries that go short."""
    hidden, scores, short = [], [], 0
    for query in found:
        places = choose(query)
        hidden += query["hidden"][places].tolist()
        scores += query["scores"][places].tolist()
        short += len(places) < min(NEGATIVES, len(query["scores"]))
    return float(np.mean(hidden)), float(np.mean(scores)), short / len(found)


def under(found: list[Query], budget: float) -> tuple[float, float, float]:
    """Return what a budget leads to."""
    scores, likely = [q["scores"] for q in found], [q["likely"] for q in found]
    price = price_for(scores, likely, NEGATIVES, budget).price
    return taken(found, lambda query: order(query["scores"], query["likely"], price)[:NEGATIVES])


def at_hardness(found: list[Query], hardness: float) -> tuple[float, float, float]:
    """Return ours with the least budget at which it is as hard as asked for."""
    low, high = 0.0, 1.0
    for _ in range(25):
        middle = (low + high) / 2
        if under(found, middle)[1] >= hardness:
            high = middle
        else:
            low = middle
    return under(found, high)


def report(source: str, work: Path) -> dict[str, float]:
    """Print both tables of a collection; return ours' leak as a share of each rule's."""
    name, _, split = source.partition(":")
    folder = work / Path(name).name
    corpus, pairs = collection(Path(name), split or "test", folder)
    runs = [queries(corpus, pairs, seed, folder) for seed in SEEDS]
    sys.stdout.write(f"\n{Path(name).name}, {len(runs[0])} queries\n")
    sys.stdout.write(
        f"{'rule':18} {'leak':>6} {'hardness':>9} {'short':>6}   ours at that hardness\n"
    )
    shares = {}
    for rule, choose in RULES.items():
        theirs = [taken(found, choose) for found in runs]
        less = NEAR_TOP if choose is naive else 0.0
        ours = [at_hardness(run, it[1] - less) for run, it in zip(runs, theirs, strict=True)]
        leak, hardness, short = np.mean(theirs, axis=0)
        own, own_hardness, own_short = np.mean(ours, axis=0)
        shares[rule] = own / leak
        sys.stdout.write(
            f"{rule:18} {leak:6.3f} {hardness:9.3f} {short:6.2f}   "
            f"{own:.3f} / {own_hardness:.3f}, {own / leak:.2f} of it, short {own_short:.2f}\n"
        )
    sys.stdout.write("budget: measured leak / hardness\n")
    for budget in BUDGETS:
        each = [under(found, budget) for found in runs]
        leak, hardness, _ = np.mean(each, axis=0)
        spread = ", ".join(f"{one[0]:.3f}" for one in each)
        sys.stdout.write(f"{budget:6g}: {leak:.3f} / {hardness:.3f}   ({spread})\n")
    true = np.mean([query["hidden"][:BEST].sum() for run in runs for query in run])
    said = [fitted([query["evidence"] for query in run])[1] for run in runs]
    counts = ", ".join(f"{one:.1f}" for one in said)
    sys.stdout.write(f"positives among the best {BEST}: {true:.2f}; estimated {counts}\n")
    sys.stdout.flush()
    return shares


def main() -> None:
    """Print the tables, and the means over all collections."""
    work = Path(sys.argv[1])
    shares = [report(source, work) for source in sys.argv[2:]]
    sys.stdout.write("\nours' leak as a share of the rule's, mean over collections (highest)\n")
    for rule in RULES:
        each = [one[rule] for one in shares]
        sys.stdout.write(f"{rule:18} {np.mean(each):.2f} ({max(each):.2f})\n")


if __name__ == "__main__":
    main()
