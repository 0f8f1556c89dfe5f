"""What a trainer saw, printed as one JSON object for the test that started the script."""

import json
import math
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any


def row(
    query: str,
    positives: Iterable[str],
    negatives: Iterable[str] = (),
    scores: Sequence[float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return an example as the trainer sees it; scores of positives first, then of negatives."""
    seen = {"query": query, "positives": list(positives), "negatives": list(negatives)}
    return seen | {"scores": None if scores is None else [float(s) for s in scores]} | more


def tell(package: str, rows: Sequence[dict[str, Any]], loss: float | None, **more: Any) -> None:
    """Print what was seen; a loss must be a number, None stands for no training step."""
    assert loss is None or math.isfinite(loss), loss
    said = {"package": package, "version": version(package), "rows": len(rows), "loss": loss}
    print("\n" + json.dumps(said | {"seen": list(rows)} | more))  # noqa: T201
