"""Documents as a judge sees them: one line each, cut, after a number in brackets.

A document that is one line can't begin another: nothing in it passes for the next document.
"""

from collections.abc import Iterable

from gpte_data.scripts import is_unspaced, letters_per_word

LETTERS = 10
"""Characters of a word, at most: what holds longer ones (tables, addresses) is cut by them."""
CUT = " …"


def one_line(text: str, max_words: int) -> str:
    """Return a text as one line of at most so many words; a cut is shown."""
    room = max_words * LETTERS
    head = text[: room + 1]
    if is_unspaced(head):
        room = max(1, int(max_words * letters_per_word(head)))
        line = " ".join(text[: 2 * room].split())
        return line if len(line) <= room and len(text) <= 2 * room else line[:room] + CUT
    words = head.split()
    line = " ".join(words[:max_words])[:room]
    return line + CUT if len(words) > max_words or len(text) > room else line


def numbered(lines: Iterable[str]) -> str:
    """Return lines with their numbers, from 1 on."""
    return "\n".join(f"[{number}] {line}" for number, line in enumerate(lines, 1))
