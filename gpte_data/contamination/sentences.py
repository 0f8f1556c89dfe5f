"""Very short evaluation texts inside longer ones: found where they stand as a sentence.

"What is asthma" as four words in a row may stand anywhere; between full stops it is that question.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gpte_data.contamination.index import Index
from gpte_data.contamination.lengths import LEAST, SENTENCE
from gpte_data.contamination.words import letters_of_a_word, whole_hash, words

_END = re.compile(r"[.?!;:\n\r…。？！；：।؟]+")
LONGEST = 80
"""Characters of a sentence that may be so short."""


def find_sentences(index: Index, texts: Sequence[tuple[str, str]]) -> tuple[Any, Any]:
    """Return rows and the short evaluation texts that stand in them as sentences, (found,) each."""
    import numpy as np

    if not index.sentences.any():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    found = [(row, whole_hash(said)) for row, text in enumerate(texts) for said in _short(text)]
    rows = np.array([row for row, _ in found], dtype=np.int64)
    which, text = index.equal(np.array([number for _, number in found], dtype=np.uint64))
    mine = index.sentences[text]
    pairs = np.unique(np.stack([rows[which[mine]], text[mine]]), axis=1)
    return pairs[0], pairs[1]


def _short(text: tuple[str, str]) -> Iterator[list[str]]:
    """Yield the words of each sentence that is too short to be found as a run."""
    for part in text:
        for sentence in _END.split(part):
            if len(sentence) <= LONGEST and not sentence.isspace() and sentence:
                said = words(sentence)
                if SENTENCE <= len(said) // letters_of_a_word(sentence) < LEAST:
                    yield said
