"""Does a reranker's second look lower the leak, where the negatives stay as hard?

    python benchmarks/rerank_leak.py DATA WORK [COLLECTION ...]

A CrossEncoder is trained here, in minutes on a CPU: MiniLM's weights under a new head, on questions
and answers of DATA/medquad, claims and abstracts of DATA/scifact's train split, and titles and
abstracts of its corpus, each with a mined negative and a random one. It has seen nothing of the
collections it is then tried on (cranfield and cisi if none is named), whose judgements are
exhaustive: as in leak.py one positive of each query is kept, the others are hidden, and five
negatives are taken. `filter-negatives` looks at what was mined, with several margins and with
several budgets (--max-false-negatives); beside each stands what mining alone leaks under the budget
at which its negatives are as hard. Means over five choices of the known positive. WORK keeps
corpora, vectors, scores and the model.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from known_positives import collection, one_known, stage
from leak import NEGATIVES, SEEDS, at_hardness, queries

from gpte_data import io
from gpte_data.backends.models import model_path
from gpte_data.records import full_text, kept

TRAINING = {"scifact": ("train", 2000), "medquad": ("test", 4000)}
"""Collection -> split and queries, at most, that the reranker is trained on."""
EXAMPLES, CHARACTERS, TOKENS, BATCH, STEP = 10_000, 450, 112, 16, 7e-5
MINED = 0.1
"""Budget of mining where the filter has a margin; where it has a budget, mining has the same."""
BUDGETS = (0.02, 0.05, 0.1, 0.2)
MARGINS: dict[str, tuple[float, ...]] = {
    "st": (0.0, 0.05, 0.2, 0.5),
    "maxsim": (0.0, 0.1, 0.15, 0.2),
}
Row = dict[str, Any]


def examples(data: Path, work: Path) -> Iterator[tuple[str, str, float]]:
    """Yield (query, document, label): each pair with a mined negative and a random one."""
    for name, (split, most) in TRAINING.items():
        corpus, pairs = collection_of(data / name, split, work / name)
        random.Random(0).shuffle(pairs)
        rows = list(io.read_all(corpus))
        texts = {row["doc_id"]: full_text(row) for row in rows}
        yield from _with_negatives(work / name, "some", corpus, pairs[:most], texts)
        if name == "scifact":
            texts = {row["doc_id"]: row["text"] for row in rows}
            titled = [row for row in rows if row.get("title")]
            pairs = [
                {"query_id": row["doc_id"], "query": row["title"], "positives": [row["doc_id"]]}
                for row in titled
            ]
            yield from _with_negatives(work / name, "titles", corpus, pairs, texts)


def _with_negatives(
    folder: Path, name: str, corpus: Path, pairs: list[Row], texts: dict[str, str]
) -> Iterator[tuple[str, str, float]]:
    """Yield pairs with their negatives."""
    dice, pool = random.Random(0), list(texts.values())
    if not (folder / name).is_dir():
        io.write(folder / name / "00000.parquet", pairs)
    for row in stage(
        "mine-negatives", str(folder / name), folder / f"mined-{name}",
        corpus=(corpus,), top_k=60, num_negatives=NEGATIVES, max_false_negatives=0.05,
    ):  # fmt: skip
        for doc_id in row["positives"][:2]:
            yield row["query"], texts[doc_id], 1.0
            yield row["query"], texts[kept(row)[0]["doc_id"]], 0.0
            yield row["query"], dice.choice(pool), 0.0


def collection_of(source: Path, split: str, folder: Path) -> tuple[Path, list[Row]]:
    """Return corpus and pairs of a collection as it is: known_positives may make others of it."""
    read = str(source)
    stage("ingest", read, folder / "corpus", source=read)
    pairs = stage("ingest-pairs", read, folder / f"pairs-{split}", source=read, split=split)
    return folder / "corpus", pairs


def trained(data: Path, work: Path) -> Path:
    """Train the reranker, unless it is there; return its folder."""
    target = work / "cross-encoder"
    if target.is_dir():
        return target
    import torch
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import (
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    torch.manual_seed(0)
    rows = list(examples(data, work))
    random.Random(0).shuffle(rows)
    asked, found, labels = zip(*rows[:EXAMPLES], strict=True)
    dataset = Dataset.from_dict(
        {"query": asked, "document": [text[:CHARACTERS] for text in found], "label": labels}
    )
    model = CrossEncoder(model_path("all-MiniLM-L6-v2"), num_labels=1, max_length=TOKENS)
    how = CrossEncoderTrainingArguments(
        output_dir=str(work / "training"), per_device_train_batch_size=BATCH, num_train_epochs=1,
        learning_rate=STEP, warmup_ratio=0.1, bf16=True, save_strategy="no", report_to="none",
        seed=0,
    )  # fmt: skip
    CrossEncoderTrainer(
        model=model, args=how, train_dataset=dataset, loss=BinaryCrossEntropyLoss(model)
    ).train()
    model.save(str(target))
    return target


def measured(rows: list[Row]) -> tuple[float, float, float]:
    """Return leak, hardness and the share of queries that go short, of the first five kept."""
    hidden, scores, short = [], [], 0
    for row in rows:
        hits = kept(row)[:NEGATIVES]
        hidden += [hit["doc_id"] in row["hidden"] for hit in hits]
        scores += [hit["score"] for hit in hits]
        short += len(hits) < NEGATIVES
    return float(np.mean(hidden)), float(np.mean(scores)), short / len(rows)


def report(source: Path, work: Path, rerankers: dict[str, str]) -> None:
    """Print a collection's table."""
    corpus, pairs = collection(source, "test", work)
    alone = [queries(corpus, pairs, seed, work) for seed in SEEDS]
    sys.stdout.write(f"\n{source.name}, {len(alone[0])} queries: leak / hardness (short)\n")
    for kind, spec in rerankers.items():
        ways: list[tuple[str, float, dict[str, float]]] = [
            *((f"margin {one:g}", MINED, {"margin": one}) for one in MARGINS[kind]),
            *((f"budget {one:g}", one, {"max_false_negatives": one}) for one in BUDGETS),
        ]
        for name, budget, options in ways:
            folders = [mined(corpus, pairs, seed, budget, work) for seed in SEEDS]
            looked = [measured(looked_at(one, corpus, spec, name, options)) for one in folders]
            same = [at_hardness(run, one[1]) for run, one in zip(alone, looked, strict=True)]
            both, by_mining = np.mean(looked, axis=0), np.mean(same, axis=0)
            sys.stdout.write(
                f"  {kind:7} {name:12}: {said(both)}   "
                f"mining alone {said(by_mining)}, {both[0] / by_mining[0]:.2f} of it\n"
            )
            sys.stdout.flush()


