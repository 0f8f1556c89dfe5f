"""A dataset of the Hugging Face hub, through `datasets`: hf:NAME[:CONFIG][@SPLIT].

The split is `train` unless named (`hf:allenai/scifact:corpus@train`). A local folder works
as NAME.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gpte_data.errors import BadInput
from gpte_data.files import sha256_folder
from gpte_data.sources import Columns
from gpte_data.stage import Row


def matches(source: str) -> bool:
    """Tell whether this names a dataset of the hub."""
    return source.startswith("hf:")


def _parts(source: str) -> tuple[str, str | None, str]:
    """Return name, config and split; raise BadInput if no dataset is named."""
    name, _, split = source.removeprefix("hf:").partition("@")
    name, _, config = name.partition(":")
    if not name:
        raise BadInput(f"{source} can't be read: expected hf:NAME, hf:NAME:CONFIG or hf:NAME@SPLIT")
    return name, config or None, split or "train"


def rows(source: str, columns: Columns) -> Iterator[Row]:
    """Yield the documents of the split, streamed; those of the commit that `revision` names."""
    from datasets import load_dataset

    name, config, split = _parts(source)
    commit = None if Path(name).is_dir() else _commit(name)
    try:
        dataset = load_dataset(name, config, split=split, streaming=True, revision=commit)
        for row in dataset:
            yield columns.renamed({key: value for key, value in row.items() if value is not None})
    except Exception as error:  # the hub's client has errors of four libraries
        raise BadInput(f"{source} can't be read through datasets: {_words(error)}") from None


def revision(source: str) -> str:
    """Return what stands for the content: the files' hash or the commit, the config, the split."""
    name, config, split = _parts(source)
    sha = sha256_folder(Path(name)) if Path(name).is_dir() else _commit(name)
    return f"{sha}:{config or ''}@{split}"


@cache
def _commit(name: str) -> str:
    """Return the commit of a dataset on the hub: the same one for as long as the process lives."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(name).sha)
    except Exception as error:
        raise BadInput(f"hf:{name} can't be reached on the hub: {_words(error)}") from None


def _words(error: Exception) -> str:
    """Return the first line of what another library says, or its error's name."""
    return next((line for line in str(error).splitlines() if line), type(error).__name__)
