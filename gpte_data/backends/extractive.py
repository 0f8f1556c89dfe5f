"""Queries without a model: the title, a salient crop, or the passage's own keywords.

No language model writes these; rows say so in `generator`. A crop is the sentence with the highest
mean tf-idf, keywords are the terms with the highest tf-idf in the order of the text; terms are
weighted by log(1 + N / df) over the corpus (sources of such tasks: inverse cloze, Chang et al.
2020; keyword queries, LexSemBridge 2508.17858).
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.chunks import first_words, sentences
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.errors import BadOption
from gpte_data.records import full_text

_MARKS = "".join(
    chr(code) for code in range(0x300, 0x1B00) if unicodedata.category(chr(code)) in ("Mn", "Mc")
)
"""Vowel signs and the like of Arabic, Hindi, Thai and others, which \\w leaves out."""
_CJK = "\u3040-\u30ff\u3400-\u9fff"
_LETTER = rf"[^\W\d_{_CJK}]"
_TERM = re.compile(
    rf"{_LETTER}(?:[^\W{_CJK}]|[{_MARKS}])*(?:[-'’](?:{_LETTER}|[{_MARKS}\d])+)*|[{_CJK}]+"
)
CROP_WORDS = 16
KEYWORDS = 4
LONGEST = 30
"""Characters of a keyword. Thai puts spaces between phrases; what is longer is no word there."""


def identity(model: str) -> dict[str, str]:
    """Return nothing more: the code's version is the stage's."""
    return {}


def open_llm(model: str, options: Options) -> "Extractive":
    """Return the extractor over a corpus' term statistics."""
    if not options.corpus:
        raise BadOption("--llm extractive needs the term statistics of a corpus: give --corpus")
    return Extractive(_frequencies(open_corpus(options.corpus)))


def terms(text: str) -> list[str]:
    """Return the words of a text in lower case, without numbers.

    Chinese and Japanese put no spaces between words; their terms are pairs of characters.
    """
    found = []
    for match in _TERM.findall(text):
        word = match.lower()
        pairs = len(word) > 2 and "\u3040" <= word[0] <= "\u9fff"
        found += [a + b for a, b in pairwise(word)] if pairs else [word]
    return found


@lru_cache(maxsize=2)
def _frequencies(corpus: Corpus) -> tuple[int, Mapping[str, int]]:
    """Return the number of passages and the document frequency of terms seen more than once."""
    documents, frequencies = 0, Counter[str]()
    for row in corpus.rows():
        documents += 1
        frequencies.update(set(terms(full_text(row))))
    return documents, {term: count for term, count in frequencies.items() if count > 1}


class Extractive:
    """Answers requests for a query from the passage in their values."""

    query_types: Mapping[str, float] | None = {"title": 1, "crop": 1, "keywords": 1}

    def __init__(self, frequencies: tuple[int, Mapping[str, int]]) -> None:
        self.documents, self.frequency = frequencies

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield a query for each request; nothing is kept, since nothing was paid."""
        for request in requests:
            kind, query = self._query(request.values)
            yield Completion({"query": query, "query_type": kind})

    def _query(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Return the type of the query and the query; without a title there is a crop instead."""
        kind, title, text = values["query_type"], values.get("title", ""), values["text"]
        if kind == "title" and title:
            return kind, title
        if kind == "keywords":
            return kind, " ".join(self.keywords(f"{title} {text}"))
        return "crop", self.crop(text)

    def weight(self, term: str) -> float:
        """Return a term's inverse document frequency."""
        return math.log(1 + self.documents / self.frequency.get(term, 1))

    def keywords(self, text: str) -> list[str]:
        """Return the terms with the highest tf-idf, in the order in which they appear."""
        counts = Counter(terms(text))
        words = [term for term in counts if len(term) <= LONGEST] or sorted(counts, key=len)[:1]
        scores = {term: (1 + math.log(counts[term])) * self.weight(term) for term in words}
        best = sorted(scores, key=lambda term: (-scores[term], term))[:KEYWORDS]
        return [term for term in words if term in best]

    def crop(self, text: str) -> str:
        """Return the sentence with the highest mean weight, cut to its first words."""
        pieces = [text[start:end] for start, end in sentences(text)]
        with_terms = [piece for piece in pieces if terms(piece)]
        long_enough = [piece for piece in with_terms if len(terms(piece)) >= 4] or with_terms
        if not long_enough:
            return ""
        best = max(long_enough, key=lambda piece: (self._mean_weight(piece), piece))
        return " ".join(first_words(best, CROP_WORDS).split())

    def _mean_weight(self, piece: str) -> float:
        found = terms(piece)
        return sum(map(self.weight, found)) / len(found) if found else 0.0
