"""Where a dataset's vectors lie and what they were made from; `embedding` makes and loads them.

`CORPUS/_vectors/NAME/00000.npy`, row i for row i of the shard. NAME ends with a hash of what made
them, the teacher's files and the prompt before each document; the shard's content is in the mark.
Vectors of another teacher lie beside and are never mistaken for these.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gpte_data import io, manifest
from gpte_data.files import readable

VERSION = 2
"""Of how texts become vectors; raised when the same text and teacher would give others."""


class Sharded(Protocol):
    """A dataset whose rows have vectors: a corpus, or personas."""

    shards: list[Path]


@dataclass(frozen=True)
class VectorSpec:
    """What decides the vectors of a dataset."""

    teacher: str
    identity: dict[str, Any]
    prompt: str
    column: str = ""
    """What is embedded of a row; title and text if empty."""

    @property
    def folder(self) -> str:
        """A folder name that is readable and belongs to these vectors alone."""
        made_by = {"version": VERSION, "teacher": self.identity, "prompt": self.prompt}
        made_by |= self.of
        return f"{readable(self.teacher.rstrip('/'))}-{manifest.fingerprint(made_by)[:8]}"

    @property
    def of(self) -> dict[str, str]:
        """The column by name, where it is not that of a corpus."""
        return {"column": self.column} if self.column else {}


def vectors_path(shard: Path, spec: VectorSpec) -> Path:
    """Return where the vectors of a shard lie; a file that is no shard keeps its ending."""
    name = io.stem(shard) if io.stem(shard).isdigit() else shard.name
    return shard.parent / "_vectors" / spec.folder / f"{name}.npy"


def missing_shards(dataset: Sharded, spec: VectorSpec) -> list[Path]:
    """Return the shards whose vectors are not there, or belong to other content."""
    return [path for path in dataset.shards if not is_there(path, spec)]


def shard_identity(shard: Path, spec: VectorSpec) -> dict[str, Any]:
    """Return what decides the vectors of one shard."""
    return {
        "version": VERSION,
        "teacher": spec.identity,
        "prompt": spec.prompt,
        "input": manifest.content(shard),
        **spec.of,
    }


def is_there(shard: Path, spec: VectorSpec) -> bool:
    """Tell whether a shard has its vectors."""
    path = vectors_path(shard, spec)
    mark = manifest.read_mark(path.parent, path.stem)
    if mark is None or not path.is_file():
        return False
    same = manifest.fingerprint(mark.identity) == manifest.fingerprint(shard_identity(shard, spec))
    return same and path.stat().st_size == mark.output["size"]
