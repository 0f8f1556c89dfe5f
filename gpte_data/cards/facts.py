"""What a run knows when its files are there, as plain values; kept, so that it can be told again.

`_done/_card` holds it. A licence that is given later makes new cards from it, without the data.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gpte_data import __version__
from gpte_data.cards.lineage import Lineage
from gpte_data.cards.plain import plain
from gpte_data.ledger import Ledger
from gpte_data.manifest import DONE, fingerprint

KEPT = f"{DONE}/_card"
SAID = (
    "recipe", "generator", "prompt_version", "reranker", "judged_by", "teacher", "negatives_from",
)  # fmt: skip
"""Counts of what rows say of their making: rows of others may name folders there."""


@dataclass(frozen=True)
class Source:
    """A dataset that was emitted: its name, where it and its corpora lie."""

    name: str
    folder: Path
    corpora: tuple[Path, ...]


def gathered(
    cfg: Any, ledger: Ledger, told: Mapping[str, Any], sources: Iterable[Source]
) -> dict[str, Any]:
    """Return all that a card is made from, as plain values.

    Args:
        cfg: The config of `emit`.
        ledger: Its books.
        told: What emission and `whole.finish` have told: see `emission.told`, `emission.origins`.
        sources: The datasets; none where rows came from a pipe.
    """
    sources = list(sources)
    folders = [folder for one in sources for folder in (one.folder, *one.corpora)]
    lineage = Lineage(folders)
    read = [
        {
            "name": one.name,
            "folder": lineage.follow(one.folder),
            "corpora": [lineage.follow(corpus) for corpus in one.corpora],
        }
        for one in sources
    ]
    names = ("format", "num_negatives", "shortage", "candidates", "scores", "prompt", "seed")
    given = {name: getattr(cfg, name) for name in names}
    return {
        **{name: value for name, value in told.items() if name != "identity"},
        **{name: _plain(told[name]) for name in SAID if name in told},
        "fingerprint": fingerprint(told["identity"]),
        "gpte_data": __version__,
        "limit": told["identity"].get("limit"),
        "options": given,
        "books": ledger.to_json(),
        "sources": read,
        "steps": [step.to_json() for step in lineage.steps.values()],
        "files": [
            {name: one[name] for name in ("name", "size", "sha256", "rows")}
            for one in told["files"]
        ],
    }


def _plain(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts without the ways in their names."""
    found: Counter[str] = Counter()
    for name, count in counts.items():
        found[str(plain(name))] += count
    return dict(found)


def dumped(facts: Mapping[str, Any]) -> str:
    """Return facts as the text of a file."""
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n"


def read(output: Path) -> dict[str, Any] | None:
    """Return the facts of an output folder, or None where it has none."""
    try:
        found: dict[str, Any] = orjson.loads((output / KEPT).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found
