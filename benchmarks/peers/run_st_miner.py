"""sentence-transformers' own miner on vectors that are given.

    python run_st_miner.py WORK K [--faiss]

WORK is made by mining_speed.py. The model looks vectors up by the number in a text.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives


class Given(SentenceTransformer):  # type: ignore[misc]
    """Gives the vector whose number a text ends with."""

    def __init__(self, documents: Any, queries: Any) -> None:
        super().__init__(modules=[torch.nn.Identity()])
        self.given = {"passage": documents, "question": queries}

    def encode(self, sentences: Any, **options: Any) -> Any:
        """Return vectors (n, d)."""
        vectors = self.given[sentences[0].partition(" ")[0]]
        return vectors[[int(text.rpartition(" ")[2]) for text in sentences]]

    encode_query = encode_document = encode

    def get_embedding_dimension(self) -> int:
        """Return d."""
        return int(self.given["passage"].shape[1])


def main() -> None:
    """Mine K candidates for each query."""
    work, k = Path(sys.argv[1]), int(sys.argv[2])
    documents, queries = (np.load(work / "vectors" / f"{n}.npy") for n in ("documents", "queries"))
    positives = (work / "positives.txt").read_text().split()
    pairs = Dataset.from_dict(
        {
            "anchor": [f"question {n}" for n in range(len(queries))],
            "positive": [f"passage {n}" for n in positives],
        }
    )
    mined = mine_hard_negatives(
        pairs,
        Given(documents, queries),
        corpus=[f"passage {n}" for n in range(len(documents))],
        num_negatives=5,
        range_max=k,
        relative_margin=0.05,
        use_faiss="--faiss" in sys.argv,
        output_format="labeled-list",
        output_scores=True,
        verbose=False,
    )
    mined.to_parquet(work / "st.parquet")


if __name__ == "__main__":
    main()
