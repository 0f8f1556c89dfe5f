"""The output layer of a language model, read row by row from its files.

A row (d,) belongs to a token; its product with a hidden state is the token's logit. A whole layer
may take a gigabyte, and a text needs the rows of its own tokens only: so rows are read where they
are asked for, from safetensors (8 bytes with the length of a JSON header, the header, the numbers).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gpte_data.backends.vectors_on_disk import VectorFile
from gpte_data.errors import BadOption

OWN = ("lm_head.weight", "embed_out.weight")
"""Ends of the name of a layer that is stored."""
TIED = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
"""Ends of the name of the input layer, which serves for the output where it is tied to it."""
TYPES = {"BF16": "<u2", "F16": "<f2", "F32": "<f4"}


class OutputLayer:
    """Logits of single tokens.

    Args:
        folder: The model's, with its safetensors.
        config: Its config.json, or the part of it that is about the language model.

    Raises:
        BadOption: The layer is not there, or holds no plain numbers.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        tensors = _tensors(folder)
        name = _name(tensors, tied=config.get("tie_word_embeddings") is True)
        if name is None:
            raise BadOption(
                f"{folder} has no output layer in its safetensors "
                f"({' or '.join(OWN)}): give a language model with its weights"
            )
        self.rows = _rows(folder, name, tensors)
        bias = name.removesuffix("weight") + "bias"
        self.bias = _bias(folder, bias, tensors) if bias in tensors else None
        self.scale = (config.get("logit_scale") or 1) / (config.get("logits_scaling") or 1)
        self.most = config.get("final_logit_softcapping")

    @property
    def dimension(self) -> int:
        """Numbers of a hidden state."""
        return int(self.rows.shape[1])

    def logits(self, hidden: Any, tokens: Any, weights: Any = None) -> Any:
        """Return the logits of some tokens (n,) in float64.

        They depend on their own rows alone, on any number of threads: einsum asks no BLAS.

        Args:
            hidden: A hidden state (d,), after the last norm.
            tokens: Their numbers (n,).
            weights: Their rows (n, d) in float32, where they were read before.
        """
        weights = self.weights(tokens) if weights is None else weights
        found = np.einsum("nd,d->n", weights, hidden.astype(np.float32)).astype(np.float64)
        if self.bias is not None:
            found = found + self.bias[tokens]
        found = found * self.scale
        return self.most * np.tanh(found / self.most) if self.most else found

    def weights(self, tokens: Any) -> Any:
        """Return the rows of some tokens, (n, d) in float32."""
        return _plain(self.rows.take(tokens))


class _Rows(VectorFile):
    """A matrix in a file of several, read as a VectorFile is."""

    def __init__(self, path: Path, shape: tuple[int, int], dtype: str, offset: int) -> None:
        self.path, self.shape, self.offset = path, shape, offset
        self.dtype = np.dtype(dtype)


def _tensors(folder: Path) -> dict[str, tuple[Path, dict[str, Any], int]]:
    """Return for each tensor its file, what the header says of it, and where numbers begin."""
    found: dict[str, tuple[Path, dict[str, Any], int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(min(length, path.stat().st_size))
        try:
            said = orjson.loads(header)
        except orjson.JSONDecodeError as error:
            raise BadOption(f"{path} can't be read as safetensors: {error}") from None
        said.pop("__metadata__", None)
        found |= {name: (path, about, 8 + length) for name, about in said.items()}
    return found


def _name(names: Mapping[str, Any], tied: bool) -> str | None:
    """Return which tensor is the output layer."""
    for ends in (TIED, OWN) if tied else (OWN, TIED):
        if found := next((name for name in names if name.endswith(ends)), None):
            return found
    return None


def _rows(folder: Path, name: str, tensors: Mapping[str, Any]) -> _Rows:
    path, about, start = tensors[name]
    if about["dtype"] not in TYPES or len(about["shape"]) != 2:
        raise BadOption(
            f"{folder} holds {name} in {about['dtype']}: "
            f"its tokens' logits can be computed from {', '.join(TYPES)} alone"
        )
    shape = (about["shape"][0], about["shape"][1])
    return _Rows(path, shape, TYPES[about["dtype"]], start + about["data_offsets"][0])


def _bias(folder: Path, name: str, tensors: Mapping[str, Any]) -> Any:
    path, about, start = tensors[name]
    file = _Rows(path, (about["shape"][0], 1), TYPES[about["dtype"]], start)
    file.offset += about["data_offsets"][0]
    return _plain(file.block(0, len(file)))[:, 0].astype(np.float64)


def _plain(numbers: Any) -> Any:
    """Return numbers in float32; bfloat16 is its upper half."""
    if numbers.dtype == np.dtype("<u2"):
        return (numbers.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return numbers.astype(np.float32, copy=False)
