"""Batches whose arithmetic does not depend on what else is in them.

A text is padded to the next multiple of 32 tokens, never to the longest of its batch, and a batch
is filled up to a multiple of 16 texts, since matrix products round differently for a few rows or
for odd counts (in bfloat16 also for 8 short texts). The same text then gives the same bits in any
batch, in any order and on any number of threads (tested with real models on a CPU), which is what
makes shards equal byte for byte on any
number of workers. Texts of one padded length are put together, as many as a token budget allows.
"""

from collections.abc import Iterator, Sequence
from typing import Any

STEP = 32
ROWS = 16


def batches(lengths: Sequence[int], tokens: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (padded length, positions) until every position was in one batch.

    Args:
        lengths: Tokens of each text.
        tokens: Padded tokens that a batch may hold; a longer text is alone.
        longest: Tokens that the model takes; nothing is padded beyond.
    """
    padded = [min(_round_up(length), longest) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda i: (padded[i], i))
    start = 0
    while start < len(order):
        length = padded[order[start]]
        size = max(1, tokens // length)
        batch = [i for i in order[start : start + size] if padded[i] == length]
        yield length, batch
        start += len(batch)


def _round_up(length: int) -> int:
    """Return the next multiple of STEP."""
    return max(STEP, -(-length // STEP) * STEP)


def collate(tokenizer: Any, encoded: Sequence[dict[str, list[int]]], length: int) -> dict[str, Any]:
    """Return encoded texts as tensors (texts rounded up to ROWS, length).

    Padding is on the tokenizer's side; the rows added at the end repeat the first text.
    """
    import torch

    encoded = [*encoded, *[encoded[0]] * (-len(encoded) % ROWS)]
    fill = {"input_ids": tokenizer.pad_token_id or 0}
    left = tokenizer.padding_side == "left"
    features = {}
    for name in encoded[0]:
        tensor = torch.full((len(encoded), length), fill.get(name, 0), dtype=torch.long)
        for row, one in enumerate(encoded):
            values = torch.tensor(one[name])
            place = slice(length - len(values), length) if left else slice(0, len(values))
            tensor[row, place] = values
        features[name] = tensor
    return features


def split(encoded: Any) -> list[dict[str, list[int]]]:
    """Return a tokenizer's output, columns of lists, as one dict a text."""
    names = list(encoded.keys())
    columns = (encoded[name] for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
