"""GPL: python train_gpl.py FORMAT FOLDER MODEL, with its datasets and loss.

`gpl.train` calls a way of training that sentence-transformers no longer has: the step is ours.
"""

import sys
from pathlib import Path

import torch
from beir.datasets.data_loader import GenericDataLoader
from gpl.toolkit.dataset import GenerativePseudoLabelingDataset, HardNegativeDataset
from gpl.toolkit.loss import MarginDistillationLoss
from sentence_transformers import SentenceTransformer
from told import row, tell


def main(_: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    corpus, queries, _qrels = GenericDataLoader(folder, prefix="qgen").load(split="train")
    hard = HardNegativeDataset(str(Path(folder) / "hard-negatives.jsonl"), queries, corpus)
    margins = GenerativePseudoLabelingDataset(
        str(Path(folder) / "gpl-training-data.tsv"), queries, corpus
    )
    examples = [margins[n] for n in range(len(margins))]
    rows = [row(one.texts[0], one.texts[1:2], one.texts[2:], [one.label]) for one in examples]
    triples = [tuple(hard[n].texts) for n in range(len(hard))]
    known = {tuple(one.texts) for one in examples}
    assert set(triples) <= known, "hard-negatives.jsonl and gpl-training-data.tsv differ"

    student = SentenceTransformer(model, device="cpu")
    loss = MarginDistillationLoss(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-3)
    batch = examples[:4]
    features = [student.tokenize([one.texts[column] for one in batch]) for column in range(3)]
    value = loss(features, torch.tensor([one.label for one in batch]))
    value.backward()
    optimizer.step()
    tell("gpl", rows, float(value), queries=len(hard))


if __name__ == "__main__":
    main(*sys.argv[1:])
