"""ids: python load_ids.py FORMAT FOLDER MODEL, with `datasets`."""

import sys
import tempfile

from datasets import load_dataset
from seen import row, tell


def main(_: str, folder: str, model: str) -> None:
    """Load and tell."""
    del model
    data = load_dataset(folder, split="train", cache_dir=tempfile.mkdtemp())
    rows = [
        row(
            one["query"], one["positives"], one["negatives"],
            one["positive_scores"] + one["negative_scores"], instruction=one["instruction"],
        )
        for one in data
    ]  # fmt: skip
    tell("datasets", rows, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
