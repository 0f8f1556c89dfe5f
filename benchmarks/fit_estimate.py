"""Fit the weights by which mining tells unlabelled positives, and write them as JSON.

    python benchmarks/fit_estimate.py DATA WORK > gpte_data/mining/coefficients.json

DATA holds acl-anthology, banking77, medquad and scifact (see known_positives.py); WORK keeps their
corpora and vectors. Of each query one positive is kept and the others are hidden among the
candidates; a logistic regression learns to tell them, every collection with the same weight. How
flat probabilities must be for a budget to hold, and how far the count of hidden positives is off,
is measured on each collection with weights fitted on the others.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from known_positives import collection, one_known, stage

from gpte_data import io
from gpte_data.mining.choosing import order, price_for
from gpte_data.mining.estimate import BEST, OF_QUERY, PLACES, Coefficients, fitted
from gpte_data.mining.evidence import EVIDENCE

COLLECTIONS = {"acl-anthology": "", "banking77": "", "medquad": "", "scifact": "train"}
SEEDS, DEPTHS = (0, 1), (100, 210)
RIDGE = 3.0
FLATTEN = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
BUDGETS = (0.05, 0.1, 0.2)
NEGATIVES = 5
Queries = list[dict[str, Any]]


def mined(source: Path, split: str, work: Path) -> list[Queries]:
    """Return for each seed and depth the evidence, the scores and what is hidden, by query."""
    corpus, pairs = collection(source, split, work)
    found = []
    for seed in SEEDS:
        folder = work / f"known-{seed}"
        if not folder.is_dir():
            io.write(folder / "00000.parquet", one_known(pairs, seed))
        for depth in DEPTHS:
            rows = stage(
                "mine-negatives", str(folder), work / f"mined-{seed}-{depth}",
                corpus=(corpus,), top_k=depth, relative_margin=0.0,
            )  # fmt: skip
            found.append([arrays(row) for row in rows])
    return found


def arrays(row: dict[str, Any]) -> dict[str, Any]:
    """Return a mined row as arrays."""
    hits, hidden = row["candidates"], set(row["hidden"])
    return {
        "evidence": np.array([hit["evidence"] for hit in hits]),
        "positives": np.array(row["positive_evidence"]),
        "scores": np.array([hit["score"] for hit in hits]),
        "hidden": np.array([hit["doc_id"] in hidden for hit in hits]),
    }


def logistic(runs: list[list[Queries]], places: list[int]) -> tuple[Any, float]:
    """Fit weights to several collections, each with the same weight, by Newton's method."""
    parts, labels, weights = [], [], []
    for collected in runs:
        queries = [query for run in collected for query in run]
        parts += [query["evidence"][:, places] for query in queries]
        labels += [query["hidden"] for query in queries]
        weights += [np.full(len(query["hidden"]), 1 / len(queries)) for query in queries]
    x, y, w = np.concatenate(parts), np.concatenate(labels), np.concatenate(weights)
    w = w / w.mean()
    mean, scale = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    penalty = np.diag([RIDGE] * len(places) + [0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (w * (y - p)) - penalty @ beta
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1] / scale, float(beta[-1] - (beta[:-1] * mean / scale).sum())


def coefficients(runs: list[list[Queries]], flatten: float, share: float) -> Coefficients:
    """Fit both models."""
    weights, intercept = logistic(runs, list(range(len(EVIDENCE))))
    query_weights, query_intercept = logistic(runs, PLACES)
    return Coefficients(weights, intercept, query_weights, query_intercept, flatten, share)


def pairs_of(queries: Queries) -> list[tuple[Any, Any]]:
    """Return what the estimate is fitted to."""
    return [(query["evidence"], query["positives"]) for query in queries]


def leak(queries: Queries, made: Coefficients, budget: float) -> tuple[float, float]:
    """Return the share of false negatives that a budget leads to, and without one."""
    estimate, _ = fitted(pairs_of(queries), made)
    probabilities = [estimate.probabilities(query["evidence"]) for query in queries]
    scores = [query["scores"] for query in queries]
    price = price_for(scores, probabilities, NEGATIVES, budget).price
    taken, naive = [], []
    for query, probability in zip(queries, probabilities, strict=True):
        best = order(query["scores"], probability, price)[:NEGATIVES]
        taken += query["hidden"][best].tolist()
        naive += query["hidden"][:NEGATIVES].tolist()
    return float(np.mean(taken)), float(np.mean(naive))


def main() -> None:
    """Print the coefficients; say on stderr how well they hold where they were not fitted."""
    data, work = Path(sys.argv[1]), Path(sys.argv[2])
    runs = {name: mined(data / name, split, work / name) for name, split in COLLECTIONS.items()}
    others = {name: [runs[n] for n in runs if n != name] for name in runs}
    bare = {name: coefficients(others[name], 1.0, 1.0) for name in runs}
    shares = [
        np.mean([query["hidden"][:BEST].sum() for query in run]) / fitted(pairs_of(run), bare[n])[1]
        for n in runs
        for run in runs[n]
    ]
    share = float(np.median(shares))
    misses = {flatten: miss(runs, bare, flatten, share) for flatten in FLATTEN}
    flatten = min(misses, key=lambda one: misses[one])
    made = coefficients(list(runs.values()), flatten, share)
    said = {
        "fitted_on": sorted(runs),
        "weights": dict(zip(EVIDENCE, np.round(made.weights, 5).tolist(), strict=True)),
        "intercept": round(made.intercept, 5),
        "query_weights": dict(zip(OF_QUERY, np.round(made.query_weights, 5).tolist(), strict=True)),
        "query_intercept": round(made.query_intercept, 5),
        "flatten": flatten,
        "share": round(share, 3),
    }
    sys.stdout.write(json.dumps(said, indent=2) + "\n")


def miss(
    runs: dict[str, list[Queries]], bare: dict[str, Coefficients], flatten: float, share: float
) -> float:
    """Return how far, by factors, shares of false negatives are from budgets that bind."""
    factors = []
    for name, collected in runs.items():
        made = Coefficients(
            bare[name].weights, bare[name].intercept, bare[name].query_weights,
            bare[name].query_intercept, flatten, share,
        )  # fmt: skip
        said = []
        for budget in BUDGETS:
            found = [leak(run, made, budget) for run in collected]
            got, naive = np.mean(found, axis=0)
            if naive > budget:
                factors.append(abs(np.log(max(got, 1e-3) / budget)))
            said.append(f"{budget:g}: {got:.3f} ({naive:.2f})")
        sys.stderr.write(f"flatten {flatten:g}, {name}: {', '.join(said)}\n")
    return float(np.mean(factors))


if __name__ == "__main__":
    main()
