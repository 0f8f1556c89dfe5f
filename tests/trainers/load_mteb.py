"""MTEB: python load_mteb.py FORMAT FOLDER MODEL, with its loader of retrieval tasks."""

import sys

from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader
from seen import row, tell


def main(_: str, folder: str, model: str, split: str = "train") -> None:
    """Load and tell."""
    del model
    data = RetrievalDatasetLoader(folder, revision="", split=split).load()
    texts = {one["id"]: f"{one['title']} {one['text']}".strip() for one in data["corpus"]}
    rows = [
        row(
            one["text"],
            [texts[doc_id] for doc_id in data["relevant_docs"][one["id"]]],
            scores=list(data["relevant_docs"][one["id"]].values()),
        )
        for one in data["queries"]
    ]
    tell("mteb", rows, None, documents=len(texts))


if __name__ == "__main__":
    main(*sys.argv[1:])
