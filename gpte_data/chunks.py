"""Documents into chunks of at most so many words, cut between sentences where that is possible.

A sentence ends at the marks of its script, before a heading or the item of a list, and at an empty
line; not after an abbreviation, an initial or the number of an item, and not before a word in small
letters. A sentence that is too long is cut behind a semicolon, a comma or a bracket where there is
one in the last third. In Chinese, Japanese and Thai, which put no spaces between words, a character
(in Thai three, with their marks) counts as a word.
"""

import re
from dataclasses import dataclass

_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_THAI = "\u0e00-\u0eff"
"""And Lao, whose block is laid out the same way."""
_CLUSTER = (
    rf"[\u0e40-\u0e44\u0ec0-\u0ec4]?[{_THAI}]"
    r"[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece]*"
)
"""A Thai or Lao character with the vowel written before it and the marks above and below."""
_WORD = re.compile(
    rf"[{_CJK}][，。！？；：、」』”’）》…]*|(?:{_CLUSTER}){{1,3}}|[^\s{_CJK}{_THAI}]+"
)
"""A run without white space; of Chinese and Japanese, a character."""

_CLOSING = r"[\"'”’»)\]*_]*"
_ITEM = r"(?:[-*+•‣–|]|#{1,6}|\d{1,3}[.)])[ \t]"
_SENTENCE_END = re.compile(
    r"(?P<sure>[。！？｡]+[」』”’）》]*\s*|[؟۔।॥]+\s*"
    rf"|(?<=[{_THAI}])\s+(?=[{_THAI}])"
    rf"|\n\s*\n|(?<=[.!?…]){_CLOSING}\s*\n\s*\n|\n(?=[ \t]*{_ITEM})"
    r"|(?<=[)\]])\.(?=[A-Z][a-z])|(?<=[a-z]{3})\.(?=[A-Z][a-z]* [a-z]))"  # a space is missing
    rf"|(?<=[.!?…]){_CLOSING}\s+"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|[Cc]f|vs|al|Dr|Mr|Mrs|Ms|Prof|St|[Aa]pprox|Inc|Ltd|spp)|\b[A-Z])\.$"
    r"|^[ \t]*\d{1,3}\.$",
    re.MULTILINE,
)
_BEFORE_A_NUMBER = re.compile(r"\b(?:[Nn]os?|[Ff]igs?|[Ee]qs?|[Ss]ecs?|[Vv]ol|pp?|[Rr]efs?|ca)\.$")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t][^\n]*\Z")
_LOOK_BACK = 12
"""Characters; longer than any abbreviation."""
_BREAKS = ((";", ":", "；", "：", "؛"), (",", "，", "、", "،"), (")", "]", "）"))
"""Ends of words behind which a long sentence is cut, the best first; then comes white space."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document and the text around it, the neighbouring chunks."""

    text: str
    context: str


Span = tuple[int, int]


def chunks(text: str, words: int) -> list[Chunk]:
    """Cut text into chunks of at most `words` words; each is a substring of the text."""
    spans = _pack(text, words)
    return [
        Chunk(
            text[start:end],
            text[spans[max(0, i - 1)][0] : spans[min(len(spans) - 1, i + 1)][1]],
        )
        for i, (start, end) in enumerate(spans)
    ]


def _pack(text: str, words: int) -> list[Span]:
    """Return the spans of the chunks: sentences put together as long as they fit."""
    packed: list[Span] = []
    filled = words
    for start, end in (piece for s in sentences(text) for piece in _cut(text, s, words)):
        size = count_words(text[start:end])
        if filled + size <= words:
            packed[-1] = (packed[-1][0], end)
            filled += size
        else:
            packed.append((start, end))
            filled = size
    return packed


def count_words(text: str) -> int:
    """Return the number of words."""
    return sum(1 for _ in _WORD.finditer(text))


def first_words(text: str, words: int) -> str:
    """Return the text up to the end of its first `words` words."""
    ends = [match.end() for match, _ in zip(_WORD.finditer(text), range(words), strict=False)]
    return text[: ends[-1]] if ends else ""


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, without the white space around them."""
    spans, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if not _ends_here(text, start, match):
            continue
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trim(text, span))]


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the sentence that began at start ends at the match.

    A heading does not: it goes with what follows it.
    """
    if _HEADING.match(text, start, match.start()):
        return False
    if match["sure"] is not None:
        return True
    before = max(0, match.start() - _LOOK_BACK), match.start()
    after = text[match.end() : match.end() + 2]
    if _ABBREVIATION.search(text, *before) or (after.isalpha() and after.islower()):
        return False
    return not (after[:1].isdigit() and _BEFORE_A_NUMBER.search(text, *before))


def _trim(text: str, span: Span) -> Span | None:
    """Return the span without white space at its ends, or None if nothing is left."""
    piece = text[span[0] : span[1]]
    left = len(piece) - len(piece.lstrip())
    right = len(piece.rstrip())
    return (span[0] + left, span[0] + right) if right > left else None


def _cut(text: str, span: Span, words: int) -> list[Span]:
    """Return the span, or pieces of at most `words` words if the sentence is longer."""
    found = [match.span() for match in _WORD.finditer(text, *span)]
    pieces, first = [], 0
    while first < len(found):
        last = _break(text, found, first, first + words)
        pieces.append((found[first][0], found[last - 1][1]))
        first = last
    return pieces


def _break(text: str, found: list[Span], first: int, last: int) -> int:
    """Return the word before which to cut: the one after a comma or the like, or `last`."""
    if last >= len(found):
        return len(found)
    last_third = range(last, first + (last - first) * 2 // 3, -1)
    for ends in _BREAKS:
        for i in last_third:
            if text.endswith(ends, *found[i - 1]):
                return i
    return next((i for i in last_third if found[i][0] > found[i - 1][1]), last)
