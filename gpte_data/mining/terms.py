"""Which words each passage of a corpus has: a small index that lies beside the vectors.

A word is a number of 20 bits, the hash of its first letters in lower case, which stands for its
forms too; writing without spaces is taken in pairs of characters. Of a shard there are three files:
its words with their counts, passage by passage; where each passage begins; and in how many passages
each word is.
"""

import re
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io, manifest
from gpte_data.backends.vectors_on_disk import by_value
from gpte_data.files import atomic
from gpte_data.ledger import Ledger
from gpte_data.progress import Progress
from gpte_data.spans import spans
from gpte_data.vectors import (
    Sharded,
    VectorSpec,
    missing_shards,
    shard_identity,
    vectors_path,
)  # fmt: skip

SPEC = VectorSpec("terms", {"kind": "terms"}, "")
BITS = 20
BUCKETS = 1 << BITS
LETTERS = 6
"""Letters of a word that count: a stem that is right often enough, in any language."""
MOST = 255
"""The highest count of a word in a passage."""
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_MARKS = "".join(
    chr(code) for code in range(0x300, 0x1B00) if unicodedata.category(chr(code)).startswith("M")
)
"""Vowel signs and the like, which \\w leaves out."""
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}])*")
BLOCK = 2048
TAKEN = 16_384
"""Passages read before the pages that they lie on are given back."""


def words(text: str) -> list[str]:
    """Return the words of a text as they are counted."""
    found = []
    for word in _WORD.findall(unicodedata.normalize("NFC", text).lower()):
        if len(word) > 2 and re.match(f"[{_UNSPACED}]", word):
            found += [a + b for a, b in pairwise(word)]
        else:
            found.append(word[:LETTERS])
    return found


@lru_cache(maxsize=1 << 16)
def bucket(word: str) -> int:
    """Return the number that stands for a word."""
    return zlib.crc32(word.encode()) & (BUCKETS - 1)


def counted(texts: Iterable[str]) -> tuple[Any, Any]:
    """Return the words of texts, (n,) packed as count and number, and how many each text has."""
    found = [[*map(bucket, words(text))] for text in texts]
    owners = np.repeat(np.arange(len(found)), [len(numbers) for numbers in found])
    numbers = np.fromiter(chain.from_iterable(found), dtype=np.int64)
    keys, counts = np.unique(owners << BITS | numbers, return_counts=True)
    packed = keys & (BUCKETS - 1) | np.minimum(counts, MOST) << BITS
    return packed.astype(np.uint32), np.bincount(keys >> BITS, minlength=len(found))


def unpacked(packed: Any) -> tuple[Any, Any]:
    """Return numbers and counts of packed words."""
    return packed & np.uint32(BUCKETS - 1), (packed >> np.uint32(BITS)).astype(np.float32)


Blocks = Iterable[tuple[Any, Any]]
"""Words, packed, and how many each passage has, of some passages after others."""


def ensure_terms(dataset: Sharded) -> None:
    """Make the index of each shard where it is missing."""
    ensure_index(dataset, SPEC, lambda shard: map(counted, _texts(shard)))


def ensure_index(dataset: Sharded, spec: VectorSpec, made: Callable[[Path], Blocks]) -> None:
    """Make an index of words beside each shard where it is missing.

    Args:
        dataset: What is indexed.
        spec: What decides the index, and where it lies.
        made: Gives what a shard's index holds.
    """
    missing = missing_shards(dataset, spec)
    todo = [shard for shard in dataset.shards if shard in missing or not _beside(shard, spec)]
    if not todo:
        return
    with Progress("words", sum(map(io.count, todo))) as progress:
        for shard in todo:
            _index(shard, spec, made(shard), progress)


def _beside(shard: Path, spec: VectorSpec) -> bool:
    """Tell whether the smaller files of a shard's index are there."""
    path = vectors_path(shard, spec)
    return all(path.with_suffix(ending).is_file() for ending in (".starts", ".passages"))


