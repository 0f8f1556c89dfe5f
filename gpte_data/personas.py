"""Personas on disk: what the command `personas` has made, or a file of the user's.

Ids and texts are held in memory as Arrow arrays, no larger than what they say; their vectors lie
beside the files, as those of a corpus do.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.errors import BadInput
from gpte_data.files import Signature, signature
from gpte_data.stage import Row

COLUMN = "persona"
"""What is embedded of a persona."""


def id_of(row: Row) -> str:
    """Return a persona's id, or a hash of what it says where it has none."""
    return str(row.get("persona_id") or sha256(str(row["persona"]).encode()).hexdigest()[:16])


class Personas:
    """A dataset of personas.

    Raises:
        BadInput: There are none, or a row has no persona.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.shards = io.shards(source)

    @cached_property
    def _columns(self) -> tuple[Any, Any]:
        """Ids and texts, as Arrow arrays: no more memory than what they say."""
        import pyarrow as pa

        chunks = [
            [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
            for path in self.shards
            if (rows := list(self._read(path)))
        ]
        if not chunks:
            raise BadInput(f"{self.source} is empty: expected at least one persona")
        ids, texts = (pa.chunked_array(list(column)) for column in zip(*chunks, strict=True))
        return ids, texts

    def _read(self, path: Path) -> Iterator[tuple[str, str]]:
        """Yield id and text of each persona of a shard."""
        for number, row in enumerate(io.read(path, ("persona_id", "persona")), 1):
            persona = row.get("persona")
            if not isinstance(persona, str) or not persona.strip():
                raise BadInput(
                    f"{path} holds no personas: row {number} has no text in `persona`; give the "
                    "output of gpte-data personas, which can also be given a file of yours"
                )
            yield id_of(row), persona

    def __len__(self) -> int:
        return len(self._columns[0])

    def at(self, position: int) -> Row:
        """Return one persona, as rows name it."""
        ids, texts = self._columns
        return {"persona_id": ids[position].as_py(), "persona": texts[position].as_py()}


def open_personas(source: Path) -> Personas:
    """Return the personas, opened once in a process as long as their files stay as they are."""
    return _open(source, signature(tuple(io.shards(source))))


@lru_cache(maxsize=2)
def _open(source: Path, files: Signature) -> Personas:
    return Personas(source)
