"""A document is a negative of at most so many queries, and nobody goes short for it."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from conftest import ok

from gpte_data import io
from gpte_data.mining.hubs import limits
from gpte_data.records import kept


def hub_corpus(folder: Path) -> Path:
    """Make vectors of which one document is near to every query."""
    random = np.random.default_rng(0)
    documents, queries = random.normal(size=(200, 16)), random.normal(size=(60, 16))
    documents[7] = random.normal(size=16)
    queries += documents[7]
    io.write(
        folder / "corpus" / "00000.parquet",
        [{"doc_id": f"d{n}", "text": f"passage {n}"} for n in range(200)],
    )
    for shard in range(3):
        io.write(
            folder / "pairs" / f"{shard:05d}.parquet",
            [
                {"query_id": f"q{n}", "query": f"question {n}", "positives": [f"d{n + 100}"]}
                for n in range(20 * shard, 20 * shard + 20)
            ],
        )
    (folder / "v").mkdir()
    np.save(folder / "v" / "documents.npy", documents.astype(np.float32))
    np.save(folder / "v" / "queries.npy", queries.astype(np.float32))
    return folder


def taken(folder: Path) -> list[list[str]]:
    return [[hit["doc_id"] for hit in kept(row)[:5]] for row in io.read_all(folder)]


def test_no_document_is_a_negative_of_more_queries(tmp_path: Path) -> None:
    made = hub_corpus(tmp_path)
    ok(
        "mine-negatives", made / "pairs", "-o", made / "mined", "--corpus", made / "corpus",
        "--teacher", f"vectors:{made / 'v'}", "--max-false-negatives", 1, "--top-k", 50,
    )  # fmt: skip
    before = Counter(doc for ids in taken(made / "mined") for doc in ids)
    assert max(before.values()) > 20
    for flags in (("--max-false-negatives", 1), ("--relative-margin", 0), ("--sampling", "top")):
        out = made / "-".join(map(str, flags)).strip("-")
        for workers in (1, 2):
            folder = f"{out}-{workers}"
            ok(
                "select-negatives", made / "mined", "-o", folder, *flags, "--workers", workers,
                "--max-queries-per-document", 9,
            )  # fmt: skip
        chosen = taken(Path(f"{out}-1"))
        assert chosen == taken(Path(f"{out}-2"))
        after = Counter(doc for ids in chosen for doc in ids)
        assert max(after.values()) <= 9
        if flags[0] != "--relative-margin":
            assert all(len(ids) == 5 for ids in chosen)


def test_a_limit_goes_round_until_none_is_over() -> None:
    """Everybody prefers a, then b, then c: with ten queries and three each, d and e come too."""
    wishes = "abcdefgh"

    def taken(found: Any) -> Any:
        from gpte_data.mining.hubs import place

        for n in range(10):
            free = [d for d in wishes if d not in found or place(f"q{n}", d) <= found[d]]
            yield f"q{n}", free[:2]

    found = limits(taken, 4)
    counts = Counter(doc for _, ids in taken(found) for doc in ids)
    assert max(counts.values()) <= 4 and sum(counts.values()) == 20
