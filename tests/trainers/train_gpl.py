"""GPL: python train_gpl.py FORMAT FOLDER MODEL, with its datasets and loss.

The package as a whole asks for parts of transformers that are gone (by way of beir's training), so
its two modules are taken by file, and the step is ours.
"""

import sys
from importlib.metadata import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from beir.datasets.data_loader import GenericDataLoader
from seen import row, tell
from sentence_transformers import SentenceTransformer


def module(name: str) -> Any:
    """Return a module of GPL without the packages around it."""
    (path,) = (file for file in files("gpl") or () if str(file) == f"gpl/toolkit/{name}.py")
    spec = spec_from_file_location(name, path.locate())
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def main(_: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    corpus, queries, _qrels = GenericDataLoader(folder, prefix="qgen").load(split="train")
    data = module("dataset")
    hard = data.HardNegativeDataset(str(Path(folder) / "hard-negatives.jsonl"), queries, corpus)
    margins = data.GenerativePseudoLabelingDataset(
        str(Path(folder) / "gpl-training-data.tsv"), queries, corpus
    )
    examples = [margins[n] for n in range(len(margins))]
    rows = [row(one.texts[0], one.texts[1:2], one.texts[2:], [one.label]) for one in examples]
    triples = [tuple(hard[n].texts) for n in range(len(hard))]
    known = {tuple(one.texts) for one in examples}
    assert set(triples) <= known, "hard-negatives.jsonl and gpl-training-data.tsv differ"

    student = SentenceTransformer(model, device="cpu")
    loss = module("loss").MarginDistillationLoss(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-3)
    batch = examples[:4]
    features = [student.tokenize([one.texts[column] for one in batch]) for column in range(3)]
    value = loss(features, torch.tensor([one.label for one in batch]))
    value.backward()
    optimizer.step()
    tell("gpl", rows, value.item(), queries=len(hard))


if __name__ == "__main__":
    main(*sys.argv[1:])
