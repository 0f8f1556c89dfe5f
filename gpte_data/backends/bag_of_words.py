"""Sparse bags of words from a language model's hidden states (PromptReps, 2404.18424, §3).

A text's bag holds the tokens of its own words, without those that every text has (STOP). A token
weighs 100 * log(1 + logit), a whole number, where its logit is above 0; the 128 heaviest stay.
Tokens are those that the model would write after the beginning of its answer, in lower case.

A bag is an array of uint32, in the order of the tokens: a token in 20 bits, its weight above.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpte_data.backends.output_layer import OutputLayer

BITS = 20
KEPT = 128
SCALE = 100.0
HEAVIEST = (1 << (32 - BITS)) - 1
TOGETHER = 256
"""Texts whose tokens' rows are read together."""
_STOP = """
a about above after again against all also am an and any are aren as at be because been before
being below between both but by can cannot could couldn d did didn do does doesn doing don down
during each either else ever few for from further had hadn has hasn have haven having he her
here hers herself him himself his how however i if in into is isn it its itself just ll m may me
might more most much must my myself neither no nor not now of off on once only or other our ours
ourselves out over own per re s same shall she should shouldn since so some such t than that the
their theirs them themselves then there therefore these they this those through thus to too
under until up upon us ve very via was wasn we were weren what when where whether which while
who whom whose why will with within without won would wouldn yet you your yours yourself
yourselves
"""
STOP = frozenset(_STOP.split())
"""English words that say nothing of what a text is about, and what an apostrophe leaves of them."""


class _Letters(dict[int, int]):
    """For str.translate: what is no letter, number or sign on a letter is a space."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")
        return self[code]


_LETTERS = _Letters()


def words(text: str) -> set[str]:
    """Return the different words of a text, in lower case, without stop words."""
    return set(text.lower().translate(_LETTERS).split()) - STOP


class Bagger:
    """Makes bags.

    Args:
        tokenizer: The model's, of transformers.
        opening: The beginning of the model's answer; words are what may follow it.
        layer: The model's output layer.
    """

    def __init__(self, tokenizer: Any, opening: str, layer: OutputLayer) -> None:
        self.tokenizer, self.opening, self.layer = tokenizer, opening, layer
        (self.before,) = self._encoded([opening])
        self._known: dict[str, list[int]] = {}

    def bags(self, texts: Sequence[str], hidden: Any) -> Iterator[Any]:
        """Yield the bag of each text, given the hidden states (n, d)."""
        for start in range(0, len(texts), TOGETHER):
            part = slice(start, start + TOGETHER)
            tokens = self.tokens(texts[part])
            every = np.unique(np.concatenate(tokens))
            weights = self.layer.weights(every)
            for own, state in zip(tokens, hidden[part], strict=True):
                rows = weights[np.searchsorted(every, own)]
                yield bag(own, self.layer.logits(state, own, rows))

    def tokens(self, texts: Sequence[str]) -> list[Any]:
        """Return the different tokens of each text's words, lowest first."""
        found = [sorted(words(text)) for text in texts]
        self._learn(sorted({word for some in found for word in some} - self._known.keys()))
        return [
            np.unique(np.array([t for word in some for t in self._known[word]], dtype=np.int64))
            for some in found
        ]

    def _learn(self, new: list[str]) -> None:
        """Tokenise words as they would follow the opening, and alone where they merge with it."""
        if len(self._known) > 1 << 20:
            self._known = {}
        size = len(self.before)
        for word, after, alone in zip(
            new, self._encoded([self.opening + word for word in new]), self._encoded(new),
            strict=True,
        ):  # fmt: skip
            self._known[word] = after[size:] if after[:size] == self.before else alone

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        found: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found


def bag(tokens: Any, logits: Any) -> Any:
    """Return the heaviest of some tokens (n,), lowest first, packed with their weights."""
    weights = np.rint(SCALE * np.log1p(np.maximum(logits, 0))).astype(np.int64)
    best = np.lexsort((tokens, -weights))[:KEPT]
    best = np.sort(best[weights[best] > 0])
    heavy = np.minimum(weights[best], HEAVIEST).astype(np.uint32)
    return heavy << np.uint32(BITS) | tokens[best].astype(np.uint32)
