"""Vectors in .npy files: what is no such file, what has no direction, and rows as they were."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data.backends import vectors_on_disk
from gpte_data.backends.vectors_on_disk import VectorFile, Vectors
from gpte_data.errors import BadInput


def some(count: int, dimension: int = 8, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def saved(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


def told(path: Path) -> str:
    """Return in what words a file is refused: one sentence that names it."""
    with pytest.raises(BadInput) as refused:
        VectorFile(path)
    sentence = str(refused.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence


# One file


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
def test_blocks_and_rows_are_those_of_the_array(tmp_path: Path, dtype: str) -> None:
    array = some(50).astype(dtype)
    file = VectorFile(saved(tmp_path / "v.npy", array))
    assert len(file) == 50 and file.shape == (50, 8)
    assert (file.block(0, 50) == array).all() and (file.block(13, 20) == array[13:20]).all()
    assert (file.block(45, 99) == array[45:]).all()
    rows = np.array([7, 7, 49, 0, 3])
    assert (file.take(rows) == array[rows]).all() and file.take(rows).dtype == array.dtype
    assert file.take(rows[:0]).shape == (0, 8)


def test_rows_are_right_however_many_are_taken(tmp_path: Path) -> None:
    array = some(300)
    file = VectorFile(saved(tmp_path / "v.npy", array))
    for count in (1, 10, 1000, 40_000):
        rows = np.random.default_rng(count).integers(0, 300, count)
        assert (file.take(rows) == array[rows]).all()


def test_a_file_of_an_older_numpy_is_read_too(tmp_path: Path) -> None:
    array = some(5)
    for version in ((1, 0), (2, 0)):
        with (tmp_path / "v.npy").open("wb") as target:
            np.lib.format.write_array(target, array, version)
        assert (VectorFile(tmp_path / "v.npy").block(0, 5) == array).all()


@pytest.mark.parametrize("missing", [1, 4, 8 * 4, 49 * 8 * 4])
def test_a_file_that_was_cut_short(tmp_path: Path, missing: int) -> None:
    path = saved(tmp_path / "v.npy", some(50))
    path.write_bytes(path.read_bytes()[:-missing])
    assert "is cut short: it says that it holds 50 vectors" in told(path)


def test_what_is_no_npy_file(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    assert "can't be read as a .npy file" in told(path), "it is not there"
    for content in (b"", b"\x93NUM", b"\x93NUMPY\x01\x00", b"PK\x03\x04 an archive", b"\0" * 500):
        path.write_bytes(content)
        assert "can't be read as a .npy file" in told(path)
    whole = saved(path, some(3)).read_bytes()
    path.write_bytes(whole[:40])
    assert "can't be read as a .npy file" in told(path)
    (tmp_path / "folder.npy").mkdir()
    assert "can't be read as a .npy file" in told(tmp_path / "folder.npy")


def test_arrays_that_are_no_rows_of_vectors(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    for array in (some(4)[0], some(4)[None], np.float32(1), np.array([["a"]])):
        assert "must hold vectors, one a row" in told(saved(path, array))
    assert "int64" in told(saved(path, np.ones((3, 2), dtype=np.int64)))
    assert "int8" in told(saved(path, np.ones((3, 2), dtype=np.int8)))
    assert "complex" in told(saved(path, np.ones((3, 2), dtype=np.complex64)))
    assert "object" in told(saved(path, np.array([[1, None]])))
    assert "in Fortran order" in told(saved(path, np.asfortranarray(some(5))))


# All files as one


def test_parts_are_one_array(tmp_path: Path) -> None:
    array = some(100)
    sizes = [10, 0, 1, 60, 0, 29, 0]
    paths = [
        saved(tmp_path / f"{n}.npy", part)
        for n, part in enumerate(np.split(array, np.cumsum(sizes)[:-1]))
    ]
    vectors = Vectors([VectorFile(path) for path in paths])
    assert len(vectors) == 100 and vectors.dimension == 8
    for size in (1, 7, 60, 1000):
        blocks = list(vectors.blocks(size))
        assert all(len(block) <= size for _, block in blocks)
        starts = np.cumsum([0, *(len(block) for _, block in blocks)])
        assert [start for start, _ in blocks] == starts[:-1].tolist()
        assert (np.concatenate([block for _, block in blocks]) == array).all()
    order = np.random.default_rng(2).permutation(100)
    assert (vectors.take(order) == array[order]).all()
    assert vectors.take([]).shape == (0, 8)


def test_halves_are_given_as_they_lie_and_taken_in_float32(tmp_path: Path) -> None:
    array = some(20).astype(np.float16)
    vectors = Vectors([VectorFile(saved(tmp_path / "v.npy", array))])
    ((_, block),) = vectors.blocks(50)
    assert block.dtype == np.float16 and (block == array).all()
    assert (
        vectors.take([3, 2]).dtype == np.float32 and (vectors.take([3, 2]) == array[[3, 2]]).all()
    )


def test_dimensions_must_agree(tmp_path: Path) -> None:
    parts = [some(3, 8), some(0, 5), some(3, 9)]
    files = [VectorFile(saved(tmp_path / f"{n}.npy", part)) for n, part in enumerate(parts)]
    assert Vectors(files[:2]).dimension == 8, "a part without vectors has no say"
    with pytest.raises(BadInput, match=r"several dimensions: \[8, 9\]"):
        Vectors(files)


@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite")]
)
@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("row", [0, 57, 99])
def test_vectors_without_a_direction_are_refused(
    value: float, what: str, scale: float, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they stand, and in the same words when the vectors before had other lengths."""
    monkeypatch.setattr(vectors_on_disk, "BLOCK", 20)
    array = some(100) * np.float32(scale)
    array[row] = value
    with pytest.raises(BadInput, match=f"^mine.npy: the vector in row {row} is {what}$"):
        Vectors.of([array[:30], array[30:]]).checked("mine.npy")


