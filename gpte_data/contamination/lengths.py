"""How long shared runs must be, and what share of a text must stand in them, by its length.

LightOn's rule for decontaminating BEIR is that half of a text's runs of 13 words are found again.
Ours counts words instead, and takes shorter runs, so that it holds where one word in 20 was
changed, wherever the changes fall: each takes at most `run` words away, so `run / 20` of a text at
most, half of it with 10. Short texts share half of their words by chance, and sentences of one
pattern ("what are the treatments for …") more: there the runs are of 5 words and the share is .75,
and below 10 words the whole text must stand in the row.

    words of the text    run                share
    40 and more          10                 --min-overlap (.5)
    10 to 39             5                  .75, or more where --min-overlap is
    10 to 19             5                  or all words but one, in one line
    5 to 9               the whole text     1
    3 or 4               a sentence of the row
    1 or 2               found as a whole row alone

The 10 is `--ngram`; the others follow: its half, and four times it. In scripts without spaces a
word counts 2 or 5 characters.
"""

from dataclasses import dataclass
from typing import Any

CLOSE = 0.75
"""The share of a short text that must stand in shared runs."""
LEAST = 5
"""Words that a text must have to be found inside another, wherever it stands."""
SENTENCE = 3
"""Words that it must have to be found there as a sentence."""


@dataclass(frozen=True)
class Measure:
    """What is asked of a text.

    Attributes:
        ngram: Words of a run that is shared, for a long text.
        min_overlap: Share of its words that must stand in such runs.
    """

    ngram: int
    min_overlap: float

    @property
    def close(self) -> float:
        """The share for short texts."""
        return max(self.min_overlap, CLOSE)

    def runs(self, lengths: Any, letters: Any) -> Any:
        """Return for each text the words of a run, 0 where it can't be found inside another.

        Args:
            lengths: Words of each text (texts,), characters where there are no spaces.
            letters: How many of these make a word, (texts,).
        """
        import numpy as np

        counted = lengths // letters
        short = max(LEAST, self.ngram // 2)
        run = np.select(
            [counted >= 4 * self.ngram, counted >= self.ngram, counted >= LEAST],
            [np.full_like(counted, self.ngram), np.full_like(counted, short), counted],
            0,
        )
        return run * letters

    def shares(self, lengths: Any, letters: Any) -> Any:
        """Return what share of each text must stand in shared runs, (texts,)."""
        import numpy as np

        counted = lengths // letters
        short = np.where(counted >= self.ngram, self.close, 1.0)
        return np.where(counted >= 4 * self.ngram, self.min_overlap, short)

    def spare(self, lengths: Any, letters: Any) -> Any:
        """Return how many words may differ where the others stand in one line, (texts,).

        0 where that is not asked for.
        """
        import numpy as np

        counted = lengths // letters
        return np.where((counted >= self.ngram) & (counted < 2 * self.ngram), letters, 0)

    def sentences(self, lengths: Any, letters: Any) -> Any:
        """Return which texts are only found as a sentence of a row, or as the whole, (texts,)."""
        counted = lengths // letters
        return (counted >= SENTENCE) & (counted < LEAST)

    def piece_shares(self, lengths: Any) -> Any:
        """Return what share of a row must stand in an evaluation text, for the row to be a piece.

        More than 1, which is never, for rows of fewer words than two runs.
        """
        import numpy as np

        short = np.where(lengths >= 2 * self.ngram, self.close, 2.0)
        return np.where(lengths >= 4 * self.ngram, self.min_overlap, short)
