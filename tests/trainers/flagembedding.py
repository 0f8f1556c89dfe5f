"""FlagEmbedding: python flagembedding.py FORMAT FOLDER MODEL, with one step of its trainer.

Its loader takes files as the folder lists them, and draws a positive and the order of negatives.
"""

import sys
import tempfile
from typing import Any

from FlagEmbedding.abc.finetune.embedder import (
    AbsEmbedderDataArguments,
    AbsEmbedderModelArguments,
    AbsEmbedderTrainingArguments,
)
from FlagEmbedding.finetune.embedder.encoder_only.base import EncoderOnlyEmbedderRunner
from seen import row, tell


def arguments(folder: str, model: str, out: str, group: int) -> dict[str, Any]:
    """Return what its command line would be given, with distillation of the scores."""
    return {
        "model_args": AbsEmbedderModelArguments(model_name_or_path=model),
        "data_args": AbsEmbedderDataArguments(
            train_data=[folder],
            cache_path=tempfile.mkdtemp(),
            train_group_size=group,
            query_instruction_for_retrieval="unused: rows have a prompt",
            knowledge_distillation=True,
            same_dataset_within_batch=folder.endswith("no_in_batch_neg"),
        ),
        "training_args": AbsEmbedderTrainingArguments(
            output_dir=out, max_steps=1, per_device_train_batch_size=4, learning_rate=1e-3,
            logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            kd_loss_type="kl_div", dataloader_num_workers=0,
        ),
    }  # fmt: skip


def main(_: str, folder: str, model: str, group: str = "4") -> None:
    """Load, look, train one step, tell."""
    with tempfile.TemporaryDirectory() as out:
        runner = EncoderOnlyEmbedderRunner(**arguments(folder, model, out, int(group)))
        data, rows, flags = runner.train_dataset, [], []
        for n in range(len(data)):
            query, passages, scores, *flag = data[n]
            flags += flag
            if flag:  # a batch of several rows
                size, n_queries = int(group), len(query)
                for q in range(n_queries):
                    some = slice(q * size, (q + 1) * size)
                    texts = passages[some]
                    rows.append(row(query[q], texts[:1], texts[1:], scores[some]))
            else:
                rows.append(row(query, passages[:1], passages[1:], scores))
        if flags:
            data.refresh_epoch()
        runner.trainer.train()
    losses = [entry["loss"] for entry in runner.trainer.state.log_history if "loss" in entry]
    tell("FlagEmbedding", rows, losses[0], no_in_batch_neg=flags)


if __name__ == "__main__":
    main(*sys.argv[1:])
