"""ms-swift 3.9 and later: python train_swift.py FORMAT FOLDER MODEL; one step of its trainer."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ |= {"MODELSCOPE_CACHE": tempfile.mkdtemp(), "USE_HF": "1"}

from seen import row, tell
from swift.arguments import SftArguments
from swift.pipelines.train.sft import SwiftSft

ONE_STEP = [
    "--task_type", "embedding", "--loss_type", "infonce", "--tuner_type", "full",
    "--model_type", "qwen3_emb", "--torch_dtype", "float32", "--max_steps", "1",
    "--per_device_train_batch_size", "4", "--logging_steps", "1", "--save_strategy", "no",
    "--report_to", "none", "--use_cpu", "true", "--dataset_shuffle", "false",
    "--train_dataloader_shuffle", "false", "--strict", "true", "--dataloader_num_workers", "0",
    "--dataset_num_proc", "1", "--max_length", "16384", "--check_model", "false",
]  # fmt: skip


def main(_: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    files = sorted(str(path) for path in Path(folder).glob("*.jsonl"))
    with tempfile.TemporaryDirectory() as out:
        arguments = ["--model", model, "--dataset", *files, "--output_dir", out, *ONE_STEP]
        pipeline = SwiftSft(arguments)
        assert isinstance(pipeline.args, SftArguments)
        dataset, _none = pipeline._prepare_dataset()
        template, rows = pipeline.template, []
        for n in range(len(dataset)):
            one = dataset[n]

            def text(ids: list[int]) -> Any:
                return template.tokenizer.decode(ids, skip_special_tokens=False)

            negatives = [text(ids) for ids in one.get("negative_input_ids") or []]
            rows.append(
                row(text(one["anchor_input_ids"]), [text(one["positive_input_ids"])], negatives)
            )
        pipeline.run()
    losses = [entry["loss"] for entry in pipeline.train_msg["log_history"] if "loss" in entry]
    tell("ms-swift", rows, losses[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
