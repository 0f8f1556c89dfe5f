"""What tokens cost: --price-in and --price-out, or a file of prices by model.

    gpt-4o-mini: {in: 0.15, out: 0.60}
    some/model: {in: 0.10, out: 0.40, batch: 0.5}

Prices are dollars for a million tokens, asked one by one; `batch` is what the batch API takes of
that, half if nothing is said. We know no prices ourselves: they change, and not with our releases.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpte_data.config import read_file
from gpte_data.errors import BadOption

BATCH = 0.5
"""Share of the price that OpenAI's batch API takes."""
FREE = ("", "extractive")
"""SPECs that ask no model."""


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    prompt: float
    completion: float


def cost(prompt_tokens: int, completion_tokens: int, price: Price) -> float:
    """Return what so many tokens cost, in dollars."""
    return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1e6


def price_of(
    spec: str,
    price_in: float | None,
    price_out: float | None,
    prices: Path | None,
    *,
    batch: bool = False,
    missing_ok: bool = False,
) -> Price | None:
    """Return what a model costs, or None if nothing is said or no model is asked.

    Args:
        spec: The model, as kind:model; a file may name it with its kind or without.
        price_in: Dollars for a million prompt tokens; wins over the file.
        price_out: The same of completion tokens.
        prices: A .yaml, .toml or .json file.
        batch: Whether the batch API is asked.
        missing_ok: Whether a file may leave this model out.

    Raises:
        BadOption: The file or a price won't do, or one of the two prices is unknown.
    """
    said = {"in": price_in, "out": price_out}
    for name, value in said.items():
        if value is not None:
            _check(f"--price-{name}", value)
    found = _entry(read_prices(prices), spec) if prices is not None else {}
    if spec in FREE:
        return None
    known = found | {name: value for name, value in said.items() if value is not None}
    if not known and (prices is None or missing_ok):
        return None
    if not known:
        model = spec.partition(":")[2]
        raise BadOption(
            f"--prices {prices} says nothing of {model}: add {model}: {{in: …, out: …}}"
        )
    for name, other in (("in", "out"), ("out", "in")):
        if name not in known:
            raise BadOption(f"--price-{other} is given without --price-{name}: give both")
    factor = known.get("batch", BATCH) if batch else 1.0
    return Price(known["in"] * factor, known["out"] * factor)


def read_prices(path: Path) -> dict[str, dict[str, float]]:
    """Read a file of prices: model -> in, out and perhaps batch; raise BadOption."""
    data = read_file("--prices", path)
    if not isinstance(data, dict):
        raise BadOption(
            f"--prices {path} must hold prices by model, as MODEL: {{in: 0.15, out: 0.6}}, found "
            f"{type(data).__name__}"
        )
    return {str(model): _prices(path, str(model), entry) for model, entry in data.items()}


def _entry(prices: Mapping[str, dict[str, float]], spec: str) -> dict[str, float]:
    """Return the prices of a model, or nothing."""
    return prices.get(spec) or prices.get(spec.partition(":")[2]) or {}


def _prices(path: Path, model: str, entry: Any) -> dict[str, float]:
    """Check one model's prices."""
    if not isinstance(entry, dict) or not {"in", "out"} <= entry.keys() <= {"in", "out", "batch"}:
        raise BadOption(
            f"--prices {path}: {model} must have in and out, and may have batch, found {entry!r}"
        )
    for name, value in entry.items():
        _check(f"--prices {path}: {name} of {model}", value)
    return {name: float(value) for name, value in entry.items()}


def _check(what: str, value: Any) -> None:
    """Raise BadOption unless this is a number of at least 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise BadOption(f"{what} must be a number of at least 0, found {value!r}")
