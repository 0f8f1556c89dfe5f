"""Scripts of writing: which a letter belongs to, and how many words a text has in any of them.

A script is known by the first word of its letters' Unicode names: LATIN, CYRILLIC, CJK (Chinese
characters), HIRAGANA … Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan set no space
between words: words are estimated there, by the letters that stand for one English word.
"""

import math
import unicodedata
from collections import Counter
from functools import cache

LETTERS_PER_WORD = {
    "CJK": 1.6, "HIRAGANA": 3.0, "KATAKANA": 3.0,
    "THAI": 5.4, "LAO": 5.4, "KHMER": 5.4, "MYANMAR": 5.4, "TIBETAN": 5.4,
}  # fmt: skip
"""Of scripts without spaces, vowel signs counted. xquad's 240 paragraphs have 1.6 Chinese and 5.4
Thai letters for each English word (Artetxe et al. 2020, 1910.11856); the others are guesses."""


@cache
def script(character: str) -> str:
    """Return the script of a letter or vowel sign, or nothing for all else."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    first, _, rest = unicodedata.name(character, "").partition(" ")
    if first in ("HALFWIDTH", "FULLWIDTH"):
        first = rest.partition(" ")[0]
    return "" if first in ("MODIFIER", "COMBINING") else first


def letters(text: str) -> Counter[str]:
    """Return how many letters a text has in each script."""
    if text.isascii():
        return Counter({"LATIN": sum(map(str.isalpha, text))})
    counts = Counter(map(script, text))
    del counts[""]
    return counts


def is_unspaced(text: str) -> bool:
    """Tell whether most letters of a text are of scripts without spaces."""
    if text.isascii():
        return False
    counts = letters(text)
    return 2 * sum(counts[name] for name in LETTERS_PER_WORD) > counts.total()


def letters_per_word(text: str) -> float:
    """Return how many letters make a word in a text's scripts without spaces, or 0."""
    counts = letters(text)
    words = _unspaced_words(counts)
    return sum(counts[name] for name in LETTERS_PER_WORD) / words if words else 0.0


def count_words(text: str) -> int:
    """Return the number of words, an estimate for scripts without spaces."""
    if text.isascii():
        return len(text.split())
    unspaced = _unspaced_words(letters(text))
    if unspaced:
        text = "".join(" " if script(char) in LETTERS_PER_WORD else char for char in text)
    return math.ceil(unspaced) + sum(any(map(str.isalnum, word)) for word in text.split())


def _unspaced_words(counts: Counter[str]) -> float:
    return sum(counts[name] / size for name, size in LETTERS_PER_WORD.items())
