"""Measures of a text's quality, in any language: shares that are high, or low, in bad texts.

After Gopher (2112.11446, appendix A.1.1 and table A1) and C4 (1910.10683, section 2.2). Where a
script sets no spaces, its letters stand for words, and runs of words are as many letters as make
such words in it (`scripts`). Shares say little about a few words: below `ENOUGH` they are not
measured. Upper case and links have no published threshold.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from gpte_data.scripts import count_words, is_unspaced, letters_per_word, script

ENOUGH = 20
"""Words below which shares are not measured."""
LINES = 3
"""Lines below which there is no list: a passage may begin with a dash, or be cut at its end."""
_LINK = re.compile(r"(?:https?://|www\.)\S+|\[[^\]\n]*\]\([^)\s]+\)", re.IGNORECASE)
_NO_SPACES = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W_{_NO_SPACES}]+")
"""A character of a script without spaces, or a word of another."""
_BULLET = ("•", "‣", "▪", "●", "○", "■", "·", "-", "*", "–", "—")
_SYMBOL = re.compile(r"#|\.\.\.|…")


def is_blank(text: str) -> bool:
    """Tell whether there is nothing to be seen: spaces, control and format characters alone."""
    return not any(character.isprintable() and not character.isspace() for character in text)


@lru_cache(maxsize=4)
def _unspaced(text: str) -> bool:
    return is_unspaced(text)


@lru_cache(maxsize=4)
def words(text: str) -> list[str]:
    """Return the words of a text.

    In scripts without spaces each letter is one, and punctuation is none.
    """
    if not _unspaced(text):
        return text.split()
    return [word for word in map(str.strip, _WORD.findall(text)) if word]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def mean_word_length(text: str) -> float | None:
    """Return the characters of a word on average; None where no spaces part words."""
    return None if _unspaced(text) else sum(map(len, text.split())) / len(text.split())


def letter_words(text: str) -> float:
    """Return the share of words with a letter."""
    found = words(text)
    return sum(any(map(_is_letter, word)) for word in found) / max(1, len(found))


def _is_letter(character: str) -> bool:
    """Tell whether a character is a letter or a vowel sign."""
    return character.isalpha() or bool(script(character))


def symbols(text: str) -> float:
    """Return how many hash signs and ellipses there are for each word."""
    return len(_SYMBOL.findall(text)) / count_words(text)


def bullet_lines(text: str) -> float | None:
    """Return the share of lines that begin with a bullet; None where there are but a few."""
    lines = _lines(text)
    bullets = sum(line.startswith(_BULLET) for line in lines)
    return bullets / len(lines) if len(lines) >= LINES else None


def ellipsis_lines(text: str) -> float | None:
    """Return the share of lines that end with an ellipsis; None where there are but a few."""
    lines = _lines(text)
    broken = sum(line.endswith(("...", "…")) for line in lines)
    return broken / len(lines) if len(lines) >= LINES else None


def repeated_lines(text: str) -> float:
    """Return the share of lines that stood there before."""
    lines = _lines(text)
    return 1 - len(set(lines)) / len(lines)


def top_ngram(text: str) -> float:
    """Return the share of characters in the three words in a row that are repeated most."""
    runs, length = _runs(text, 3)
    counts = Counter(runs)
    return max((n * len(run) for run, n in counts.items() if n > 1), default=0) / length


def repeated_ngrams(text: str) -> float:
    """Return the share of characters in five words in a row that stood there before."""
    runs, length = _runs(text, 5)
    width, seen, end, covered = _width(text, 5), set(), 0, 0
    found = words(text)
    for start, run in enumerate(runs):
        if run in seen:
            new = max(start, end)
            covered += sum(map(len, found[new : start + width]))
            end = start + width
        seen.add(run)
    return covered / length


def _width(text: str, number: int) -> int:
    """Return how many of `words` make a number of words."""
    return round(number * letters_per_word(text)) or number if _unspaced(text) else number


def _runs(text: str, number: int) -> tuple[list[str], int]:
    """Return all so many words in a row, without spaces, and how long all words are."""
    found, width = words(text), _width(text, number)
    starts = range(len(found) - width + 1)
    return ["".join(found[n : n + width]) for n in starts], max(1, sum(map(len, found)))


def upper_case(text: str) -> float | None:
    """Return the share of upper case among all letters; None where there are hardly any."""
    every = sum(map(str.isalpha, text))
    return sum(map(str.isupper, text)) / every if every >= 10 else None


def links(text: str) -> float:
    """Return the share of characters that are links, spaces left out."""
    inside = sum(len("".join(link.split())) for link in _LINK.findall(text))
    return inside / max(1, len("".join(text.split())))


Measure = Callable[[str], float | None]
SHARES: dict[str, tuple[Measure, str]] = {
    "min_word_length": (mean_word_length, "words too short on average"),
    "max_word_length": (mean_word_length, "words too long on average"),
    "min_letter_words": (letter_words, "too few words with letters"),
    "max_symbols": (symbols, "too many hash signs and ellipses"),
    "max_bullet_lines": (bullet_lines, "mostly bullet points"),
    "max_ellipsis_lines": (ellipsis_lines, "too many lines that break off"),
    "max_repeated_lines": (repeated_lines, "repeated lines"),
    "max_top_ngram": (top_ngram, "one phrase over and over"),
    "max_repeated_ngrams": (repeated_ngrams, "repeated phrases"),
    "max_upper": (upper_case, "mostly upper case"),
    "max_links": (links, "mostly links"),
}
"""Option -> what it holds a limit to, and the rule; `min_` is the least allowed."""
ALWAYS = (upper_case, links)
"""Measures that say something of short texts too."""
PUBLISHED = {
    "min_word_length": 3.0, "max_word_length": 10.0, "min_letter_words": 0.8, "max_symbols": 0.1,
    "max_bullet_lines": 0.9, "max_ellipsis_lines": 0.3, "max_repeated_lines": 0.3,
    "max_top_ngram": 0.18, "max_repeated_ngrams": 0.15,
}  # fmt: skip
"""Gopher's thresholds, which `--quality` means."""


def measured(text: str, limits: dict[str, float]) -> dict[str, float]:
    """Return what breaks its limit: rule -> the number that was found."""
    found: dict[str, float] = {}
    always = ALWAYS if any(map(str.isalnum, text)) else (*ALWAYS, letter_words)
    short = bool(limits) and count_words(text) < ENOUGH
    for option, limit in limits.items():
        measure, rule = SHARES[option]
        number = None if short and measure not in always else measure(text)
        if number is not None and (number < limit if option[:3] == "min" else number > limit):
            found[rule] = round(number, 4)
    return found
