"""A task of MTEB as an evaluation set, through the library `mteb` and the hub: `mteb:SciFact`.

Of retrieval tasks queries and passages are read, of all others the texts of their test splits.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from gpte_data.contamination.part import PASSAGE, QUERY, Part, checked_text
from gpte_data.contamination.rows_set import texts_of
from gpte_data.errors import BadInput, BadOption, MissingExtra, first_line


@lru_cache(maxsize=64)
def _task(name: str) -> Any:
    """Return a task that is not loaded yet."""
    try:
        import mteb
    except ImportError:
        raise MissingExtra.of("mteb", "mteb") from None
    try:
        task = mteb.get_task(name)
    except KeyError as error:
        raise BadInput(f"mteb:{name} is no task of MTEB: {error.args[0]}") from None
    if task.metadata.dataset.get("trust_remote_code"):
        raise BadInput(f"mteb:{name} runs code from the hub to load its data, which is not done")
    return task


def revision(name: str) -> str:
    """Return what stands for the task's texts: its dataset and the revision of that."""
    dataset = _task(name).metadata.dataset
    return f"{dataset['path']}@{dataset.get('revision', '')}"


def parts(name: str, passages: str, split: str) -> Iterator[Part]:
    """Yield the texts of the task's evaluation splits, or of one of them."""
    task = _task(name)
    if split and split not in task.eval_splits:
        raise BadOption(
            f"mteb:{name} has no split {split}: --split takes one of {', '.join(task.eval_splits)}"
        )
    try:
        task.load_data()
    except Exception as error:  # the hub's client and datasets have errors of their own
        raise BadInput(f"mteb:{name} can't be loaded: {first_line(error)}") from None
    for data in _splits(task, [split] if split else task.eval_splits):
        if isinstance(data, Mapping) and "queries" in data:
            yield from _retrieval(name, data, passages)
        else:
            for number, row in enumerate(data, 1):
                yield from texts_of(row, (), f"mteb:{name}", str(number))


def _splits(task: Any, splits: list[str]) -> Iterator[Any]:
    """Yield the data of each split, of each language where the task has several."""
    for split in splits:
        if split in task.dataset:
            yield task.dataset[split]
            continue
        for subset in task.dataset.values():
            if split in subset:
                yield subset[split]


def _retrieval(name: str, data: Mapping[str, Any], passages: str) -> Iterator[Part]:
    source = f"mteb:{name}"
    for row in data["queries"]:
        yield Part(QUERY, str(row["id"]), "", checked_text(row["text"], source, row["id"], "text"))
    judged = {doc_id for docs in data["relevant_docs"].values() for doc_id in docs}
    for row in data["corpus"] if passages != "none" else ():
        if passages == "all" or row["id"] in judged:
            text = checked_text(row["text"], source, row["id"], "text")
            title = checked_text(row.get("title"), source, row["id"], "title")
            yield Part(PASSAGE, str(row["id"]), title, text)
