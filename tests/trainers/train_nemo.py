"""NeMo Automodel: python train_nemo.py FORMAT FOLDER MODEL, with its datasets and collator.

Its recipes want a GPU: the step here is ours, with its collator's batch and a plain encoder.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from nemo_automodel.components.datasets.llm.retrieval_collator import BiEncoderCollator
from nemo_automodel.components.datasets.llm.retrieval_dataset import make_retrieval_dataset
from seen import row, tell
from transformers import AutoModel, AutoTokenizer

PASSAGES = 4


def step(model: str, batch: dict[str, Any]) -> float:
    """Return the loss of a contrastive step on a batch, once it is taken."""
    encoder = AutoModel.from_pretrained(model)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-3)
    query, documents = (_first_tokens(encoder, batch, kind) for kind in ("q", "d"))
    documents = documents.view(len(query), -1, query.shape[-1])
    scores = torch.einsum("qh,qnh->qn", query, documents)
    loss = torch.nn.functional.cross_entropy(scores, batch["labels"])
    loss.backward()
    optimizer.step()
    return float(loss.item())


def _first_tokens(encoder: Any, batch: dict[str, Any], kind: str) -> Any:
    """Return a vector of each text: that of its first token."""
    inputs = {name: batch[f"{kind}_{name}"] for name in ("input_ids", "attention_mask")}
    return encoder(**inputs).last_hidden_state[:, 0]


def main(name: str, folder: str, model: str) -> None:
    """Load, look, train one step, tell."""
    files = Path(folder).glob("*.json" if name == "nemo-corpus" else "*.jsonl")
    data = make_retrieval_dataset(sorted(map(str, files)), n_passages=PASSAGES)
    rows, examples = [], [data[n] for n in range(len(data))]
    for one in examples:
        rows.append(row(one["question"], one["doc_text"][:1], one["doc_text"][1:]))
    tokenizer = AutoTokenizer.from_pretrained(model)
    batch = BiEncoderCollator(tokenizer, q_max_len=32, p_max_len=64)(examples[:4])
    tell("nemo-automodel", rows, step(model, batch))


if __name__ == "__main__":
    main(*sys.argv[1:])
