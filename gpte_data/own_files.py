"""Which files of an output folder are a run's own, where they do not all stand at its top.

A file is noted just before it gets its name, and marked after; what is neither is somebody else's.
"""

import contextlib
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.manifest import DONE, UNFINISHED, names, read_mark


def note(folder: Path, name: str) -> None:
    """Note that a file in it is about to get its name."""
    with (folder / DONE / UNFINISHED).open("a") as notes:
        notes.write(f"{name}\n")


def own_files(folder: Path) -> set[str]:
    """Return the files of an output folder that its marks or a run's notes name, by their paths."""
    path = folder / DONE / UNFINISHED
    found = set(path.read_text().splitlines()) if path.exists() else set()
    for name in names(folder):
        with contextlib.suppress(BadInput):  # a damaged mark names none
            mark = read_mark(folder, name)
            found |= {str(mark.output["name"])} if mark is not None and mark.output else set()
    return found