def test_one_number_that_is_not_finite_is_enough() -> None:
    for value in (np.nan, np.inf, -np.inf):
        array = some(10).astype(np.float64)
        array[4, 2] = value
        with pytest.raises(BadInput, match="row 4 is not finite"):
            Vectors.of([array]).checked("x")


def test_doubles_that_are_too_large_for_float32_are_refused_without_a_warning() -> None:
    array = some(10).astype(np.float64) * 1e200
    with pytest.raises(BadInput, match="row 0 is not finite"):
        Vectors.of([array]).checked("x")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_of_other_lengths_are_scaled(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_on_disk, "BLOCK", 9)
    array = some(40)
    lengths = np.random.default_rng(3).uniform(0.1, 30, size=(40, 1))
    vectors = Vectors.of([(array * lengths).astype(dtype)]).checked("x")
    near = 1e-3 if dtype is np.float16 else 1e-6
    for found in (
        np.concatenate([block for _, block in vectors.blocks(11)]),
        vectors.take(np.arange(40)),
        vectors.sample(100),
    ):
        assert np.abs(np.linalg.norm(found.astype(np.float64), axis=1) - 1).max() < 1e-6
        assert np.abs(found - array).max() < near


def test_one_of_another_length_at_the_end_is_scaled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_on_disk, "BLOCK", 9)
    array = some(40)
    longer = array.copy()
    longer[39] *= 7
    vectors = Vectors.of([longer]).checked("x")
    assert np.abs(vectors.take(np.arange(40)) - array).max() < 1e-6


def test_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    array, order = some(60), np.random.default_rng(4).permutation(60)
    for lengths in (1, 5):
        vectors = Vectors.of([array[:11] * np.float32(lengths), array[11:]]).checked("x")
        other = vectors.reordered(order)
        assert len(other) == 60 and other.dimension == 8
        assert np.abs(other.take([4, 0]) - array[order][[4, 0]]).max() < 1e-6
        for size in (7, 1000):
            blocks = list(other.blocks(size))
            assert [start for start, _ in blocks] == list(range(0, 60, size))
            found = np.concatenate([block for _, block in blocks])
            assert np.abs(found - array[order]).max() < 1e-6
        assert np.abs(other.sample(60) - array[order]).max() < 1e-6
        assert np.abs(vectors.take([4]) - array[[4]]).max() < 1e-6, "the first keeps its own"


def test_a_sample_is_spread_over_all_parts() -> None:
    array = np.repeat(np.arange(1000, dtype=np.float32)[:, None], 3, axis=1)
    vectors = Vectors.of([array[:1], array[1:500], array[500:]])
    taken = vectors.sample(100)[:, 0]
    assert len(taken) == 100 and taken[0] == 0 and taken[-1] == 999
    assert (np.diff(taken) > 0).all() and np.diff(taken).max() < 12
    assert (vectors.sample(5000) == array).all() and (vectors.sample(1000) == array).all()


def test_nothing_is_said_of_good_vectors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Vectors.of([some(10) * 4, some(0), some(10).astype(np.float64)]).checked("x").sample(3)
