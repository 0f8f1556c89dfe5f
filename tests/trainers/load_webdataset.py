"""WebDataset: python load_webdataset.py FORMAT FOLDER MODEL, with its own pipeline."""

import sys
from pathlib import Path

import webdataset
from seen import row, tell


def main(_: str, folder: str, model: str) -> None:
    """Load and tell."""
    del model
    shards = sorted(str(path) for path in Path(folder).glob("*.tar"))
    data = webdataset.WebDataset(shards, shardshuffle=False).decode()
    rows = [
        row(
            one["json"]["query"], one["json"]["positives"], one["json"]["negatives"],
            one["json"]["positive_scores"] + one["json"]["negative_scores"],
            instruction=one["json"]["instruction"],
        )
        for one in data
    ]  # fmt: skip
    tell("webdataset", rows, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
