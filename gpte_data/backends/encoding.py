"""What of a teacher decides its vectors: its files, and how it encodes."""

from importlib import import_module
from typing import Any

from gpte_data.backends import EMBEDDERS, Encoding, identity_of, parse_spec
from gpte_data.errors import BadOption


def embedder_identity(spec: str, encoding: Encoding = Encoding()) -> dict[str, Any]:
    """Return what of a teacher enters a fingerprint.

    Raises:
        BadOption: The teacher does not take such an encoding.
    """
    kind, _ = parse_spec(spec, EMBEDDERS, "teacher")
    module = import_module(f"gpte_data.backends.{EMBEDDERS[kind]}")
    for name in ("dtype", "max_length"):
        if getattr(encoding, name) != getattr(Encoding(), name) and not hasattr(module, "dtype_of"):
            option = name.replace("_", "-")
            raise BadOption(f"--{option} is for st:MODEL: {spec} decides that itself, leave it out")
    found: dict[str, Any] = identity_of(EMBEDDERS, "teacher", spec)
    if hasattr(module, "dtype_of"):
        found["dtype"] = module.dtype_of(encoding.dtype)
    own = {"max_length": encoding.max_length, "truncate_dim": encoding.truncate_dim}
    return found | {name: value for name, value in own.items() if value is not None}
