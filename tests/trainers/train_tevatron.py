"""Tevatron 0.1: python train_tevatron.py FORMAT FOLDER MODEL, with one step of its trainer."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from seen import row, tell
from tevatron.arguments import DataArguments, DenseTrainingArguments, ModelArguments
from tevatron.data import QPCollator, TrainDataset
from tevatron.datasets import HFTrainDataset
from tevatron.modeling import DenseModel
from tevatron.trainer import DenseTrainer
from transformers import AutoConfig, AutoTokenizer, BertTokenizer


class Trainer(DenseTrainer):  # type: ignore[misc]
    """Its trainer, called as transformers calls one today: with a count of items."""

    def compute_loss(self, model: Any, inputs: Any, **_: Any) -> Any:
        """Return the loss of its model."""
        return super().compute_loss(model, inputs)

    def training_step(self, model: Any, inputs: Any, *_: Any) -> Any:
        """Take its step."""
        return super().training_step(model, inputs)


def slow_tokenizer(model: str) -> Any:
    """Return a tokenizer that is not of the fast kind, as Tevatron's driver asks for."""
    vocabulary = AutoTokenizer.from_pretrained(model).get_vocab()
    path = Path(tempfile.mkdtemp()) / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.get)))
    return BertTokenizer(str(path), do_lower_case=True)


def main(_: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    # Not train_dir: what stands there it takes for tokens already.
    data_args = DataArguments(
        dataset_name=folder, train_n_passages=4, dataset_proc_num=1,
        positive_passage_no_shuffle=True, negative_passage_no_shuffle=True,
    )  # fmt: skip
    tokenizer = slow_tokenizer(model)
    with tempfile.TemporaryDirectory() as out:
        source = HFTrainDataset(tokenizer, data_args, tempfile.mkdtemp())
        rows = [
            row(
                one["query"],
                [source.separator.join((p["title"], p["text"])) for p in one["positive_passages"]],
                [source.separator.join((p["title"], p["text"])) for p in one["negative_passages"]],
                [p["score"] for p in one["positive_passages"] + one["negative_passages"]],
            )
            for one in source.dataset
        ]
        arguments = DenseTrainingArguments(
            output_dir=out, max_steps=1, per_device_train_batch_size=4, logging_steps=1,
            save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            remove_unused_columns=False,
        )  # fmt: skip
        model_args = ModelArguments(model_name_or_path=model)
        config = AutoConfig.from_pretrained(model)
        dense = DenseModel.build(model_args, data_args, arguments, config=config)
        train = TrainDataset(data_args, source.process(), tokenizer)
        collate = QPCollator(tokenizer, max_p_len=data_args.p_max_len, max_q_len=32)
        trainer = Trainer(model=dense, args=arguments, train_dataset=train, data_collator=collate)
        train.trainer = trainer
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tell("tevatron", rows, losses[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