def _index(shard: Path, spec: VectorSpec, made: Blocks, progress: Progress) -> None:
    started = time.monotonic()
    path = vectors_path(shard, spec)
    blocks, sizes = [], [np.zeros(1, dtype=np.int64)]
    for packed, each in made:
        blocks.append(packed)
        sizes.append(each)
        progress.add(len(each), 0)
    packed = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.uint32)
    numbers, passages = np.unique(unpacked(packed)[0], return_counts=True)
    total = unpacked(packed)[1].sum(dtype=np.float64)
    summary = np.stack([numbers.astype(np.int64), passages.astype(np.int64)])
    _save(path.with_suffix(".starts"), np.cumsum(np.concatenate(sizes)))
    _save(path.with_suffix(".passages"), np.append(summary, [[int(total)], [0]], axis=1))
    _save(path, packed if len(packed) else np.zeros(1, dtype=np.uint32))
    rows = len(np.concatenate(sizes)) - 1
    mark = manifest.Mark(
        shard_identity(shard, spec),
        Ledger(rows_in=rows, rows_out=rows),
        manifest.describe(path),
        time.monotonic() - started,
    )
    manifest.write_mark(path.parent, path.stem, mark)


def _texts(shard: Path) -> Iterator[list[str]]:
    """Yield title and text of passages, some at a time."""
    import pyarrow as pa

    titles = io.read_column(shard, "title", pa.large_string())
    texts = io.read_column(shard, "text", pa.large_string())
    for start in range(0, len(texts), BLOCK):
        pairs = zip(
            titles[start : start + BLOCK].to_pylist(),
            texts[start : start + BLOCK].to_pylist(),
            strict=True,
        )
        yield [f"{title or ''} {text or ''}" for title, text in pairs]


def _save(path: Path, array: Any) -> None:
    with atomic(path) as target:
        np.lib.format.write_array(target, array)


class Terms:
    """The words of all passages, read where they are asked for.

    Attributes:
        passages: In how many passages each word is, (2^20,).
        mean_length: Words of a passage, on average.
    """

    def __init__(self, dataset: Sharded, spec: VectorSpec = SPEC) -> None:
        paths = [vectors_path(shard, spec) for shard in dataset.shards]
        self.mapped = [np.load(path, mmap_mode="r") for path in paths]
        self.files = [np.asarray(file) for file in self.mapped]
        self.starts = [np.load(path.with_suffix(".starts")) for path in paths]
        self.first = np.cumsum([0, *(len(starts) - 1 for starts in self.starts)])
        self.passages = np.zeros(BUCKETS, dtype=np.int32)
        total = 0
        for path in paths:
            summary = np.load(path.with_suffix(".passages"))
            self.passages[summary[0, :-1]] += summary[1, :-1].astype(np.int32)
            total += int(summary[0, -1])
        self.mean_length = total / max(1, int(self.first[-1]))
        self._read = 0

    def of(self, positions: Any) -> tuple[Any, Any]:
        """Return the words of passages, packed and one after another, and how many each has."""
        shards = np.searchsorted(self.first, positions, side="right") - 1
        sizes, begins = np.zeros((2, len(positions)), dtype=np.int64)
        parts, before = [], 0
        for mine in by_value(shards):
            shard = shards[mine[0]]
            rows, starts = positions[mine] - self.first[shard], self.starts[shard]
            each = starts[rows + 1] - starts[rows]
            parts.append(self.files[shard][spans(starts[rows], each)])
            sizes[mine], begins[mine] = each, before + np.cumsum(each) - each
            before += len(parts[-1])
        self._release(len(positions))
        read = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)
        return (read if len(parts) == 1 else read[spans(begins, sizes)]), sizes

    def _release(self, read: int) -> None:
        """Give back the pages that were read: mapped, they count as memory in use."""
        import mmap

        self._read += read
        if self._read < TAKEN:
            return
        self._read = 0
        for file in self.mapped:
            mapped = getattr(file, "_mmap", None)
            if mapped is not None and hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_DONTNEED)
