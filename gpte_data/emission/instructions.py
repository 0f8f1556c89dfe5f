"""Instructions from a file: for each dataset or task one phrasing, or several that rows draw from.

    default: Given a question, find passages that answer it
    classification: [Say what the text is about, Find texts of the same class]
    scifact: Given a claim, find abstracts that support or refute it
    override: true              the file wins over what rows say; else rows do

A row is given what the file says of its dataset, else of its task, else the default. Which phrasing
it draws is decided by hash(seed, query_id).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.config import read_file
from gpte_data.errors import BadOption
from gpte_data.text_hashes import hashes, mixed

DEFAULT, OVERRIDE = "default", "override"


@dataclass
class Instructions:
    """What each row is told to do.

    Attributes:
        phrasings: Name of a dataset or a task, or `default` -> phrasings.
        override: Whether they win over a row's own.
        prompt: The instruction where nothing else says one.
        used: How many rows took theirs from each name.
    """

    phrasings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    override: bool = False
    prompt: str = ""
    used: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path | None, prompt: str) -> "Instructions":
        """Read a .yaml, .toml or .json file; raise BadOption."""
        if path is None:
            return cls(prompt=prompt)
        said = read_file("--instructions", path)
        if not isinstance(said, dict):
            raise BadOption(
                f"--instructions {path} must hold instructions by name of a dataset or task, "
                f"found {type(said).__name__}"
            )
        if odd := [name for name in said if not isinstance(name, str)]:
            raise BadOption(
                f"--instructions {path}: the name {odd[0]!r} is no text: put it in quotes "
                "(YAML reads no, yes, on, off and numbers as something else)"
            )
        override = said.pop(OVERRIDE, False)
        if not isinstance(override, bool):
            raise BadOption(f"--instructions {path}: override takes true or false")
        return cls({name: _list(name, one, path) for name, one in said.items()}, override, prompt)

    def of(self, table: Any, names: Any, seed: int) -> Any:
        """Return the instruction of each row, an Arrow array of strings, (rows,).

        Args:
            table: The rows.
            names: Of their datasets, (rows,).
            seed: Of the draw.
        """
        own = _texts(table, "instruction")
        own = pc.if_else(pc.equal(pc.utf8_trim_whitespace(own), ""), "", own)
        if not self.phrasings:
            return pc.if_else(pc.equal(own, ""), self.prompt, own)
        drawn = self._drawn(table, names, seed)
        first, second = (drawn, own) if self.override else (own, drawn)
        found = pc.if_else(pc.equal(first, ""), second, first)
        return pc.if_else(pc.equal(found, ""), self.prompt, found)

    def _drawn(self, table: Any, names: Any, seed: int) -> Any:
        """Return what the file says of each row, "" where it says nothing."""
        salt = hashes([f"{seed}\0instruction"])[0, 0]
        draw = mixed(hashes(table["query_id"].to_pylist())[:, 0] ^ salt)
        name, task = names.dictionary_encode(), _texts(table, "task").dictionary_encode()
        tasks = max(len(task.dictionary), 1)
        both = name.indices.to_numpy().astype(np.int64) * tasks + task.indices.to_numpy()
        found = np.full(table.num_rows, "", dtype=object)
        for code in np.unique(both).tolist():
            rows = np.flatnonzero(both == code)
            mine = name.dictionary[code // tasks].as_py(), task.dictionary[code % tasks].as_py()
            said = (*mine, mine[1].lower(), DEFAULT)  # kinds read tasks in any case too
            key = next((one for one in said if one in self.phrasings), None)
            if key is not None:
                these = np.array(self.phrasings[key], dtype=object)
                found[rows] = these[(draw[rows] % np.uint64(len(these))).astype(np.int64)]
                self.used[key] += len(rows)
        return pa.array(found, pa.string())

    def unused(self) -> list[str]:
        """Return the names in the file that no row has."""
        return sorted(name for name in self.phrasings if not self.used[name] and name != DEFAULT)


def _list(name: str, said: Any, path: Path) -> tuple[str, ...]:
    """Return the phrasings of a name."""
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not found or not all(_is_text(one) for one in found):
        raise BadOption(
            f"--instructions {path}: {name!r} takes a text or a list of texts, none of them empty"
        )
    return tuple(found)


def _is_text(one: Any) -> bool:
    return isinstance(one, str) and bool(one.strip())


def _texts(table: Any, name: str) -> Any:
    """Return a column of texts, "" where there is none."""
    if name not in table.column_names:
        return pa.repeat(pa.scalar("", pa.string()), table.num_rows)
    column = table[name].cast(pa.string()).fill_null("").combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
