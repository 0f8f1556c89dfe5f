"""The evaluation texts as an index: which of them a row may hold, and what each asks for.

Of the texts themselves only ids are kept. For each word there stand about 20 bytes: a hash of the
run that begins there, sorted by length of run, and half of it in the order of the text, so that
overlap can be measured.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from gpte_data.contamination.coverage import Runs
from gpte_data.contamination.lengths import Measure
from gpte_data.contamination.table import Table
from gpte_data.spans import spans


class EvalText(NamedTuple):
    """A text of an evaluation set."""

    group: int
    """Number of its set and part, see `Group`."""
    eval_id: str
    title: str
    text: str


class Group(NamedTuple):
    """The queries, or the passages, of a set."""

    name: str
    part: str
    """`query` or `passage`."""

    def __str__(self) -> str:
        plural = "queries" if self.part == "query" else "passages"
        return f"{self.name}, {plural}"


@dataclass(frozen=True)
class Index:
    """All texts of all sets.

    Attributes:
        measure: What is asked of a text.
        groups: By number.
        ids: Of each text, an Arrow array (texts,).
        group: Number of the group of each text, (texts,).
        sizes: Words of each text, (texts,).
        run: Words of a run, 0 where only the whole row may be the text, (texts,).
        share: Share of a text's words that must stand in shared runs, (texts,).
        starts: Where each text begins among all words, (texts,).
        small: Half the hash of the run that begins at each word, (words,) in uint32.
        tables: Words of a run -> all runs of that length.
        whole: Hashes of whole texts, sorted, (hashes,), and the text of each.
        sentences: Whether a text is only found as a sentence of a row, or as the whole, (texts,).
        spare: How many words of a text may differ where the others stand in one line, (texts,).
        words: Half the hash of each word of texts that may have such a line, (words,) in uint32.
        word_starts: Where those of each text begin, (texts,).
        order: Its number among all that were read, (texts,).
        counts: What to say of the sets, with how many texts.
    """

    measure: Measure
    groups: list[Group]
    ids: Any
    group: Any
    sizes: Any
    run: Any
    share: Any
    starts: Any
    small: Any
    tables: dict[int, Table]
    whole: tuple[Any, Any]
    sentences: Any
    spare: Any
    words: Any
    word_starts: Any
    order: Any
    counts: dict[str, int]

    def said(self) -> list[int]:
        """Return the numbers of the groups that have texts."""
        import numpy as np

        return list(np.unique(self.group).tolist())

    def runs(self, n: int) -> Runs:
        """Return the runs of all texts; only those of texts with runs of n words mean anything."""
        import numpy as np

        return Runs(self.small, self.starts, np.maximum(self.sizes - n + 1, 0))

    def equal(self, hashes: Any) -> tuple[Any, Any]:
        """Return which of some texts are evaluation texts as they stand, and which, (found,)."""
        import numpy as np

        known, texts = self.whole
        begin = np.searchsorted(known, hashes, "left")
        count = np.searchsorted(known, hashes, "right") - begin
        count[hashes == 0] = 0
        return np.repeat(np.arange(len(hashes)), count), texts[spans(begin, count)]
