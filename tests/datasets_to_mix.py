"""Small datasets that tests of emission mix: a corpus, and rows with scored candidates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.plan import RunOptions
from gpte_data.run import Result, run
from gpte_data.stages import load

DOCUMENTS = 400


def row(name: str, i: int, **more: Any) -> dict[str, Any]:
    """Return a row of a dataset; the document of row i is that of row i + 150 too.

    Its positive scores .9, its hardest negative .85 and less, by i.
    """
    candidates = [
        {"doc_id": f"d{(i + 151 + j) % DOCUMENTS}", "rank": j + 1, "source": "st:t",
         "score": 0.85 - (i % 97) / 200 - j / 1000, "verdict": "keep", "reason": "r"}
        for j in range(3)
    ]  # fmt: skip
    return {
        "query_id": f"{name}-{i}", "query": f"{name} {i}?", "positives": [f"d{i % 150}"],
        "positive_scores": [0.9], "candidates": candidates, **more,
    }  # fmt: skip


def make(folder: Path, sizes: Mapping[str, int], **more: Mapping[str, Any]) -> Path:
    """Write a corpus and datasets of so many rows in two shards each; return the datasets' folder.

    Args:
        folder: Where.
        sizes: Name of a dataset -> rows.
        more: Name of a dataset -> further fields of its rows.
    """
    docs = [{"doc_id": f"d{i}", "text": f"text {i}"} for i in range(DOCUMENTS)]
    io.write(folder / "corpus" / "00000.parquet", docs)
    for name, size in sizes.items():
        rows = [row(name, i, **more.get(name, {})) for i in range(size)]
        io.write(folder / "sets" / name / "00000.parquet", rows[: size // 3])
        io.write(folder / "sets" / name / "00001.parquet", rows[size // 3 :])
    return folder / "sets"


def emit(folder: Path, name: str = "out", source: str = "", **options: Any) -> tuple[Path, Result]:
    """Emit the datasets of a folder, by default pairs of ids."""
    stage = load("emit")
    source = source or str(folder / "sets")
    given = {"corpus": (folder / "corpus",), "format": "ids", "num_negatives": 0, **options}
    cfg = stage.config.of({"source": source, **given})
    return folder / name, run(stage, cfg, source, folder / name, RunOptions())


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Return all rows of a folder, in order, those of folders in it included."""
    return [one for path in sorted(out.rglob("*.parquet")) for one in io.read(path)]
