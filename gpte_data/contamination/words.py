"""Texts as numbers of words: what is left when case, punctuation and spaces make no difference.

NFKC and casefold; apostrophes and marks of form vanish, all else that is no letter, mark or digit
parts words. In scripts without spaces every character is a word. A word is a hash of 64 bits, the
same in every process.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

from gpte_data.scripts import LETTERS_PER_WORD, is_unspaced, letters_per_word, script

MOST_WORDS = 1 << 20
"""Words whose numbers are remembered."""


class _Plain(dict[int, str | None]):
    """What becomes of a character."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "'’ʼ`´" or category == "Cf":
            self[code] = None
        elif category[0] not in "LMN":
            self[code] = " "
        else:
            unspaced = script(character) in LETTERS_PER_WORD
            self[code] = f" {character} " if unspaced else character
        return self[code]


class _Numbers(dict[str, int]):
    """The number of each word."""

    def __missing__(self, word: str) -> int:
        self[word] = number = _number(word)
        return number


_PLAIN, _NUMBERS = _Plain(), _Numbers()


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())


def words(text: str) -> list[str]:
    """Return the words of a text, as they are compared."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(_PLAIN).split()


def letters_of_a_word(text: str) -> int:
    """Return how many characters make a word in the script of a text: 1 where spaces part words.

    2 for Chinese and Japanese, 5 for Thai and its neighbours (see `scripts`).
    """
    if not is_unspaced(text):
        return 1
    return 2 if letters_per_word(text) < 4 else 5


@dataclass(frozen=True)
class Hashed:
    """Texts as numbers.

    Attributes:
        numbers: Those of all words, one text after another, (words,) in uint64.
        starts: Where each text begins and the last one ends, (texts + 1,).
        whole: Of each text, a hash of all its words without spaces, (texts,) in uint64; 0 where it
            has none.
        body: The same without its title.
        titles: How many words of each are its title's, (texts,).
        unspaced: Whether each text has characters of scripts without spaces, (texts,).
    """

    numbers: Any
    starts: Any
    whole: Any
    body: Any
    titles: Any
    unspaced: Any

    def __len__(self) -> int:
        return len(self.whole)


def hashed(texts: Sequence[tuple[str, str]]) -> Hashed:
    """Return texts, each as title and body, as numbers."""
    import numpy as np

    if len(_NUMBERS) > MOST_WORDS:
        _NUMBERS.clear()
    parts = [(words(title) if title else [], words(body)) for title, body in texts]
    found = [title + body if title else body for title, body in parts]
    bodies = [whole_hash(body) for _, body in parts]
    known = zip(parts, found, bodies, strict=True)
    whole = [whole_hash(both) if title else body for (title, _), both, body in known]
    starts = np.cumsum([0, *map(len, found)])
    numbers = map(_NUMBERS.__getitem__, chain.from_iterable(found))
    return Hashed(
        np.fromiter(numbers, dtype=np.uint64, count=int(starts[-1])),
        starts,
        np.array(whole, dtype=np.uint64),
        np.array(bodies, dtype=np.uint64),
        np.array([len(title) for title, _ in parts]),
        np.array([not text.isascii() and _is_partly_unspaced(text) for _, text in texts]),
    )


def whole_hash(found: list[str]) -> int:
    """Return the hash of a text by its words, as if there were no spaces; 0 if there are none."""
    return _number("".join(found)) if found else 0


def _is_partly_unspaced(text: str) -> bool:
    return any(script(character) in LETTERS_PER_WORD for character in set(text))
