"""How many "negatives" are hidden positives, and how hard are the rest, by rule.

    python benchmarks/leak.py COLLECTION [SPLIT]

COLLECTION is a BEIR folder whose queries have several judged documents (cranfield, cisi). For every
query one of them is kept as the known positive, the others are hidden; leak is the share of the 5
negatives of each query that are hidden positives, hardness their mean cosine to the query, filled
the share of the wanted negatives that there were. Everything runs through the public commands'
functions, with the default teacher and reranker; means over 3 choices of the known positive.
`sentence-transformers` is its own `mine_hard_negatives` with the same model and relative margin.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.plan import RunOptions
from gpte_data.records import kept
from gpte_data.run import run
from gpte_data.stages import load

SEEDS = (0, 1, 2)
NEGATIVES = 5
Hits = list[dict[str, Any]]


def stage(name: str, read: str, output: Path, **options: Any) -> list[dict[str, Any]]:
    """Run a stage into a folder and return its rows."""
    made = load(name)
    run(made, made.config.of(options), read, output, RunOptions())
    return list(io.read_all(output))


def known(pairs: list[dict[str, Any]], seed: int, folder: Path) -> Path:
    """Write the pairs with one positive each, the others as `hidden`."""
    from gpte_data.randomness import bits

    rows = []
    for pair in pairs:
        if len(pair["positives"]) > 1:
            keep = min(pair["positives"], key=lambda doc: bits(seed, pair["query_id"], doc))
            hidden = [doc for doc in pair["positives"] if doc != keep]
            rows.append(pair | {"positives": [keep], "hidden": hidden})
    io.write(folder / "00000.parquet", rows)
    return folder


def measure(
    rows: Iterable[dict[str, Any]], choose: Callable[[dict[str, Any]], Hits]
) -> tuple[float, float, float]:
    """Return leak, hardness and filled of what a rule chooses."""
    leaks, scores, wanted = [], [], 0
    for row in rows:
        wanted += NEGATIVES
        for hit in choose(row)[:NEGATIVES]:
            leaks.append(hit["doc_id"] in row["hidden"])
            scores.append(hit["score"])
    return statistics.mean(leaks), statistics.mean(scores), len(leaks) / wanted


def peer(corpus: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the negatives of sentence-transformers' own miner as candidates."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    from gpte_data.backends.models import model_path
    from gpte_data.records import full_text

    texts = {row["doc_id"]: full_text(row) for row in io.read_all(corpus)}
    ids = {text: doc_id for doc_id, text in texts.items()}
    pairs = Dataset.from_dict(
        {
            "anchor": [row["query"] for row in rows],
            "positive": [texts[row["positives"][0]] for row in rows],
        }
    )
    mined = mine_hard_negatives(
        pairs,
        SentenceTransformer(model_path("all-MiniLM-L6-v2")),
        corpus=list(texts.values()),
        num_negatives=NEGATIVES,
        relative_margin=0.05,
        output_format="labeled-pair",
        output_scores=True,
        verbose=False,
    )
    by_query: dict[str, Hits] = {}
    positives = {row["query"]: row["positives"][0] for row in rows}
    for example in mined:
        doc_id = ids[example["positive"]]
        if doc_id != positives[example["anchor"]]:
            hits = by_query.setdefault(example["anchor"], [])
            hits.append({"doc_id": doc_id, "score": example["score"]})
    return [row | {"candidates": by_query.get(row["query"], [])} for row in rows]


RULES: dict[str, tuple[str, Callable[[dict[str, Any]], Hits]]] = {
    "top-k as is": ("mined", lambda row: row["candidates"]),
    "mine-negatives (relative margin .05)": ("mined", kept),
    "  then filter-negatives (maxsim)": ("filtered", kept),
    "sentence-transformers, relative_margin .05": ("peer", lambda row: row["candidates"]),
}


def main() -> None:
    """Print the table."""
    collection = sys.argv[1]
    split = sys.argv[2] if len(sys.argv) > 2 else "test"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stage("ingest", collection, folder / "corpus", source=collection)
        pairs = stage("ingest-pairs", collection, folder / "pairs", source=collection, split=split)
        corpus = {"corpus": (folder / "corpus",)}
        results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in RULES}
        for seed in SEEDS:
            source = str(known(pairs, seed, folder / f"known{seed}"))
            mined = stage("mine-negatives", source, folder / f"mined{seed}", top_k=210, **corpus)
            filtered = stage(
                "filter-negatives",
                str(folder / f"mined{seed}"),
                folder / f"filtered{seed}",
                **corpus,
            )
            rows = {"mined": mined, "filtered": filtered, "peer": peer(folder / "corpus", mined)}
            for name, (which, choose) in RULES.items():
                results[name].append(measure(rows[which], choose))
        sys.stdout.write(f"{Path(collection).name}, {len(mined)} queries\n")
        sys.stdout.write(f"{'rule':44} {'leak':>6} {'hardness':>9} {'filled':>7}\n")
        for name, found in results.items():
            leak, hardness, filled = map(statistics.mean, zip(*found, strict=True))
            sys.stdout.write(f"{name:44} {leak:6.3f} {hardness:9.3f} {filled:7.2f}\n")


if __name__ == "__main__":
    main()
