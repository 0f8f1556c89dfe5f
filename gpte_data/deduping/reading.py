"""All rows as columns: ids, hashes and lengths in memory, shingles and band keys in files.

Texts are gone as soon as they are hashed.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gpte_data.deduping.compared import Said
from gpte_data.deduping.normal import normal, without_spaces
from gpte_data.deduping.shingles import Bands, Sets, band_keys, hashed
from gpte_data.deduping.storing import Spill, StoredSets

BLOCK = 1 << 18
"""Characters whose shingles are made at a time: their numbers fit a processor's cache."""
SHORT = 4
"""A text with fewer words than so many shingles have is compared by its characters."""
Keyed = tuple[Sets, Any]
Block = list[tuple[str, Said]]
"""Rows with their normal texts."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts to be hashed together.

    Attributes:
        rows: The row that each is of, (n,).
        within: A number for what it is compared within, (n,) in uint64.
        characters: Whether its shingles are characters.
    """

    rows: Any
    within: Any
    texts: list[str]
    characters: list[bool]


@dataclass(frozen=True)
class Shingling:
    """How texts become sets, and which sets are compared."""

    jaccard: float
    size: int

    @property
    def bands(self) -> Bands:
        """How signatures are cut."""
        return Bands.at(self.jaccard)

    def kinds(self, text: str) -> tuple[bool, ...]:
        """Return whether a normal text's shingles are characters, or not, or both in turn.

        Texts about as long as the limit have both, so that two of them are compared even if one is
        just below it.
        """
        words, short = text.count(" ") + 1, SHORT * self.size
        if words < short:
            return (True,)
        return (False, True) if words * self.jaccard < short else (False,)


@dataclass
class Rows:
    """What is known of all rows.

    Attributes:
        ids: Arrow array of strings, (n,).
        hashes: Of what a row says, and of what it is compared within, (n, 2) in uint64.
        lengths: Characters of the normal text, (n,) in int32.
        duplicates: Row -> ids that an earlier run has dropped for it.
        sets: Sets of shingles, or None where none were asked for.
    """

    ids: Any
    hashes: Any
    lengths: Any
    duplicates: dict[int, tuple[str, ...]]
    sets: StoredSets | None

    def __len__(self) -> int:
        return len(self.lengths)


class Reader:
    """Takes rows and keeps what is compared."""

    def __init__(self, shingling: Shingling | None) -> None:
        self.shingling = shingling
        self.ids: list[Any] = []
        self.hashes: list[bytes] = []
        self.lengths: list[Any] = []
        self.duplicates: dict[int, tuple[str, ...]] = {}
        self.count = 0
        self.values, self.keys = Spill(), Spill()
        self.sets: list[tuple[Any, Any, Any]] = []
        self.parts: list[tuple[int, int]] = []

    def read(self, rows: Iterable[Said]) -> int:
        """Take the rows of a dataset; return how many there were."""
        before = self.count
        threads = os.cpu_count() or 1
        with ThreadPoolExecutor(threads) as pool:  # numpy lets go of the interpreter
            under_way: deque[tuple[Any, Future[Keyed]]] = deque()
            for texts in self._blocks(rows):
                under_way.append((texts.rows, pool.submit(self._keyed, texts)))
                while len(under_way) > 2 * threads:
                    self._store(*under_way.popleft())
            for one in under_way:
                self._store(*one)
        return self.count - before

    def _keyed(self, texts: Texts) -> Keyed:
        assert self.shingling is not None
        sets = hashed(texts.texts, texts.characters, self.shingling.size)
        return sets, band_keys(sets, self.shingling.bands) ^ texts.within

    def _store(self, rows: Any, keyed: "Future[Keyed]") -> None:
        sets, keys = keyed.result()
        start = self.values.append(sets.values)
        starts = start + 4 * (np.cumsum(sets.sizes) - sets.sizes)
        self.sets.append((rows, sets.sizes.astype(np.int32), starts))
        self.parts.append((self.keys.append(keys), len(rows)))

    def _blocks(self, rows: Iterable[Said]) -> Iterator[Texts]:
        """Take all rows; yield what is to be hashed of them."""
        for block in _by_size(rows):
            first = self.count
            self._note(block)
            if self.shingling is not None:
                yield self._texts(block, first)

    def _texts(self, block: Block, first: int) -> Texts:
        """Return the texts of rows whose shingles are wanted; a text may stand there twice."""
        each = [
            (row, text, one.within, kind)
            for row, (text, one) in enumerate(block, first)
            for kind in self._kinds(text, one)
        ]
        rows, texts, within, kinds = map(list, zip(*each, strict=True))
        numbers = np.fromiter(map(_number, within), dtype=np.uint64, count=len(within))
        return Texts(np.array(rows, dtype=np.int64), numbers, texts, kinds)

    def _kinds(self, text: str, one: Said) -> tuple[bool, ...]:
        assert self.shingling is not None
        return (True,) if without_spaces(one.text) else self.shingling.kinds(text)

    def _note(self, block: Block) -> None:
        """Keep ids, hashes and lengths."""
        self.ids.append(pa.array([one.id for _, one in block], pa.large_string()))
        self.hashes.append(b"".join(_digest(text, one.within) for text, one in block))
        self.lengths.append(np.array([len(text) for text, _ in block], dtype=np.int32))
        for row, (_, one) in enumerate(block, self.count):
            if one.duplicates:
                self.duplicates[row] = one.duplicates
        self.count += len(block)

    def close(self) -> None:
        """Let go of the files; sets can't be read any more."""
        for spill in (self.values, self.keys):
            spill.file.close()

    def rows(self) -> Rows:
        """Return all that was read, and keep no copy."""
        hashes = np.frombuffer(b"".join(self.hashes), dtype=np.uint64).reshape(-1, 2)
        ids = pa.concat_arrays(self.ids or [pa.array([], pa.large_string())])
        lengths = np.concatenate([np.zeros(0, np.int32), *self.lengths])
        self.ids, self.hashes, self.lengths = [], [], []
        return Rows(ids, hashes, lengths, self.duplicates, self._stored())

    def _stored(self) -> StoredSets | None:
        if self.shingling is None or not self.sets:
            return None
        rows, sizes, starts = (np.concatenate(part) for part in zip(*self.sets, strict=True))
        self.sets = []
        bands = self.shingling.bands.count
        return StoredSets(bands, rows, sizes, starts, self.values, self.keys, self.parts)


def _by_size(rows: Iterable[Said]) -> Iterator[Block]:
    """Yield rows with their normal texts, in blocks of about so many characters."""
    block, size = Block(), 0
    for one in rows:
        block.append((normal(one.text), one))
        size += len(block[-1][0]) + 1
        if size >= BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _digest(text: str, within: str) -> bytes:
    """Return 16 bytes that are the same for what says the same."""
    key = _hash(within) if within else b""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=key).digest()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _number(within: str) -> int:
    """Return 64 bits for what a row is compared within, 0 for nothing."""
    return int.from_bytes(_hash(within)[:8], "little") if within else 0
