"""What of a reranker decides its scores, beside its files; and what its scores are.

Scales are never mixed up: a reranker's scores are probabilities of relevance, or cosines. A model's
logits become probabilities where they are made (the sigmoid, in float64).
"""

from dataclasses import dataclass, fields
from importlib import import_module
from types import ModuleType
from typing import Any

from gpte_data.errors import BadOption

PROBABILITY = "probability"
COSINE = "cosine"


@dataclass(frozen=True)
class Reranking:
    """How a reranker reads and scores a pair; each kind takes some of these."""

    instruction: str = ""
    """What counts as relevant, for models that are told (Qwen3-Reranker); theirs if empty."""
    server_scale: str = PROBABILITY
    """What a server's scores are: `probability` or `logit`."""
    dtype: str = "auto"
    """As for a teacher: `auto`, `float32`, `bfloat16` or `float16`."""
    max_length: int | None = None
    """Tokens of a pair that are read; all that the model takes if None."""


@dataclass(frozen=True)
class Traits:
    """What is known of a reranker without loading it."""

    label: str
    """The SPEC, as rows name it."""
    scale: str
    """PROBABILITY or COSINE."""
    margin: float
    """Relative margin that suits its scores."""
    identity: dict[str, Any]
    """All that decides a score, apart from the texts."""


def traits(spec: str, how: Reranking = Reranking()) -> Traits:
    """Return what is known of the reranker of a SPEC.

    Raises:
        BadOption: There is no such reranker, or it does not take what it is told.
    """
    from gpte_data.backends import RERANKERS, identity_of, label, parse_spec

    kind, model = parse_spec(spec, RERANKERS, "reranker")
    module = import_module(f"gpte_data.backends.{RERANKERS[kind]}")
    _check_taken(spec, module, how)
    identity = {"reranker": identity_of(RERANKERS, "reranker", spec)}
    if hasattr(module, "decides"):
        identity |= module.decides(model, how)
    return Traits(label(spec), module.SCALE, module.MARGIN, identity)


def _check_taken(spec: str, module: ModuleType, how: Reranking) -> None:
    """Raise BadOption for an option that this kind of reranker does nothing with."""
    if how.server_scale not in (PROBABILITY, "logit"):
        raise BadOption(f"--server-scale takes probability or logit: found {how.server_scale!r}")
    usual = Reranking()
    for one in fields(how):
        changed = getattr(how, one.name) != getattr(usual, one.name)
        if changed and one.name not in getattr(module, "TAKES", ()):
            option = "--" + one.name.replace("_", "-")
            raise BadOption(f"{option} does nothing for {spec}: leave it out")


def sigmoid(logits: Any) -> Any:
    """Return probabilities in float32; through float64, so that no batch shows in their bits."""
    import numpy as np

    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))).astype(np.float32)
