"""What the probe says of three kinds of negatives of the same rows: a table for docs/results.md.

    python benchmarks/probe_negatives.py DATA/scifact WORK

Train claims with the same positives and as many negatives each: mined by `mine-negatives` with its
defaults, drawn at random, and found by sentence-transformers' `mine_hard_negatives` with its
defaults (the same teacher, the same stored vectors). Only rows for which all three have enough
negatives are compared. Two lines more are to compare with: no negatives but those of the batch, and
mined ones with positives that are shuffled, which teach nothing true. WORK keeps what was made.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any

from known_positives import stage

from gpte_data import io
from gpte_data.backends import Options
from gpte_data.backends.models import model_path
from gpte_data.corpus import open_corpus
from gpte_data.probing.probe import Asked, probe
from gpte_data.records import full_text, kept
from gpte_data.teachers import open_model

NEGATIVES = 3
"""The default of mine_hard_negatives."""
SEEDS = 5
TEACHER = "all-MiniLM-L6-v2"
Row = dict[str, Any]


def pairs_of(source: Path, work: Path) -> tuple[dict[str, str], list[Row]]:
    """Return the corpus' texts and the train queries, mined."""
    read = str(source)
    stage("ingest", read, work / "corpus", source=read)
    stage("ingest-pairs", read, work / "pairs", source=read, split="train")
    mined = stage("mine-negatives", str(work / "pairs"), work / "mined", corpus=(work / "corpus",))
    texts = {row["doc_id"]: full_text(row) for row in io.read_all(work / "corpus")}
    return texts, mined


def of_sentence_transformers(
    rows: list[Row], texts: dict[str, str], folder: Path
) -> dict[tuple[str, str], list[str]]:
    """Return (query, positive) -> negatives of what mine_hard_negatives gives."""
    if not folder.is_dir():
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

        found = [(row["query"], texts[one]) for row in rows for one in row["positives"]]
        dataset = Dataset.from_dict(
            {"anchor": [q for q, _ in found], "positive": [p for _, p in found]}
        )
        model = of_stored(texts, folder.parent)
        mined = mine_hard_negatives(
            dataset, model, corpus=list(texts.values()), output_format="n-tuple", verbose=False
        )
        io.write(folder / "00000.parquet", list(mined))
    negatives = {}
    for row in io.read_all(folder):
        taken = [row[f"negative_{n}"] for n in range(1, NEGATIVES + 1)]
        negatives[row["anchor"], row["positive"]] = taken
    return negatives


def of_stored(texts: dict[str, str], work: Path) -> Any:
    """Return the teacher as a SentenceTransformer that reads the corpus' stored vectors."""
    from sentence_transformers import SentenceTransformer

    corpus = open_corpus((work / "corpus",))
    vectors = open_model(f"st:{TEACHER}", Options()).documents(corpus)
    stored = vectors.take(range(len(corpus.doc_ids)))
    place = {text: n for n, text in enumerate(texts.values())}

    class Stored(SentenceTransformer):  # type: ignore[misc,unused-ignore]
        """Embeds what is not in the corpus."""

        def encode_document(self, texts: list[str], **_: Any) -> Any:
            import torch

            return torch.from_numpy(stored[[place[text] for text in texts]])

    return Stored(model_path(TEACHER))


def variants(source: Path, work: Path) -> dict[str, list[Row]]:
    """Return the same rows with each kind of negatives."""
    texts, mined = pairs_of(source, work)
    theirs = of_sentence_transformers(mined, texts, work / "sentence-transformers")
    pool = list(texts.values())
    made: dict[str, list[Row]] = {
        name: [] for name in ("none", "random", "sentence-transformers", "mine-negatives")
    }
    for row in mined:
        ours = [texts[hit["doc_id"]] for hit in kept(row)[:NEGATIVES]]
        known = {texts[one] for one in row["positives"]}
        dice = random.Random(row["query_id"])
        for positive in (texts[one] for one in row["positives"]):
            other = theirs.get((row["query"], positive), [])
            if len(ours) < NEGATIVES or len(other) < NEGATIVES:
                continue
            drawn = [one for one in dice.sample(pool, NEGATIVES + len(known)) if one not in known]
            pair = {"anchor": row["query"], "positive": positive}
            found: list[list[str]] = [[], drawn[:NEGATIVES], other, ours]
            for rows, negatives in zip(made.values(), found, strict=True):
                numbered = {f"negative_{n}": one for n, one in enumerate(negatives, 1)}
                rows.append(pair | numbered)
    shuffled = [row["positive"] for row in made["mine-negatives"]]
    random.Random(0).shuffle(shuffled)
    made["shuffled positives"] = [
        {**row, "positive": other}
        for row, other in zip(made["mine-negatives"], shuffled, strict=True)
    ]
    return made


def main() -> None:
    """Print a line for each kind."""
    source, work = Path(sys.argv[1]), Path(sys.argv[2])
    sys.stdout.write(
        "| negatives | rows | queries | nDCG@10 before | after | difference (95 %) | seeds ± "
        "| Recall@100 before | after | difference (95 %) | also negatives | s |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    for name, rows in variants(source, work).items():
        folder = work / f"rows-{name.replace(' ', '-')}"
        io.write(folder / "00000.parquet", rows)
        started = time.monotonic()
        found = probe(
            Asked(
                folder, source, corpus=(work / "corpus",), cache=work / "cache", seeds=SEEDS,
                teacher=f"st:{TEACHER}",
            )
        ).found  # fmt: skip
        cells = [name, f"{found['rows']:,}", f"{found['queries_counted']:,}"]
        for n, one in enumerate(found["measures"].values()):
            cells += [f"{one['before']:.4f}", f"{one['after']:.4f}"]
            cells += [f"{one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"]
            cells += [f"{one['seed_spread']:.4f}"] if n == 0 else []
        cells += [str(found["also_negatives"]), f"{time.monotonic() - started:.0f}"]
        sys.stdout.write("| " + " | ".join(cells) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
