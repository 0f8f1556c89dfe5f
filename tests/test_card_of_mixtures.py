"""Every number of a card is that of what was written, whatever a mixture took or repeated."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets_to_mix import emit, make, rows_of

from gpte_data import io

MORE = {
    "a": {"task": "classification", "recipe": "r1", "language": "de", "generator": "m1"},
    "b": {"recipe": "r2", "language": "en"},
    "c": {"language": "no"},
}


def numbers(card: str, start: str) -> list[int]:
    line = next(one for one in card.splitlines() if one.startswith(start))
    return [int(one.replace(",", "")) for one in re.findall(r" (\d[\d,]*)", line)]


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 16, "last_batch": "drop"},
        {"cap": 20, "batch_size": 16, "last_batch": "drop", "batch_order": "homogeneous"},
        {"mix": "a=2,b=1", "total": 400, "batch_size": 16, "per_dataset": True},
        {"split": "train=.8,dev=.1,test=.1", "cap": 20, "shortage": "keep"},
        {"mix_by": "recipe", "cap": 30},
    ],
)
def test_numbers_are_those_of_the_shards(tmp_path: Path, options: dict[str, Any]) -> None:
    sets = make(tmp_path, {"a": 60, "b": 150, "c": 37}, **MORE)
    scored = [
        row | {"candidates": [hit | {"false_negative": 0.1} for hit in row["candidates"]]}
        for row in io.read_all(sets / "c")
    ]
    for path in io.shards(sets / "c"):
        path.unlink()
    io.write(sets / "c" / "00000.parquet", scored)
    out, _ = emit(tmp_path, num_negatives=2, **options)
    card, rows = (out / "README.md").read_text(), rows_of(out)
    names = Counter(row["query_id"].partition("-")[0] for row in rows)
    negatives = [one for row in rows for one in row["negatives"]]
    used = {one for row in rows for one in row["positives"]} | set(negatives)
    assert numbers(card, "| examples") == [len(rows)]
    assert numbers(card, "| queries") == [len({row["query_id"] for row in rows})]
    assert numbers(card, "| documents") == [len(used), 400]
    assert numbers(card, "| positives") == [len(rows)]
    sources = card[card.index("## Sources") :]
    assert {name: numbers(sources, f"| `{name}` | `{name}`, ")[0] for name in "abc"} == names
    for name, language in (("a", "de"), ("b", "en"), ("c", "no")):
        assert f"`{language}` {names[name]}" in card
    assert numbers(card, "| wrote queries") == [names["a"]]
    assert numbers(card, "| found negatives") == [sum(bool(row["negatives"]) for row in rows)]
    assert f"- {len(negatives)} negatives were found by machine" in card
    estimated = sum(len(row["negatives"]) for row in rows if row["query_id"].startswith("c"))
    assert f"Of the {estimated} that have an estimate, 10.0% are" in card
    if "mix_by" in options:
        assert numbers(sources, "| train | `r1`") == [30]


def test_ways_that_rows_name_are_shortened(tmp_path: Path) -> None:
    hit = {"doc_id": "d200", "rank": 1, "source": "st:/home/me/a", "score": 0.5, "verdict": "keep"}
    said = {"generator": "vllm:/home/me/b", "judged_by": "st:/home/me/c", "recipe": "/home/me/d.md"}
    make(tmp_path, {"a": 9}, a={**said, "candidates": [hit]})
    card = (emit(tmp_path, num_negatives=1)[0] / "README.md").read_text()
    assert "/home" not in card
    assert all(one in card for one in ("`st:a` | 9", "`vllm:b` | 9", "`st:c` | 9", "`d.md` 9"))
