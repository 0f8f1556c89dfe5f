"""Tevatron 2, which is in no package index: a reader of its documented keys, written here.

As its retriever/dataset.py does: rows and corpus by `datasets`, documents by `docid`, text alone.
"""

import sys
import tempfile
from pathlib import Path

from datasets import load_dataset
from seen import row, tell


def main(_: str, folder: str, model: str) -> None:
    """Load and tell."""
    del model
    cache = tempfile.mkdtemp()
    files = sorted(str(path) for path in Path(folder).glob("*.jsonl"))
    data = load_dataset("json", data_files=files, split="train", cache_dir=cache)
    where = str(Path(folder) / "corpus" / "corpus.jsonl")
    corpus = load_dataset("json", data_files=where, split="train", cache_dir=cache)
    place = {docid: n for n, docid in enumerate(corpus["docid"])}
    rows = []
    for one in data:
        assert one["query_image"] is None
        assert isinstance(one["query_id"], str)
        texts = [
            [corpus[place[docid]]["text"] for docid in one[f"{kind}_document_ids"]]
            for kind in ("positive", "negative")
        ]
        rows.append(row(one["query_text"], *texts))
    tell("datasets", rows, None, documents=len(place))


if __name__ == "__main__":
    main(*sys.argv[1:])
