"""How many examples each dataset gives: weights, temperature, caps and a total.

Weights are shares of the examples that are emitted. With a temperature T a dataset of n examples
has a share proportional to (weight · n)^(1/T): T = 1 goes by size, and the larger T, the more equal
the shares (mT5, 2010.11934, and XLM-R, 1911.02116, take an exponent of .3, which is T = 3.3).
A cap counts before the temperature, as in T5 (1910.10683 §3.5.2).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gpte_data.errors import BadOption

TEMPERATURE = "temperature"


@dataclass(frozen=True)
class Mixture:
    """What is asked of a mixture.

    Attributes:
        weights: Of datasets by name; 1 where nothing is said.
        temperature: Or None where weights alone count.
        total: How many examples in all, or None: as many as there are without repeating one.
        cap: The most of each dataset.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    temperature: float | None = None
    total: int | None = None
    cap: int | None = None

    @property
    def shares(self) -> bool:
        """Whether anything is said of shares."""
        return bool(self.weights) or self.temperature is not None

    @property
    def whole(self) -> bool:
        """Whether all examples are taken, each once."""
        return not self.shares and self.total is None and self.cap is None


def mixture(spec: str, total: int | None, cap: int | None) -> Mixture:
    """Read `a=2,b=1,temperature=3`; raise BadOption."""
    weights: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in spec.split(","))):
        name, _, value = (word.strip() for word in part.rpartition("="))
        number = _number(value)
        if not name or number is None or name in weights:
            twice = f" ({name!r} twice)" if name in weights else ""
            raise BadOption(
                f"--mix {spec!r} won't do{twice}: expected NAME=WEIGHT,NAME=WEIGHT and, if wanted, "
                "temperature=T, with weights of 0 or more"
            )
        weights[name] = number
    temperature = weights.pop(TEMPERATURE, None)
    if temperature is not None and temperature <= 0:
        raise BadOption(f"--mix temperature={temperature:g} won't do: expected a number above 0")
    return Mixture(weights, temperature, total, cap)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def shares(sizes: Mapping[str, int], wanted: Mixture) -> dict[str, float]:
    """Return each dataset's share, which sum to 1.

    Args:
        sizes: Name -> how many examples there are, none of them 0.
        wanted: Weights and temperature; a total alone is shared by size.

    Raises:
        BadOption: All have a weight of 0.
    """
    temperature = wanted.temperature
    if temperature is None and not wanted.weights:
        temperature = 1.0
    logs = {}
    for name, size in sizes.items():
        weight = wanted.weights.get(name, 1.0)
        if weight > 0:
            by_size = math.log(size) if temperature is not None else 0.0
            logs[name] = (math.log(weight) + by_size) / (temperature or 1.0)
    if not logs:
        raise BadOption("--mix gives every dataset a weight of 0: at least one must be above 0")
    highest = max(logs.values())
    raw = {name: math.exp(logs[name] - highest) if name in logs else 0.0 for name in sizes}
    whole = math.fsum(raw.values())
    return {name: one / whole for name, one in raw.items()}


def counts(sizes: Mapping[str, int], wanted: Mixture) -> dict[str, int]:
    """Return how many examples each dataset gives, those that are repeated counted again.

    Raises:
        BadOption: The total can't be had under the cap.
    """
    most = {name: min(size, wanted.cap or size) for name, size in sizes.items()}
    if wanted.total is not None:
        ceiling = {name: float(wanted.cap or math.inf) for name in sizes}
        return _allotted(wanted.total, shares(most, wanted), ceiling)
    if not wanted.shares:
        return most
    share = shares(most, wanted)
    whole = min(most[name] / one for name, one in share.items() if one > 0)
    # A share of a whole that should come out even may lack the last bit of it.
    return {n: min(most[n], math.floor(whole * one * (1 + 1e-12))) for n, one in share.items()}


def _allotted(
    total: int, share: Mapping[str, float], ceiling: Mapping[str, float]
) -> dict[str, int]:
    """Share out a total by largest remainders; what is above a ceiling goes to the others."""
    found = {name: 0 for name in share}
    left, names = total, [name for name in share if share[name] > 0]
    while True:
        whole = math.fsum(share[name] for name in names)
        quota = {name: left * share[name] / whole for name in names}
        full = [name for name in names if quota[name] > ceiling[name]]
        if not full:
            break
        found |= {name: int(ceiling[name]) for name in full}
        left -= sum(found[name] for name in full)
        names = [name for name in names if name not in full]
        if not names:
            raise BadOption(
                f"--total {total} can't be had with --cap {int(ceiling[full[0]])}: "
                f"all datasets together give {total - left:,} examples"
            )
    floors = {name: math.floor(quota[name]) for name in names}
    by_rest = sorted(names, key=lambda name: (floors[name] - quota[name], name))
    for name in by_rest[: left - sum(floors.values())]:
        floors[name] += 1
    return found | floors
