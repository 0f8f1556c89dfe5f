"""Scoring candidates with a cross-encoder: ours, and sentence-transformers' predict, in one run.

    python benchmarks/reranking.py BEIR_FOLDER [QUERIES [ROUNDS [SPLIT]]]

The first QUERIES queries of a collection are mined with all-MiniLM-L6-v2; their positives and 30
candidates each are the pairs. The model is all-MiniLM-L6-v2's transformer with a fresh head of one
logit: as large and as fast as a trained one of its size, its scores mean nothing. Ways, in turn,
medians of ROUNDS:

    predict, a call a query    what sentence-transformers' miner does with cross_encoder=
    predict, one call          all pairs at once, sorted by length within sentence-transformers
    filter-negatives, float32  the whole stage on mined rows: texts, scores, cache, verdicts
    filter-negatives, auto     in bfloat16 where the hardware has it
    another threshold          the stage again, --margin 0.2: no pair goes to the model

Beside the times: the largest difference of our probabilities from predict's, and the share of
verdicts that differ in bfloat16.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, BertForSequenceClassification

from gpte_data import io
from gpte_data.backends.models import model_path
from gpte_data.cli import main as cli
from gpte_data.corpus import open_corpus
from gpte_data.denoising.options import FilterConfig
from gpte_data.records import kept
from gpte_data.stage import Context, Row
from gpte_data.stages.filter_negatives import filter_negatives

DEPTH = 30


def main() -> None:
    """Print a line for each way."""
    source = sys.argv[1]
    queries, rounds = (int(n) for n in [*sys.argv[2:4], "100", "3"][:2])
    split = sys.argv[4] if len(sys.argv) > 4 else "test"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        rows = mined(source, split, queries, work)
        model = cross_encoder(work / "model")
        bench(rows, work, model, rounds)


def mined(source: str, split: str, queries: int, work: Path) -> list[Row]:
    """Return rows with candidates."""
    run("ingest", source, "-o", work / "corpus", "--pairs", work / "all", "--split", split)
    io.write(work / "pairs" / "00000.parquet", islice(io.read_all(work / "all"), queries))
    missing = ("--missing-positives", "drop")
    run("mine-negatives", work / "pairs", "-o", work / "mined", "--corpus", work / "corpus",
        "--top-k", DEPTH, "--max-false-negatives", 1, *missing)  # fmt: skip
    return list(io.read_all(work / "mined"))


def run(*words: object) -> None:
    """Run a command in this process."""
    sys.argv = ["gpte-data", *map(str, words)]
    try:
        cli()
    except SystemExit as ended:
        if ended.code:
            raise


def cross_encoder(folder: Path) -> Path:
    """Write a cross-encoder with MiniLM's weights and a head that is drawn."""
    torch.manual_seed(0)
    path = model_path("all-MiniLM-L6-v2")
    model = BertForSequenceClassification.from_pretrained(path, num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)  # probabilities from 0 to 1
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path, model_max_length=512).save_pretrained(folder)
    return folder


def bench(rows: list[Row], work: Path, model: Path, rounds: int) -> None:
    """Run every way in turn, and print what came out."""
    corpus = open_corpus((work / "corpus",))
    wanted = [[*row["positives"], *(h["doc_id"] for h in kept(row))] for row in rows]
    texts = corpus.texts(doc_id for ids in wanted for doc_id in ids)
    by_query = [
        [(row["query"], texts[doc_id]) for doc_id in ids]
        for row, ids in zip(rows, wanted, strict=True)
    ]
    pairs = [pair for group in by_query for pair in group]
    peer = CrossEncoder(str(model), device="cpu")
    quiet = {"show_progress_bar": False, "activation_fn": torch.nn.Sigmoid()}

    def ours(dtype: str, folder: str, **more: Any) -> tuple[list[Row], Context]:
        cfg = FilterConfig.of(
            {"corpus": (work / "corpus",), "reranker": f"st:{model}", "dtype": dtype,
             "depth": DEPTH, "score_cache": work / folder, **more}
        )  # fmt: skip
        ctx = Context()
        return list(filter_negatives.run(rows, cfg, ctx)), ctx

    def fresh(dtype: str) -> list[Row]:
        shutil.rmtree(work / dtype, ignore_errors=True)
        return ours(dtype, dtype)[0]

    ways: dict[str, Callable[[], Any]] = {
        "predict, a call a query": lambda: [peer.predict(group, **quiet) for group in by_query],
        "predict, one call": lambda: peer.predict(pairs, **quiet),
        "filter-negatives, float32": lambda: fresh("float32"),
        "filter-negatives, auto": lambda: fresh("auto"),
        "another threshold": lambda: ours("auto", "auto", margin=0.2),
    }
    for dtype in ("float32", "auto"):  # models are loaded, and threads there, before the first
        list(filter_negatives(rows[:1], corpus=(work / "corpus",), reranker=f"st:{model}",
                              dtype=dtype, score_cache=work / "warm"))  # fmt: skip
    peer.predict(by_query[0], **quiet)
    seconds, found = timed(ways, rounds)
    report(seconds, len(pairs))
    compare(found, len(rows))


def timed(
    ways: dict[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Run the ways in turn; return the seconds of each, and what came of it last."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.monotonic()
            found[name] = way()
            seconds[name].append(time.monotonic() - started)
    return seconds, found


def report(seconds: dict[str, list[float]], pairs: int) -> None:
    """Print the rate of each way, and how often it is that of a call a query."""
    base = statistics.median(next(iter(seconds.values())))
    for name, taken in seconds.items():
        median = statistics.median(taken)
        sys.stdout.write(
            f"{name:26} {median:7.2f} s  {pairs / median:8.1f} pairs/s  {base / median:5.2f} x\n"
        )


def compare(found: dict[str, Any], queries: int) -> None:
    """Print how far scores and verdicts are apart, and what a second run has asked."""
    theirs = np.concatenate(found["predict, a call a query"])
    exact, fast = found["filter-negatives, float32"], found["filter-negatives, auto"]
    for name, rows in (("float32", exact), ("auto", fast)):
        mine = np.concatenate([[*row["positive_rerank_scores"], *_in_order(row)] for row in rows])
        sys.stdout.write(f"{name}: at most {np.abs(mine - theirs).max():.2e} from predict's\n")
    verdicts = [
        [hit["verdict"] for row in rows for hit in row["candidates"]] for rows in (exact, fast)
    ]
    other = np.mean(np.array(verdicts[0]) != np.array(verdicts[1]))
    notes = found["another threshold"][1].ledger.notes
    sys.stdout.write(
        f"{queries} queries; verdicts that differ between them: {other:.2%}; the second threshold "
        f"asked for {notes['pairs scored']} scores and found {notes['scores from the cache']}\n"
    )


def _in_order(row: Row) -> list[float]:
    """Return the scores of candidates, first choice first."""
    hits = [hit for hit in row["candidates"] if "rerank_score" in hit]
    return [hit["rerank_score"] for hit in sorted(hits, key=lambda hit: int(hit["choice"]))]


if __name__ == "__main__":
    main()
