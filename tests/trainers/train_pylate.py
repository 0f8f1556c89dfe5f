"""PyLate: python train_pylate.py FORMAT FOLDER MODEL, with one step of its losses."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from datasets import load_dataset
from pylate import losses, models, utils
from seen import row, tell
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

SIZES: dict[str, Any] = {"embedding_size": 16, "query_length": 16, "document_length": 64}


def read(path: Path) -> Any:
    """Return the shards of a folder as `datasets` reads them."""
    files = sorted(str(file) for file in path.glob("*.parquet"))
    return load_dataset("parquet", data_files=files, split="train", cache_dir=tempfile.mkdtemp())


def distilled(folder: str) -> Any:
    """Return the rows of distillation with their texts, put in by PyLate."""
    parts = [read(Path(folder) / name) for name in ("train", "queries", "documents")]
    parts[0].set_transform(utils.KDProcessing(queries=parts[1], documents=parts[2]).transform)
    return parts[0]


def rows_of(data: Any, collate: Any) -> list[dict[str, Any]]:
    """Return each row by the columns that the collator takes for queries and documents."""
    rows = []
    for n in range(len(data)):
        one = data[n]
        batch = collate([one])
        names = [name.removesuffix("_input_ids") for name in batch if name.endswith("_input_ids")]
        assert names[0] == "query", names
        scores = batch["label"][0].tolist() if "label" in batch else None
        texts = one["documents"] if names[1] == "documents" else [one[name] for name in names[1:]]
        rows.append(row(one["query"], texts[:1], texts[1:], scores))
    return rows


def main(name: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    distillation = name == "pylate-kd"
    data = distilled(folder) if distillation else read(Path(folder))
    student = models.ColBERT(model_name_or_path=model, device="cpu", **SIZES)
    collate = utils.ColBERTCollator(student.tokenize)
    rows = rows_of(data, collate)
    loss = (losses.Distillation if distillation else losses.Contrastive)(model=student)
    with tempfile.TemporaryDirectory() as out:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=out, max_steps=1, per_device_train_batch_size=4, logging_steps=1,
            save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=student, args=arguments, train_dataset=data, loss=loss, data_collator=collate
        )
        trainer.train()
    losses_ = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tell("pylate", rows, losses_[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
