"""Which files of an output folder are a run's own, where they do not all stand at its top.

A file is noted just before it gets its name, and marked after; what is neither is somebody else's.
"""

import contextlib
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.io import SUFFIXES, shard_files
from gpte_data.manifest import ALL, DONE, UNFINISHED, marks, names, read_mark

BESIDE = "beside"
"""What a mark says of a file that is no shard, but stands beside them: a corpus, counts."""


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


def data_files(folder: Path) -> tuple[list[Path], int]:
    """Return the shards of an output that can be read, wherever they stand, in order.

    Returns:
        Their paths, and how many rows stand in others, such as tar files.
    """
    found = {name: mark for name, mark in marks(folder).items() if name != ALL and mark.output}
    mine = [mark for mark in found.values() if BESIDE not in mark.output]
    paths = {folder / str(mark.output["name"]): mark.ledger.rows_out for mark in mine}
    if not any("/" in str(mark.output["name"]) for mark in found.values()) and not (
        len(mine) < len(found) or any(not path.name.endswith(SUFFIXES) for path in paths)
    ):
        return shard_files(folder), 0
    readable = [path for path in paths if path.name.endswith(SUFFIXES) and path.is_file()]
    return sorted(readable), sum(n for path, n in paths.items() if path not in set(readable))
