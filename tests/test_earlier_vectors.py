"""Texts that were embedded before keep their vectors, wherever they stand now."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io
from gpte_data.backends import Batch
from gpte_data.corpus import Corpus
from gpte_data.earlier_vectors import EarlierVectors, hashes
from gpte_data.embedding import ensure_vectors, load_vectors
from gpte_data.vectors import VectorSpec

SPEC = VectorSpec("test:counting", {"kind": "test"}, "")


class Counting:
    """Gives a vector that only the text decides, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        for start in range(0, len(texts), 3):
            part = texts[start : start + 3]
            self.asked += part
            yield Batch(range(start, start + len(part)), np.stack(list(map(vector, part))), 0)


def vector(text: str) -> Any:
    made = np.random.default_rng(int(hashes([text])[0])).normal(size=8).astype(np.float16)
    return made.astype(np.float32)


def embedded(folder: Path, shards: list[list[str]]) -> list[str]:
    """Write a corpus, embed it; return which texts were embedded now."""
    for number, texts in enumerate(shards):
        rows = [{"doc_id": f"{number}-{n}", "text": text} for n, text in enumerate(texts)]
        io.write(folder / f"{number:05d}.parquet", rows)
    teacher, corpus = Counting(), Corpus((folder,))
    ensure_vectors(corpus, SPEC, lambda: teacher)
    every = [text for texts in shards for text in texts]
    found = load_vectors(corpus, SPEC).take(np.arange(len(every)))
    assert (found == np.stack(list(map(vector, every)))).all()
    return teacher.asked


def test_only_what_is_new_is_embedded(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(20)]
    assert sorted(embedded(tmp_path, [texts[:10], texts[10:]])) == sorted(texts)
    assert embedded(tmp_path, [texts[:10], texts[10:]]) == []
    assert embedded(tmp_path, [["new", *texts[:9]], texts[9:]]) == ["new"]
    changed = [*texts[:5], "changed", *texts[6:]]
    assert sorted(embedded(tmp_path, [changed[:10], changed[10:], ["more"]])) == ["changed", "more"]


def test_files_that_do_not_belong_together_are_left_out(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(10)]
    embedded(tmp_path, [texts])
    (folder,) = (tmp_path / "_vectors").iterdir()
    assert len(list(EarlierVectors(folder).find(hashes(texts)))) == 1
    (folder / "00000.texts").write_bytes(b"torn")
    assert list(EarlierVectors(folder).find(hashes(texts))) == []
    assert embedded(tmp_path, [[*texts, "more"]]) == [*texts, "more"]
