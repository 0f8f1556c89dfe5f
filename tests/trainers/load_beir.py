"""BEIR: python load_beir.py FORMAT FOLDER MODEL, with its GenericDataLoader."""

import sys

from beir.datasets.data_loader import GenericDataLoader
from seen import row, tell


def main(_: str, folder: str, model: str, split: str = "train") -> None:
    """Load and tell."""
    del model
    corpus, queries, qrels = GenericDataLoader(folder).load(split=split)

    def text(doc_id: str) -> str:
        return f"{corpus[doc_id]['title']} {corpus[doc_id]['text']}".strip()

    rows = [
        row(query, map(text, qrels[query_id]), scores=list(qrels[query_id].values()))
        for query_id, query in queries.items()
    ]
    tell("beir", rows, None, documents=len(corpus))


if __name__ == "__main__":
    main(*sys.argv[1:])
