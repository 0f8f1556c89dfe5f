"""Marks: what says that a shard is done, what made it, and what it cost.

`_done/00000.json` is written last, after the shard. It holds a fingerprint, sha256 over canonical
JSON of all that decides the shard's bytes: stage and version, options, prompt and model contents,
the input's content. Equal: the shard is skipped. Different: refused, and the difference is named.
The input's content comes from its own mark where it has one, so every change reaches all that
follows it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gpte_data import __version__
from gpte_data.errors import BadInput, Changed
from gpte_data.files import atomic, sha256_file
from gpte_data.io import shards, stem
from gpte_data.ledger import Ledger

SCHEME = 1
DONE = "_done"
REJECTED = "_rejected"
JOURNAL = "_journal"
ALL = "_all"
UNFINISHED = "_unfinished"
Identity = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """What `_done/NAME.json` holds."""

    identity: Identity
    ledger: Ledger
    output: Mapping[str, Any]
    seconds: float = 0.0
    options: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the file."""
        return {
            "fingerprint": fingerprint(self.identity),
            "identity": self.identity,
            "options": self.options,
            "rows": self.ledger.to_json(),
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "gpte_data": __version__,
        }


def fingerprint(identity: Identity) -> str:
    """Return the sha256 of the identity's canonical JSON."""
    return hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()


def journal_path(folder: Path, name: str) -> Path:
    """Return where the answers of a shard are kept."""
    return folder / JOURNAL / f"{name}.jsonl"


def mark_path(folder: Path, name: str) -> Path:
    """Return where the mark of a shard stands."""
    return folder / DONE / f"{name}.json"


def write_mark(folder: Path, name: str, mark: Mark) -> None:
    """Write a mark, whole or not at all."""
    with atomic(mark_path(folder, name)) as target:
        target.write(orjson.dumps(mark.to_json(), option=orjson.OPT_INDENT_2))


def read_mark(folder: Path, name: str) -> Mark | None:
    """Return a shard's mark, or None where there is none; raise BadInput if it is damaged."""
    path = mark_path(folder, name)
    try:
        data = orjson.loads(path.read_bytes())
        ledger = Ledger.from_json(data["rows"])
        return Mark(data["identity"], ledger, data["output"], data["seconds"], data["options"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadInput(
            f"{path} is no mark of gpte-data: delete it, and the shard is made again"
        ) from None


def names(folder: Path) -> list[str]:
    """Return which shards of an output folder have a mark, `_all` included."""
    done = folder / DONE
    return sorted(str(p.relative_to(done)).removesuffix(".json") for p in done.rglob("*.json"))


def marks(folder: Path) -> dict[str, Mark]:
    """Return all marks of an output folder by shard name, `_all` included."""
    found = {name: read_mark(folder, name) for name in names(folder)}
    return {name: mark for name, mark in found.items() if mark is not None}


def begin(folder: Path) -> None:
    """Note in an output folder that it is being written, so that nobody reads half of it."""
    (folder / DONE).mkdir(parents=True, exist_ok=True)
    (folder / DONE / UNFINISHED).touch()


def finish(folder: Path) -> None:
    """Take the note away."""
    note = folder / DONE / UNFINISHED
    if note.exists():  # on a read-only disk, deleting nothing is an error
        note.unlink()


def is_finished(folder: Path) -> bool:
    """Tell whether no command is writing the folder, or ended half-way."""
    return not (folder / DONE / UNFINISHED).exists()


def check_finished(source: Path) -> None:
    """Raise BadInput for a dataset whose command is still running, or ended half-way."""
    if not is_finished(source):
        raise BadInput(
            f"{source} is not finished: run the command that makes it again, it goes on from there"
        )
    gone = [mark.output["name"] for mark in marks(source).values() if not _is_there(source, mark)]
    if gone:
        raise BadInput(
            f"{source} lacks {gone[0]}, which was written there: "
            "run the command that makes it again, it makes what is missing"
        )


def describe(path: Path, folder: Path | None = None) -> dict[str, Any]:
    """Return what a mark says of a file that was just written somewhere in an output folder."""
    stat = path.stat()
    return {
        "name": path.relative_to(folder or path.parent).as_posix(),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "sha256": sha256_file(path),
    }


def content(path: Path) -> str:
    """Return the sha256 of a shard, from its mark if the file has not been touched since."""
    mark = read_mark(path.parent, stem(path))
    if mark is not None and mark.output.get("name") == path.name:
        stat = path.stat()
        known = (mark.output.get("size"), mark.output.get("mtime_ns"))
        if known == (stat.st_size, stat.st_mtime_ns):
            return str(mark.output["sha256"])
    return sha256_file(path)


def dataset_content(source: Path | str) -> str:
    """Return one hash over all shards of a dataset, in order."""
    digest = hashlib.sha256()
    check_finished(Path(source))
    for path in shards(Path(source)):
        digest.update(f"{path.name}\0{content(path)}\n".encode())
    return digest.hexdigest()


def is_done(folder: Path, name: str, identity: Identity, *, force: bool) -> bool:
    """Tell whether a shard can be skipped; raise Changed where its mark says otherwise.

    A shard with failed rows is not done: they are tried again.
    """
    mark = None if force else read_mark(folder, name)
    if mark is None or not _is_there(folder, mark):
        return False
    if fingerprint(mark.identity) != fingerprint(identity):
        raise Changed(
            f"{folder} was made with other settings ({difference(mark.identity, identity)}): "
            "give another -o folder, or --force to make it again"
        )
    path = folder / str(mark.output.get("name", ""))
    if mark.output and content(path) != mark.output["sha256"]:
        raise Changed(
            f"{path} is not what was written there (it was edited since): "
            "move it away, or give --force to make it again"
        )
    return not mark.ledger.failed


def _is_there(folder: Path, mark: Mark) -> bool:
    """Tell whether the file of a mark is there; the mark of a whole dataset has none."""
    return not mark.output or (folder / str(mark.output.get("name", ""))).is_file()


def is_complete(folder: Path) -> bool:
    """Tell whether the shards of a whole dataset hold all the rows that `_all` counts."""
    found = marks(folder)
    whole = found.pop(ALL, None)
    there = all(_is_there(folder, mark) for mark in found.values())
    rows = sum(mark.ledger.rows_out for mark in found.values())
    return whole is not None and there and rows == whole.ledger.rows_out


def difference(old: Identity, new: Identity) -> str:
    """Name what differs between two identities: `temperature: 0.7 -> 0.2`."""
    if old.get("stage") != new.get("stage"):
        return f"stage: {_short(old.get('stage'))} -> {_short(new.get('stage'))}"
    before, after = _flat(old), _flat(new)
    changed = [
        f"{name}: {_short(before.get(name))} -> {_short(after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return ", ".join(changed)


def _flat(identity: Identity, prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted name, without the level that holds the options."""
    flat: dict[str, Any] = {}
    for name, value in identity.items():
        if isinstance(value, Mapping):
            inner = "" if name == "options" else f"{prefix}{name}."
            flat |= _flat(value, inner)
        else:
            flat[prefix + name] = value
    return flat


def _short(value: Any) -> str:
    """Return a value as it is shown in a message; hashes are cut to 12 digits."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_short, value)) + "]"
    text = "none" if value is None else str(value)
    is_hash = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_hash else text
