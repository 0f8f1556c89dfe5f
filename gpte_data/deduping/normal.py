"""What a text says, apart from how it is written: texts that are equal here are copies.

NFKC, folded case, words and symbols with one space between; punctuation and what can't be seen are
gone. In scripts that set no spaces between words, spaces are gone too.
"""

import re
import unicodedata

from gpte_data.scripts import is_unspaced

TELLING = frozenset("#%&@")
"""Punctuation that makes another word: C# is not C."""
FOLDED = {"ı": "i", "\u0307": ""}
"""Turkish: I without a dot and the dot over İ, which folding the case leaves different from i."""
UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Where scripts without spaces are."""


def _written(character: str) -> str:
    """Return what stands for a character: itself, a space, or nothing."""
    if character in FOLDED:
        return FOLDED[character]
    kind = unicodedata.category(character)
    if kind == "Cf":
        return ""
    if character in TELLING or kind[0] in "LMN" or kind in ("Sm", "Sc", "So", "Co", "Cn"):
        return character
    return " "


class _Written(dict[int, str]):
    """What stands for each character, found when it is met first."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _written(chr(code))
        return found


_TABLE = _Written()
_ASCII = bytes(ord(_written(chr(code).lower()) or " ") for code in range(128)) + bytes(128)


def normal(text: str) -> str:
    """Return a text as it is compared; what has nothing but punctuation is left as it is."""
    if text.isascii():
        words = text.encode().translate(_ASCII).split()
        return b" ".join(words).decode() or text.strip()
    folded = unicodedata.normalize("NFKC", text).casefold()
    found = unicodedata.normalize("NFKC", folded).translate(_TABLE).split()
    return ("" if without_spaces(text) else " ").join(found) or text.strip()


def without_spaces(text: str) -> bool:
    """Tell whether most of a text is in scripts without spaces between words."""
    return not text.isascii() and UNSPACED.search(text) is not None and is_unspaced(text)
