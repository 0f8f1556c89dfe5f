"""Gates: rules that what a language model wrote must keep, each with its reason in the books.

A text that breaks a rule is dropped with the first reason that holds, in the order of REASONS; the
reasons are fixed strings, so that the books add up by them. Texts are compared folded: NFKC, lower
case, without punctuation and apostrophes.

Queries that copy their passage teach a model to match words: recipes ask for other words (CADET,
2505.19274, and Qwen3-Embedding, 2506.05176, section 3.3), and this holds them to it.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gpte_data.languages import detector, is_wrong
from gpte_data.phrases import NOTHING_ELSE, OF_PASSAGE, REFUSAL, TEMPLATE
from gpte_data.scripts import count_words, is_unspaced, letters_per_word

EMPTY = "empty"
TEMPLATE_LEFT = "left a template"
REFUSES = "refuses"
TOO_SHORT = "too short"
TOO_LONG = "too long"
WHOLE = "the whole passage"
COPIES = "copies the passage"
SPEAKS = "speaks of the passage"
REPEATS = "repeats another query of the passage"
WRONG_LANGUAGE = "wrong language"
REASONS = (
    EMPTY, TEMPLATE_LEFT, REFUSES, WHOLE, COPIES,
    TOO_SHORT, TOO_LONG, SPEAKS, REPEATS, WRONG_LANGUAGE,
)  # fmt: skip

PLAIN = 0.4
"""Share of a copied run that must be neither names nor numbers."""


@dataclass(frozen=True)
class Gates:
    """The rules for one kind of text; a rule that is 0 or False is off."""

    copied_words: int = 8
    """Words in a row that stand so in a source; a run of names and numbers is no copy."""
    min_words: int = 0
    max_words: int = 0
    check_language: bool = False
    speaks_of_passage: bool = False
    """Drop what speaks of "the passage": for queries, asked by those who have none before them."""

    def check(self) -> None:
        """Raise MissingExtra, before the first row, if the detector is asked for and missing."""
        if self.check_language:
            detector()

    def problem(
        self,
        text: str,
        *,
        sources: Sequence[str],
        language: str | None,
        siblings: Collection[str],
    ) -> str | None:
        """Return the reason to drop a text, or None.

        Args:
            text: What was written.
            sources: The texts that it must not copy, usually the one passage.
            language: What it should be in, as a code, a tag or an English name; None: any.
            siblings: Other texts for the same passage, which it must not repeat.
        """
        folded = fold(text)
        return (
            self._form(text, folded)
            or self._copy(folded, sources)
            or self._length(text)
            or (SPEAKS if self.speaks_of_passage and OF_PASSAGE.stand_in(folded) else None)
            or (REPEATS if any(fold(other) == folded for other in siblings) else None)
            or (WRONG_LANGUAGE if self._foreign(text, language) else None)
        )

    def _form(self, text: str, folded: str) -> str | None:
        """Look at the text alone."""
        if not folded:
            return TEMPLATE_LEFT if "…" in text or "..." in text else EMPTY
        if folded in NOTHING_ELSE or TEMPLATE.stand_in(text):
            return TEMPLATE_LEFT
        return REFUSES if REFUSAL.begin(folded) else None

    def _length(self, text: str) -> str | None:
        """Count words, where their number matters."""
        if self.min_words or self.max_words:
            words = count_words(text)
            if words < self.min_words:
                return TOO_SHORT
            if 0 < self.max_words < words:
                return TOO_LONG
        return None

    def _copy(self, folded: str, sources: Sequence[str]) -> str | None:
        """Compare the folded text with what it was made from."""
        for source in map(Source.of, sources):
            if source.folded == folded or (len(source.folded) > 100 and source.folded in folded):
                return WHOLE
            if self.copied_words and source.lends(folded, self.copied_words):
                return COPIES
        return None

    def _foreign(self, text: str, language: str | None) -> bool:
        return bool(self.check_language and language and is_wrong(text, language))


@dataclass(frozen=True)
class Source:
    """A passage made ready to be compared with many texts."""

    words: tuple[str, ...]
    """In the passage's own case."""
    folded: str
    spaced: str
    """The folded text between spaces; without any in scripts that set none between words."""
    unspaced: bool

    @staticmethod
    @lru_cache(maxsize=256)
    def of(text: str) -> "Source":
        """Prepare a passage; the last 256 are kept."""
        words = tuple(_bare(text).split())
        folded = " ".join(words).casefold()
        unspaced = is_unspaced(folded)
        spaced = folded.replace(" ", "") if unspaced else f" {folded} "
        return Source(words, folded, spaced, unspaced)

    def lends(self, folded: str, number: int) -> bool:
        """Tell whether so many words in a row of a folded text stand here."""
        if self.unspaced:
            return self._lends_letters(folded.replace(" ", ""), number)
        words = folded.split()
        if not self._may_lend(words, number):
            return False
        for start in range(len(words) - number + 1):
            run = " ".join(words[start : start + number])
            place = self.spaced.find(f" {run} ")
            if place >= 0 and self._is_plain(self.spaced.count(" ", 0, place), number):
                return True
        return False

    def _may_lend(self, words: list[str], number: int) -> bool:
        """Tell whether one of the blocks stands here of which every run of so many words has one.

        Blocks half as long, side by side: there are far fewer of them than runs.
        """
        width = (number + 1) // 2
        return len(words) >= number and any(
            f" {' '.join(words[start : start + width])} " in self.spaced
            for start in range(0, len(words) - width + 1, width)
        )

    def _lends_letters(self, text: str, number: int) -> bool:
        """Look for a run of so many letters as make the words."""
        width = round(number * letters_per_word(text)) or number
        for start in range(len(text) - width + 1):
            run = text[start : start + width]
            if run in self.spaced and is_unspaced(run):
                return True
        return False

    def _is_plain(self, start: int, number: int) -> bool:
        """Tell whether enough words of a run are neither names nor numbers, as written here."""
        run = self.words[start : start + number]
        plain = sum(not word[0].isupper() and not word[0].isdigit() for word in run)
        return plain > PLAIN * number


class _Bare(dict[int, str | None]):
    """What becomes of a character: punctuation a space, marks of form and apostrophes nothing."""

    def __missing__(self, code: int) -> str | None:
        character, category = chr(code), unicodedata.category(chr(code))
        if character in "'’ʼ`´" or category == "Cf":
            self[code] = None
        elif category in ("Sk", "So") or (category[0] in "PZC" and character not in "#%"):
            self[code] = " "
        else:  # a letter, a mark, a digit; and C++, C#, 5 %, x < 2 are other queries than C, 5, x 2
            self[code] = character
        return self[code]


_BARE = _Bare()


def _bare(text: str) -> str:
    """Return the text without punctuation."""
    return unicodedata.normalize("NFKC", text).translate(_BARE)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return the words of a text, lower case, without punctuation, one space between two."""
    return " ".join(_bare(text).split()).casefold()
