"""`adapter:FOLDER`: a teacher's vectors through small maps that `gpte-data probe` has trained.

A map adds to a vector what a matrix of low rank makes of it, x + B A x, and divides by the length:
one for queries, one for documents. That a low-rank residual adapts a model that can't be trained
itself is shown by Khatry et al. (2310.05380, abstract). The folder holds the matrices
(adapter.safetensors), whose vectors they are for (adapter.json) and a README.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gpte_data.backends import EMBEDDERS, Batch, Embedder, Encoding, Options
from gpte_data.backends import check as check_model
from gpte_data.backends import open_embedder as open_model
from gpte_data.backends.encoding import embedder_identity
from gpte_data.backends.unit import unit
from gpte_data.errors import BadInput, BadOption, MissingExtra
from gpte_data.files import Signature, sha256_file, signature

WEIGHTS, FACTS = "adapter.safetensors", "adapter.json"
NAMES = ("query_down", "query_up", "document_down", "document_up")
TOGETHER = 256
"""Rows of one product. Blocks are filled up to it: a vector's bits don't hang on its neighbours."""


@dataclass(frozen=True)
class Maps:
    """The two maps: `down` is A (rank, dimension), `up` is B (dimension, rank), in float32."""

    query_down: Any
    query_up: Any
    document_down: Any
    document_up: Any

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return int(self.query_down.shape[1])

    @property
    def rank(self) -> int:
        """Of the matrices."""
        return int(self.query_down.shape[0])

    def queries(self, vectors: Any) -> Any:
        """Return unit vectors of queries (n, dimension) as they are after the map, in float32."""
        return _through(vectors, self.query_down, self.query_up)

    def documents(self, vectors: Any) -> Any:
        """Return unit vectors of documents (n, dimension) as they are after the map, in float32."""
        return _through(vectors, self.document_down, self.document_up)


def _through(vectors: Any, down: Any, up: Any) -> Any:
    """Return x + B A x for each row, of length 1."""
    count, dimension = vectors.shape
    if not count:
        return np.zeros((0, down.shape[1]), dtype=np.float32)
    if dimension != down.shape[1]:
        raise BadInput(
            f"the adapter is for vectors of {down.shape[1]} numbers, and the teacher gives "
            f"{dimension}: train it again with gpte-data probe"
        )
    refusal = BadInput("the adapter makes a vector zero or not finite: train it again")
    found = np.empty((count, dimension), dtype=np.float32)
    block = np.zeros((TOGETHER, dimension), dtype=np.float32)
    for start in range(0, count, TOGETHER):
        part = vectors[start : start + TOGETHER]
        block[: len(part)], block[len(part) :] = part, 0
        moved = block + (block @ down.T) @ up.T
        found[start : start + len(part)] = unit(moved[: len(part)], refusal)
    return found


@dataclass(frozen=True)
class Adapter:
    """A folder of maps, and whose vectors they are for."""

    folder: Path
    maps: Maps
    teacher: str
    """SPEC of the teacher."""
    teacher_identity: Mapping[str, Any]
    """Its files, and how it encodes, when the maps were trained."""
    encoding: Encoding
    query_prompt: str
    doc_prompt: str
    files: str
    """A hash of the matrices and of what they are for."""

    def options(self, given: Options) -> Options:
        """Return how its teacher is run: as it was when the maps were trained.

        Raises:
            BadOption: It should encode in another way.
        """
        if given.encoding not in (Encoding(), self.encoding):
            raise BadOption(
                f"adapter:{self.folder} was trained on vectors that are made in one way: leave out "
                "--dtype, --max-length and --truncate-dim"
            )
        return replace(given, encoding=self.encoding)

    def prompt(self, given: str, option: str) -> str:
        """Return the prompt of --query-prompt or --doc-prompt; raise BadOption for another one."""
        own: str = getattr(self, option)
        if given not in ("", own):
            raise BadOption(
                f"adapter:{self.folder} was trained with --{option.replace('_', '-')} {own!r}, "
                f"not {given!r}: leave it out"
            )
        return own

    def identity(self) -> dict[str, str]:
        """Return what decides its vectors: its own files, and its teacher's.

        Raises:
            BadOption: The teacher is another one than that it was trained for.
        """
        now = embedder_identity(self.teacher, self.encoding)
        known = {name: value for name, value in now.items() if name != "dtype"}
        if known != dict(self.teacher_identity):
            raise BadOption(
                f"adapter:{self.folder} was trained for another state of {self.teacher}, whose "
                "files have changed since: train it again with gpte-data probe"
            )
        return {"files": self.files} | {f"teacher_{name}": str(v) for name, v in now.items()}


def read_adapter(folder: str | Path) -> Adapter:
    """Return the adapter of a folder, read once in a process as long as its files stay.

    Raises:
        BadOption: There is none, or it is damaged.
    """
    folder = Path(folder)
    paths = [folder / WEIGHTS, folder / FACTS]
    for path in paths:
        if not path.is_file():
            raise BadOption(
                f"adapter:{folder} must name a folder that gpte-data probe -o has written: "
                f"there is no {path}"
            )
    return _read(folder, signature(paths))


@lru_cache(maxsize=4)
def _read(folder: Path, _files: Signature) -> Adapter:
    try:
        facts = orjson.loads((folder / FACTS).read_bytes())
        encoding = Encoding("auto", facts["max_length"], facts["truncate_dim"])
        hashes = f"{sha256_file(folder / WEIGHTS)}-{sha256_file(folder / FACTS)}"
        return Adapter(
            folder, _maps(folder / WEIGHTS), facts["teacher"], facts["teacher_identity"], encoding,
            facts["query_prompt"], facts["doc_prompt"], hashes,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise BadOption(
            f"adapter:{folder} is damaged ({error}): write it again with gpte-data probe -o"
        ) from None


def _maps(path: Path) -> Maps:
    """Return the matrices of a file; raise ValueError where they don't belong together."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise MissingExtra.of("safetensors", "local") from None
    try:
        found = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name}: {error}") from None
    if set(found) != set(NAMES) or any(one.ndim != 2 for one in found.values()):
        raise ValueError(f"{path.name} must hold the matrices {', '.join(NAMES)}")
    maps = Maps(**{name: found[name].astype(np.float32) for name in NAMES})
    for down, up in ((maps.query_down, maps.query_up), (maps.document_down, maps.document_up)):
        if down.shape != up.shape[::-1] or down.shape[1] != maps.dimension:
            raise ValueError(f"{path.name} holds matrices of shapes that don't fit")
        if not (np.isfinite(down).all() and np.isfinite(up).all()):
            raise ValueError(f"{path.name} holds numbers that are not finite")
    return maps


def identity(model: str) -> dict[str, str]:
    """Return the hash of the adapter's files, and what its teacher is."""
    return read_adapter(model).identity()


def check(model: str, options: Options) -> None:
    """Raise a UserError if there is no such adapter, or its teacher can't be reached or found."""
    adapter = read_adapter(model)
    adapter.identity()
    check_model(adapter.teacher, EMBEDDERS, "teacher", adapter.options(options))


def open_embedder(model: str, options: Options) -> "AdaptedEmbedder":
    """Return the adapted teacher."""
    adapter = read_adapter(model)
    return AdaptedEmbedder(adapter, open_model(adapter.teacher, adapter.options(options)))


@dataclass(frozen=True)
class AdaptedEmbedder:
    """A teacher whose vectors go through the map of documents, wherever texts meet texts."""

    adapter: Adapter
    base: Embedder

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield unit vectors."""
        prompt = prompt or self.adapter.doc_prompt
        for batch in self.base.stream(texts, prompt):
            vectors = self.adapter.maps.documents(batch.vectors)
            yield Batch(batch.positions, vectors, batch.truncated)
