"""The estimate's weights on a user's own pairs: when they move, where to, how rows keep them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data import io
from gpte_data.mining.estimate import coefficients_of, fitted, logits, shipped
from gpte_data.mining.evidence import EVIDENCE
from gpte_data.mining.refitting import ENOUGH, refitted
from gpte_data.stages.mine_negatives import mine_negatives
from gpte_data.stages.select_negatives import select_negatives

PLACE = EVIDENCE.index("hub")
"""Evidence that the shipped weights make little of."""


def labelled(queries: int, telling: float, seed: int = 0) -> tuple[list[Any], ...]:
    """Return queries whose positives stand out by one number, half of them labelled."""
    random = np.random.default_rng(seed)
    evidence, positives, labels, truth = [], [], [], []
    for _ in range(queries):
        rows = random.standard_normal((40, len(EVIDENCE)))
        rows[:, EVIDENCE.index("log_rank")] = np.log1p(np.arange(40))
        true = random.random(40) < 0.1
        rows[true, PLACE] += telling
        evidence.append(rows)
        positives.append(np.array([[1.0, 1.0, 0.0, 0.5, 0.0, 0.0]]))
        labels.append(true & (random.random(40) < 0.5))
        truth.append(true)
    return evidence, positives, labels, truth


def ranked_above(weights: Sequence[float] | None, evidence: list[Any], truth: list[Any]) -> float:
    """Return how often a positive is given a higher logit than another candidate."""
    logit = logits(coefficients_of(weights), np.concatenate(evidence))
    true = np.concatenate(truth)
    return float((logit[true][:, None] > logit[~true]).mean())


def test_weights_move_to_what_tells_hidden_positives() -> None:
    evidence, positives, labels, _ = labelled(200, 3.0)
    own = refitted(evidence, positives, labels)
    assert own is not None
    weights = own.weights
    assert weights[PLACE] > shipped().weights[PLACE] + 0.3
    unseen, _, _, truth = labelled(100, 3.0, seed=1)
    assert ranked_above(weights, unseen, truth) > ranked_above(None, unseen, truth) + 0.1


def test_what_says_nothing_is_not_learned() -> None:
    evidence, positives, labels, _ = labelled(200, 0.0)
    own = refitted(evidence, positives, labels)
    assert own is not None and abs(own.weights[PLACE] - shipped().weights[PLACE]) < 0.35


def test_few_labels_leave_the_shipped_weights() -> None:
    evidence, positives, labels, _ = labelled(200, 3.0)
    few = [np.zeros(40, dtype=bool) for _ in labels]
    few[0][: ENOUGH // 2] = True
    assert refitted(evidence, positives, few) is None
    assert refitted([], [], []) is None
    assert coefficients_of(None) is shipped()


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, Any]]]:
    """Return a corpus, its vectors and pairs with four positives each around a centre."""
    folder = tmp_path_factory.mktemp("refitting")
    random = np.random.default_rng(0)
    centres = random.standard_normal((40, 16))
    documents = np.repeat(centres, 12, axis=0) + 0.8 * random.standard_normal((480, 16))
    (folder / "v").mkdir()
    np.save(folder / "v" / "documents.npy", documents.astype(np.float32))
    np.save(folder / "v" / "queries.npy", centres.astype(np.float32))
    rows = [{"doc_id": f"d{n:03}", "text": f"text {n}"} for n in range(480)]
    io.write(folder / "corpus" / "00000.parquet", rows)
    pairs: list[dict[str, Any]] = [{"query_id": f"q{n}", "query": f"query {n}"} for n in range(40)]
    for n, pair in enumerate(pairs):
        pair["positives"] = [f"d{12 * n + m:03}" for m in range(4)]
    return folder / "corpus", folder / "v", pairs


def test_rows_keep_the_weights_and_are_judged_by_them_again(
    collection: tuple[Path, Path, list[dict[str, Any]]],
) -> None:
    corpus, vectors, pairs = collection
    options: Any = {"corpus": (corpus,), "teacher": (f"vectors:{vectors}",), "top_k": 60}
    mined = list(mine_negatives(pairs, **options))
    weights = mined[0]["estimate_weights"]
    assert len(weights) == len(EVIDENCE) and weights != list(shipped().weights)
    assert all(row["estimate_weights"] == weights for row in mined)
    assert list(select_negatives(mined)) == mined
    without = [{k: v for k, v in row.items() if k != "estimate_weights"} for row in mined]
    again = list(select_negatives(without))
    assert [row["candidates"] for row in again] != [row["candidates"] for row in mined]


def test_one_positive_each_leaves_no_weights(
    collection: tuple[Path, Path, list[dict[str, Any]]],
) -> None:
    corpus, vectors, pairs = collection
    stale = [row | {"positives": row["positives"][:1], "estimate_weights": [1.0]} for row in pairs]
    options: Any = {"corpus": (corpus,), "teacher": (f"vectors:{vectors}",), "top_k": 60}
    assert not any("estimate_weights" in row for row in mine_negatives(stale, **options))


def test_what_is_labelled_is_no_longer_counted_as_hidden() -> None:
    """With more labels fewer are left; the count is taken together with the other."""
    evidence, positives, labels, truth = labelled(200, 3.0)
    some, every = refitted(evidence, positives, labels), refitted(evidence, positives, truth)
    assert some is not None and every is not None
    assert some.hidden - every.hidden == pytest.approx(
        np.mean([t[:20].sum() for t in truth]) - np.mean([one[:20].sum() for one in labels]),
        abs=1e-5,
    )
    found = list(zip(evidence, positives, strict=True))
    alone, both = fitted(found)[1], fitted(found, beside=0.5)[1]
    assert both == pytest.approx((alone + 0.5) / 2)
