"""Which dataset of a run was made from which, and in what order: from the marks, by contents."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpte_data import manifest


def ordered(folders: Sequence[Path]) -> list[tuple[Path, list[str]]]:
    """Return folders in the order of their chain, each with the names of those it was made from.

    What came first stands first; of those that don't hang on each other, the first by name.
    """
    made_from = links(folders)
    left, found = sorted(folders), list[Path]()
    while left:
        ready = [one for one in left if not set(made_from[one]) & set(left) - {one}]
        found.append((ready or left)[0])
        left.remove(found[-1])
    return [(one, [inner.name for inner in made_from[one]]) for one in found]


def links(folders: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return for each folder those of the others whose contents its marks name."""
    marks = {folder: manifest.marks(folder) for folder in folders}
    made = {content: folder for folder in folders for content in _contents(marks[folder])}
    found: dict[Path, list[Path]] = {}
    for folder in folders:
        named = (value for mark in marks[folder].values() for value in _values(mark.identity))
        inputs = {made[value] for value in named if value in made}
        found[folder] = sorted(inputs - {folder})
    return found


def _contents(marks: Mapping[str, manifest.Mark]) -> Iterator[str]:
    """Yield what stands for a dataset, and for its shards, in what was made from them."""
    digest = hashlib.sha256()
    for name, mark in sorted(marks.items()):
        if name != manifest.ALL and mark.output:
            yield str(mark.output["sha256"])
            digest.update(f"{mark.output['name']}\0{mark.output['sha256']}\n".encode())
    yield digest.hexdigest()


def _values(identity: Any) -> Iterator[str]:
    """Yield all strings in nested values."""
    if isinstance(identity, Mapping):
        for value in identity.values():
            yield from _values(value)
    elif isinstance(identity, list | tuple):
        for value in identity:
            yield from _values(value)
    elif isinstance(identity, str):
        yield identity
