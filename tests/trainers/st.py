"""sentence-transformers: python st.py FORMAT FOLDER MODEL, with one step of its trainers."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from seen import row, tell
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.cross_encoder import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from sentence_transformers.cross_encoder.losses import LambdaLoss
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.modules import Dense

LOSSES = {
    "sentence-transformers": losses.MultipleNegativesRankingLoss,
    "st-labeled-pair": losses.CoSENTLoss,
    "st-margin-mse": losses.MarginMSELoss,
    "st-kldiv": losses.DistillKLDivLoss,
    "leaf": losses.MSELoss,
}
ONE_STEP: dict[str, Any] = {
    "max_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "logging_steps": 1,
    "save_strategy": "no", "report_to": [], "use_cpu": True, "disable_tqdm": True,
}  # fmt: skip


def read(folder: str) -> Any:
    """Return the folder as `datasets` reads it."""
    return load_dataset(folder, split="train", cache_dir=tempfile.mkdtemp())


def bi_encoder(name: str, model: str, data: Any, out: str) -> Any:
    """Return the trainer of an embedding model."""
    student = SentenceTransformer(model, device="cpu")
    if name == "leaf":
        wide, narrow = len(data[0]["label"]), student.get_embedding_dimension()
        # As in LEAF: a matrix takes the student's vectors to the teacher's dimensions.
        student.append(Dense(narrow, wide, bias=False, activation_function=torch.nn.Identity()))
    arguments = SentenceTransformerTrainingArguments(output_dir=out, **ONE_STEP)
    return SentenceTransformerTrainer(
        student, arguments, train_dataset=data, loss=LOSSES[name](student)
    )


def cross_encoder(model: str, data: Any, out: str) -> Any:
    """Return the trainer of a reranker."""
    student = CrossEncoder(model, device="cpu")
    arguments = CrossEncoderTrainingArguments(output_dir=out, **ONE_STEP)
    return CrossEncoderTrainer(student, arguments, train_dataset=data, loss=LambdaLoss(student))


def texts(trainer: Any, data: Any) -> list[dict[str, Any]]:
    """Return each row as the collator takes it apart: what is text, and what is a label."""
    collate = trainer.data_collator
    tokenize = collate.preprocess_fn
    rows = []
    for example in data:
        inputs: list[Any] = []

        def remember(column: Any, inputs: list[Any] = inputs, **given: Any) -> Any:
            inputs.append(column[0])
            return tokenize(column, **given)

        collate.preprocess_fn = remember
        label = collate([example]).get("label")
        scores = None if label is None else torch.as_tensor(label[0]).reshape(-1).tolist()
        rows.append(row(inputs[0], inputs[1:2], inputs[2:], scores))
    collate.preprocess_fn = tokenize
    return rows


def lists(trainer: Any, data: Any) -> list[dict[str, Any]]:
    """Return each row of a reranker's lists, after a look at the collator's columns."""
    batch = trainer.data_collator([data[0], data[1]])
    assert sorted(batch) == ["anchor", "label", "positive"], sorted(batch)
    rows = []
    for example in data:
        both = list(zip(example["positive"], example["labels"], strict=True))
        answers = [text for text, label in both if label]
        rows.append(row(example["anchor"], answers, [t for t, label in both if not label]))
    return rows


def main(name: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    data = read(folder)
    with tempfile.TemporaryDirectory() as out:
        if name == "st-labeled-list":
            trainer, look = cross_encoder(model, data, str(Path(out))), lists
        else:
            trainer, look = bi_encoder(name, model, data, str(Path(out))), texts
        rows = look(trainer, data)
        trainer.train()
    losses_ = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tell("sentence-transformers", rows, losses_[0], columns=data.column_names)


if __name__ == "__main__":
    main(*sys.argv[1:])