def mined(corpus: Path, pairs: list[Row], seed: int, budget: float, work: Path) -> Path:
    """Mine under a budget; return where."""
    read, output = work / f"known-{seed}", work / f"mined-{seed}-{budget}"
    if not read.is_dir():
        io.write(read / "00000.parquet", one_known(pairs, seed))
    stage(
        "mine-negatives", str(read), output, corpus=(corpus,), top_k=210,
        max_false_negatives=budget, num_negatives=NEGATIVES,
    )  # fmt: skip
    return output


def looked_at(
    folder: Path, corpus: Path, spec: str, name: str, options: dict[str, float]
) -> list[Row]:
    """Return mined rows as filter-negatives leaves them."""
    way = f"{spec.partition(':')[0]}-{name.replace(' ', '-')}"
    output = folder.with_name(f"{folder.name}-{way}")
    how = {"corpus": (corpus,), "reranker": spec, "num_negatives": NEGATIVES, **options}
    return stage("filter-negatives", str(folder), output, **how)


def said(found: Any) -> str:
    """Return leak, hardness and shortage as they are printed."""
    leak, hardness, short = found
    return f"{leak:.3f} / {hardness:.3f} ({short:.2f})"


def main() -> None:
    """Train, then print a table for each collection."""
    data, work = Path(sys.argv[1]), Path(sys.argv[2])
    rerankers = {"st": f"st:{trained(data, work)}", "maxsim": "maxsim"}
    for name in sys.argv[3:] or ["cranfield", "cisi"]:
        report(data / name, work / name, rerankers)


if __name__ == "__main__":
    main()
