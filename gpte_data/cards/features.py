"""Types of columns in the words of `datasets` and of Croissant; plain ones: `emission.told`."""

from collections.abc import Sequence
from typing import Any

DTYPES = {
    "string": "string", "large_string": "large_string", "bool": "bool", "int32": "int32",
    "int64": "int64", "float": "float32", "double": "float64", "null": "null",
}  # fmt: skip
"""Arrow's word -> that of `datasets`."""
CROISSANT = {
    "string": "sc:Text", "large_string": "sc:Text", "bool": "sc:Boolean", "int32": "sc:Integer",
    "int64": "sc:Integer", "float": "sc:Float", "double": "sc:Float", "null": "sc:Text",
}  # fmt: skip
"""Arrow's word -> that of schema.org."""
Schema = Sequence[Sequence[Any]]
"""Names and plain types of columns."""


def features(schema: Schema) -> list[dict[str, Any]] | None:
    """Return features as the YAML of a dataset's README has them; None for a type unknown there."""
    try:
        return [{"name": name, **_feature(type_)} for name, type_ in schema]
    except KeyError:
        return None


def _feature(type_: Any) -> dict[str, Any]:
    """Return one feature: {"dtype": word}, {"list": …} or {"struct": […]}."""
    if isinstance(type_, str):
        return {"dtype": DTYPES[type_]}
    if "list" in type_:
        inner = _feature(type_["list"])
        return {"list": inner["dtype"] if set(inner) == {"dtype"} else inner.get("struct", inner)}
    return {"struct": [{"name": name, **_feature(inner)} for name, inner in type_["struct"]]}


def words(type_: Any) -> str:
    """Return a type as a person reads it: `list of strings`."""
    if isinstance(type_, str):
        return {"large_string": "string", "double": "float"}.get(type_, type_)
    if "list" in type_:
        return f"list of {words(type_['list'])}"
    return "{" + ", ".join(name for name, _ in type_["struct"]) + "}"
