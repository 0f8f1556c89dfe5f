"""Documents into chunks of at most so many words, cut between sentences where that is possible."""

import re
from dataclasses import dataclass

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n\s*\n")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|Fig|Eq|No|Dr|Mr|Mrs|Ms|Prof|St|approx)|\b[A-Z])\.$"
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")
"""A run without white space; of Chinese and Japanese, a character."""


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


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, without the white space around them."""
    spans, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text, max(0, match.start() - 8), match.start()):
            continue
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trim(text, span))]


def _trim(text: str, span: Span) -> Span | None:
    """Return the span without white space at its ends, or None if nothing is left."""
    piece = text[span[0] : span[1]]
    left = len(piece) - len(piece.lstrip())
    right = len(piece.rstrip())
    return (span[0] + left, span[0] + right) if right > left else None


def _cut(text: str, span: Span, words: int) -> list[Span]:
    """Return the span, or pieces of at most `words` words if the sentence is longer."""
    found = [(m.start() + span[0], m.end() + span[0]) for m in _WORD.finditer(text[slice(*span)])]
    return [
        (found[i][0], found[min(i + words, len(found)) - 1][1]) for i in range(0, len(found), words)
    ]
