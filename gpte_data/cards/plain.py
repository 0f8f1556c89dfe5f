"""Settings as they may be published: folders by their names alone, models by their SPECs.

A mark keeps the options of its command, and with them ways on the disk of whoever ran it. Those are
nobody's business: a way becomes the name of what it leads to.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpte_data.config import READ

FOLDERS = (*READ, "source", "pairs", "personas", "examples", "output")
"""Options that name files or folders."""
_INSIDE = re.compile(r"""(?<![\w/:.<])(?:~|\.{1,2})?/(?:[^\s/,;"'=]+/)+([^\s/,;"'=]*)""")
"""A way inside a text, of two folders or more."""
HASH = 64
SHOWN = 12
"""Digits of a hash that are shown."""


def plain(value: Any, *, folder: bool = False) -> Any:
    """Return a setting without the ways in it.

    Args:
        value: Of an option, as a mark has it.
        folder: Whether the option names files or folders.
    """
    if isinstance(value, str):
        return _text(value, folder)
    if isinstance(value, list | tuple):
        return [plain(one, folder=folder) for one in value]
    if isinstance(value, Mapping):
        return {str(name): plain(one, folder=folder) for name, one in value.items()}
    return value


def options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options of a mark as they may be published."""
    found = (given or {}).items()
    return {name: plain(value, folder=name in FOLDERS) for name, value in found}


def _text(value: str, folder: bool) -> str:
    """Return a text without a way: `runs/x/corpus` -> `corpus`, `st:/models/a` -> `st:a`."""
    if folder:
        return ",".join(_named(part) for part in value.split(","))
    return _INSIDE.sub(r"\1", ",".join(map(_one, value.split(","))))


def _one(value: str) -> str:
    kind, colon, rest = value.partition(":")
    if colon and kind.isidentifier() and _is_way(rest):
        return f"{kind}:{Path(rest).name}"
    return Path(value).name if _is_way(value) else value


def _named(part: str) -> str:
    """Return `NAME=folder` or `folder`; names on the hub stay whole."""
    name, equals, way = part.partition("=")
    if not equals:
        return part if part.startswith(("hf:", "mteb:")) else Path(part).name
    return f"{name}={Path(way).name}"


def _is_way(text: str) -> bool:
    """Tell whether a text leads somewhere on the disk, as far as one can see."""
    return text.startswith(("/", "~", "./", "../")) or text.startswith("file:") or "/../" in text


def shown(value: Any) -> str:
    """Return a setting as it is read: hashes cut to 12 digits, lists with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name} {shown(one)}" for name, one in value.items())
    text = str(value)
    is_hash = len(text) == HASH and all(c in "0123456789abcdef" for c in text)
    return text[:SHOWN] if is_hash else text
