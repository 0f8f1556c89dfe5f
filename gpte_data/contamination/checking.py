"""What rows hold of the evaluation texts, in the words of the books."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpte_data.contamination.index import Group, Index
from gpte_data.contamination.matching import OVERLAPS, Found, find
from gpte_data.contamination.sentences import find_sentences
from gpte_data.contamination.similarity import Similar
from gpte_data.contamination.words import hashed

RULES = (
    "same text as an evaluation text",
    "overlaps an evaluation text",
    "piece of an evaluation text",
    "similar to an evaluation text",
)
"""The surest first."""
Text = tuple[str, str]
"""Title and text."""


class Hit(NamedTuple):
    """An evaluation text that was found: for each group and rule the nearest."""

    rule: int
    group: Group
    eval_id: str
    overlap: float
    """Share of words; of the last rule the cosine."""

    def fields(self) -> dict[str, Any]:
        """Return what a row says of it."""
        measured = "overlap" if self.rule < len(RULES) - 1 else "similarity"
        return {
            "contaminated_by": self.group.name,
            "eval_part": self.group.part,
            "eval_id": self.eval_id,
            measured: round(self.overlap, 4),
        }


class Checker:
    """All that texts are compared with.

    Args:
        index: The evaluation texts.
        similar: Their vectors, where a cosine counts too.
    """

    def __init__(self, index: Index, similar: Similar | None) -> None:
        self.index, self.similar = index, similar

    def hits(self, texts: Sequence[Text]) -> list[list[Hit]]:
        """Return for each text what it holds, by the surest rule and the nearest first."""
        found = _joined(find(self.index, hashed(texts)), self._sentences(texts))
        if self.similar is not None:
            found = _joined(found, self.similar.find(texts))
        hits: list[list[Hit]] = [[] for _ in texts]
        for row, rule, text, overlap in _nearest(found, self.index.group):
            group = self.index.groups[self.index.group[text]]
            hits[row].append(Hit(rule, group, self.index.ids[text].as_py(), overlap))
        return hits

    def _sentences(self, texts: Sequence[Text]) -> Found:
        row, text = find_sentences(self.index, texts)
        return Found(row, text, np.full(len(row), OVERLAPS), np.ones(len(row)))


def _joined(one: Found, other: Found) -> Found:
    return Found(*(np.concatenate([getattr(one, n), getattr(other, n)]) for n in FIELDS))


FIELDS = ("row", "text", "rule", "overlap")


def _nearest(found: Found, group: Any) -> list[tuple[int, int, int, float]]:
    """Return row, rule, text and overlap of the nearest text of each row, rule and group."""
    groups = group[found.text]
    order = np.lexsort((found.text, -found.overlap, groups, found.rule, found.row))
    keys = np.stack([found.row[order], found.rule[order], groups[order]])
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(keys, axis=1) != 0).any(axis=0)
    best = order[new]
    again = np.lexsort((found.text[best], -found.overlap[best], found.rule[best], found.row[best]))
    best = best[again]
    columns = (found.row, found.rule, found.text, found.overlap)
    return list(zip(*(column[best].tolist() for column in columns), strict=True))
