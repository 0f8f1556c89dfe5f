"""A small collection in many scripts, mined, and scifact beside it where it is there.

What stands in examples is worked out here again, from the rows alone, for tests to compare with.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import ROOT, ok

from gpte_data import io
from gpte_data.formats import open_format
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stages import load

WORDS = ("sand", "Fluß", "河", "الماء", "глина", "mar\u2028azul", "'quoted' \"text\"", "😀 ümlaut")
NEGATIVES = 3
SHARED = Path(os.environ.get("GPTE_SHARED_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Collection:
    """Corpora, mined rows, and what stands in them.

    Attributes:
        corpora: Folders of documents.
        rows: A folder of mined rows.
        texts: doc_id -> title and text, as models read them.
        titles: doc_id -> title.
    """

    corpora: list[Path]
    rows: Path
    texts: dict[str, str]
    titles: dict[str, str]

    def emit(self, out: Path, name: str, **options: Any) -> Path:
        """Emit in a format, with three negatives, several shards."""
        stage = load("emit")
        of = open_format(name).of
        instruct = "query" if of.of == "examples" and of.place == "query" else "auto"
        given = {"num_negatives": NEGATIVES, "shard_rows": 8, "instruct": instruct} | options
        cfg = stage.config.of(
            {"source": str(self.rows), "corpus": tuple(map(str, self.corpora)), "format": name}
            | given
        )
        run(stage, cfg, str(self.rows), out, RunOptions())
        return out


def make(folder: Path, scifact: int = 0) -> Collection:
    """Write the collection.

    Args:
        folder: Where.
        scifact: How many mined claims of scifact are added where it is there.
    """
    corpora, rows = [folder / "corpus"], folder / "rows"
    io.write(corpora[0] / "00000.parquet", [_document(i) for i in range(60)])
    io.write(rows / "00000.parquet", [_row(i) for i in range(14)])
    if scifact and (SHARED / "scifact").exists():
        mined = _scifact(folder / "scifact")
        corpora.append(folder / "scifact" / "corpus")
        io.write(rows / "00001.parquet", mined[:scifact])
    return opened(corpora, rows)


def opened(corpora: list[Path], rows: Path) -> Collection:
    """Return a collection that is there."""
    documents = [row for corpus in corpora for row in io.read_all(corpus)]
    texts = {row["doc_id"]: f"{row['title']} {row['text']}".strip() for row in documents}
    titles = {row["doc_id"]: row["title"] for row in documents}
    return Collection(corpora, rows, texts, titles)


def _scifact(folder: Path) -> list[dict[str, Any]]:
    """Return claims of scifact with negatives mined by MiniLM among their abstracts and others."""
    corpus, pairs, source = folder / "corpus", folder / "pairs", folder / "source"
    _part(SHARED / "scifact", source)
    ok("ingest", source, "-o", corpus, "--pairs", pairs)
    ok(
        "mine-negatives", pairs, "--corpus", corpus, "-o", folder / "mined", "--max-length", 48,
        "--num-negatives", NEGATIVES, "--relative-margin", "0.05",
    )  # fmt: skip
    return list(io.read_all(folder / "mined"))


def _part(source: Path, out: Path, claims: int = 60, others: int = 300) -> None:
    """Write a few claims with their judgements, their abstracts and some others."""
    header, *lines = (source / "qrels" / "train.tsv").read_text().splitlines()
    (out / "qrels").mkdir(parents=True)
    (out / "qrels" / "train.tsv").write_text("\n".join([header, *lines[:claims]]) + "\n")
    judged = {line.split("\t")[1] for line in lines[:claims]}
    queries = {line.split("\t")[0] for line in lines[:claims]}
    _copy(source / "queries.jsonl", out / "queries.jsonl", queries, 0)
    _copy(source / "corpus.jsonl", out / "corpus.jsonl", judged, others)


def _copy(source: Path, out: Path, wanted: set[str], others: int) -> None:
    """Copy lines with the ids that are wanted, and the first others."""
    lines = source.read_text().splitlines(keepends=True)
    kept = [line for n, line in enumerate(lines) if n < others or json.loads(line)["_id"] in wanted]
    out.write_text("".join(kept))


def _document(i: int) -> dict[str, Any]:
    word = WORDS[i % len(WORDS)]
    return {"doc_id": f"d{i}", "title": f"Titel {word}" if i % 3 else "", "text": f"{word} no {i}."}


def _row(i: int) -> dict[str, Any]:
    positives = [f"d{i}", f"d{i + 20}"] if i % 4 == 0 else [f"d{i}"]
    candidates = [
        {"doc_id": f"d{(i + 40 + 3 * rank) % 60}", "rank": rank, "score": 0.75 - rank / 8,
         "source": "st:t", "verdict": "keep", "reason": "r"}
        for rank in range(1, NEGATIVES + 1 + i % 2)
    ]  # fmt: skip
    return {
        "query_id": f"q{i}", "query": f"who carries {WORDS[i % len(WORDS)]}, {i}?",
        "instruction": "Find a passage" if i % 2 else "", "positives": positives,
        "positive_scores": [0.9375, 0.875][: len(positives)], "candidates": candidates,
    }  # fmt: skip
