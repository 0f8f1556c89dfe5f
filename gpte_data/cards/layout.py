"""Which files are loaded together: configs and splits, as `datasets` and the hub understand them.

`load_dataset` reads one kind of file from a folder, so of files of several kinds only those are
configs that are of the examples' kind; where these are tables of judgements, those beside them
(BEIR: corpus and queries). Files that are no rows (counts, offsets) are none.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

BUILDERS = {
    ".parquet": "parquet", ".jsonl": "json", ".jsonl.gz": "json", ".jsonl.zst": "json",
    ".tsv": "csv", ".tar": "webdataset", ".tar.gz": "webdataset",
}  # fmt: skip
"""Ending -> the loader of `datasets` that reads it."""
DEFAULT = "default"
_ODD = frozenset('<>:/\\|?*"')


@dataclass(frozen=True)
class File:
    """A file of the output.

    Attributes:
        name: Its path inside the output.
        rows: How many examples are in it; 0 for one that stands beside.
        size: In bytes.
        sha256: Of its content.
        split: Whose it is.
        dataset: Whose folder it lies in, or "".
        base: Its path inside the folder of its split and dataset.
    """

    name: str
    rows: int
    size: int
    sha256: str
    split: str
    dataset: str
    base: str

    @property
    def ending(self) -> str:
        """How its name ends, if `datasets` reads that; else ""."""
        return next((one for one in sorted(BUILDERS, key=len) if self.name.endswith(one)), "")

    @property
    def builder(self) -> str:
        """The loader that reads it, or ""."""
        return BUILDERS.get(self.ending, "")


@dataclass
class Config:
    """Files that are loaded by one name; split -> its files."""

    name: str
    splits: dict[str, list[File]] = field(default_factory=dict)

    @property
    def files(self) -> list[File]:
        """All its files."""
        return [file for files in self.splits.values() for file in files]

    @property
    def counted(self) -> bool:
        """Whether these are the examples, and their rows are known."""
        return all(file.rows for file in self.files)

    def rows(self, split: str) -> int:
        """Return how many examples a split has."""
        return sum(file.rows for file in self.splits[split])

    @property
    def size(self) -> int:
        """How many bytes all its files have."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Layout:
    """The files of an output, and how they are loaded; `builder` is "" where they can't be."""

    files: list[File]
    configs: list[Config]
    builder: str

    def patterns(self, files: Sequence[File]) -> list[str]:
        """Return names or a pattern that lead to just these files."""
        if len(files) == 1:
            return [glob.escape(files[0].name)]
        found: list[str] = []
        for folder in dict.fromkeys(_folder(file) for file in files):
            found += self._of_folder(folder, [file for file in files if _folder(file) == folder])
        return found

    def _of_folder(self, folder: str, files: list[File]) -> list[str]:
        """Return what leads to some files of a folder."""
        names = {file.name for file in files}
        ending = files[0].ending
        like = {f.name for f in self.files if _folder(f) == folder and f.name.endswith(ending)}
        if like == names and len(names) > 1:
            return [glob.escape(folder) + "*" + ending]
        return [glob.escape(name) for name in sorted(names)]


def layout(facts: Mapping[str, Any]) -> Layout:
    """Return how the files that were written are loaded."""
    files = [_file(one, facts["parts"]) for one in facts["files"]]
    files.sort(key=lambda file: file.name)
    splits = list(dict.fromkeys(str(part["split"]) for part in facts["parts"]))
    examples = [file for file in files if file.rows]
    builders = [file.builder for file in [*examples, *files] if file.builder]
    builder = next((one for one in builders if one != "csv"), builders[0] if builders else "")
    readable = [file for file in files if file.builder == builder != ""]
    configs = _of_examples([file for file in readable if file.rows], splits)
    configs += _beside([file for file in readable if not file.rows], splits, configs)
    return Layout(files, configs, builder)


def _of_examples(files: list[File], splits: list[str]) -> list[Config]:
    """Return a config of all, and one for each dataset where they have folders of their own."""
    if not files:
        return []
    datasets = list(dict.fromkeys(file.dataset for file in files if file.dataset))
    # MTEB looks for NAME-corpus, NAME-queries and NAME-qrels.
    judged = all(file.base.startswith("qrels/") for file in files)
    own = [
        _config(
            f"{name}-qrels" if judged else name, [f for f in files if f.dataset == name], splits
        )
        for name in datasets
        if judged or len(datasets) > 1
    ]
    return _unique([_config(DEFAULT, files, splits), *own], set())


def _beside(files: list[File], splits: list[str], taken: list[Config]) -> list[Config]:
    """Return a config for each kind of file beside: a corpus, queries."""
    found: dict[str, list[File]] = {}
    for file in files:
        path = PurePosixPath(file.base)
        kind = path.parts[0] if len(path.parts) > 1 else path.name.removesuffix(file.ending)
        found.setdefault(f"{file.dataset}-{kind}" if file.dataset else kind, []).append(file)
    configs = [_config(name, files, splits) for name, files in found.items()]
    return _unique(configs, {config.name.lower() for config in taken})


def _config(name: str, files: Iterable[File], splits: list[str]) -> Config:
    """Return a config, its splits in the order in which they were written."""
    files = list(files)
    order = [split or "train" for split in splits]
    found = {s: [f for f in files if f.split == s] for s in dict.fromkeys(order)}
    return Config(name, {split: files for split, files in found.items() if files})


def _unique(configs: list[Config], taken: set[str]) -> list[Config]:
    """Return configs with names that are fit for a cache folder and for Croissant's ids.

    No two are alike, nor differ by upper and lower case alone.
    """
    for config in configs:
        name = found = "".join("_" if c in _ODD or c.isspace() else c for c in config.name)
        number = 1
        while found.lower() in taken:
            number += 1
            found = f"{name}-{number}"
        config.name = found
        taken.add(found.lower())
    return configs


def _file(one: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> File:
    """Return a file with the part that it belongs to."""
    name = str(one["name"])
    own = [part for part in parts if name in part["shards"]]
    inside = [part for part in parts if name.startswith(_prefix(part))]
    ranked = sorted(inside, key=lambda part: (len(_prefix(part)), part["split"] in name))
    part = (own or ranked[-1:] or parts[:1])[0]
    base = name.removeprefix(_prefix(part))
    return File(
        name, int(one["rows"]), int(one["size"]), str(one["sha256"]),
        str(part["split"]) or "train", str(part["dataset"]), base,
    )  # fmt: skip


def _prefix(part: Mapping[str, Any]) -> str:
    return f"{part['folder']}/" if part["folder"] else ""


def _folder(file: File) -> str:
    """Return a file's folder as the beginning of its path."""
    return file.name.removesuffix(PurePosixPath(file.name).name)
