"""Ids of a corpus as columns: positions, copies, order, and hashes that two ids share."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gpte_data import doc_ids
from gpte_data.doc_ids import DocIds, Positions

HASHES: list[Callable[[str], int]] = [hash, lambda text: 1, lambda text: len(text) % 3 - 1]
"""As it is; one for all; a few, negative ones among them."""

any_hash = pytest.mark.parametrize("hashed", HASHES, ids=["own", "one", "few"])


def of(*parts: Sequence[str]) -> DocIds:
    return DocIds(pa.array(list(part), pa.string()) for part in parts)


def positions(ids: DocIds, hashed: Callable[[str], int], monkeypatch: Any) -> Positions:
    """Return positions made and looked up with another hash."""
    monkeypatch.setattr(doc_ids, "hash", hashed, raising=False)
    return Positions(ids)


def test_ids_are_a_sequence_over_all_parts() -> None:
    ids = of(["b", "a"], [], ["ç", "", "b b"])
    wanted = ["b", "a", "ç", "", "b b"]
    assert len(ids) == 5 and list(ids) == wanted and ids[:] == wanted
    assert [ids[n] for n in range(5)] == wanted and ids[np.int64(2)] == "ç"
    assert ids[1:4] == ["a", "ç", ""] and ids[::-2] == wanted[::-2]
    assert ids.take(np.array([4, 0, 0])).to_pylist() == ["b b", "b", "b"]
    assert len(of()) == len(of([])) == 0 and list(of()) == []


def test_many_ids_come_in_order() -> None:
    wanted = [f"d{n}" for n in range(150_000)]
    assert list(of(wanted[:70_000], wanted[70_000:])) == wanted


def test_ids_are_ranked_as_strings_are_sorted() -> None:
    wanted = ["d10", "d2", "D2", "é", "e", "", "z", "Z", "ﬀ", "😀", "d1"]
    ranks = of(wanted[:4], wanted[4:]).ranks
    assert [wanted[n] for n in np.argsort(ranks)] == sorted(wanted)
    assert sorted(ranks.tolist()) == list(range(len(wanted)))


@any_hash
def test_every_id_is_found_and_no_other(
    hashed: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n:x}" for n in random.Random(1).sample(range(10**9), 300)]
    where = positions(of(names[:100], names[100:]), hashed, monkeypatch)
    assert [where[name] for name in names] == list(range(300))
    assert all(type(where[name]) is int for name in names[:3])
    assert len(where) == 300 and list(where) == names and dict(where)[names[7]] == 7
    for other in ("", "x", "nobody", names[0] + " ", names[0].upper() + "!"):
        assert other not in where and where.get(other) is None
        with pytest.raises(KeyError):
            where[other]


@any_hash
def test_an_id_that_stands_there_twice_is_told(
    hashed: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"n{n}" for n in range(50)]
    assert positions(of(names), hashed, monkeypatch).twice() is None
    assert positions(of(names, ["n17"]), hashed, monkeypatch).twice() == "n17"
    assert positions(of(["n3"], names, ["n3"]), hashed, monkeypatch).twice() == "n3"
    assert positions(of(names, names), hashed, monkeypatch).twice() in names


def test_what_is_no_string_is_not_there() -> None:
    where = Positions(of(["a", "1"]))
    others: list[Any] = [1, None, 1.0, ("a",)]
    for other in others:
        assert other not in where


def test_no_ids_have_no_positions() -> None:
    where = Positions(of())
    assert len(where) == 0 and "a" not in where and where.twice() is None


@any_hash
def test_many_are_looked_up_together(hashed: Callable[[str], int], monkeypatch: Any) -> None:
    found = positions(of(["d0", "d1"], ["e22", "d3"]), hashed, monkeypatch)
    wanted = ["e22", "d0", "nowhere", "d3", "", "e22", "d1"]
    assert found.of(pa.array(wanted)).tolist() == [2, 0, -1, 3, -1, 2, 1]
    assert found.of(pa.array([], pa.string())).tolist() == []
