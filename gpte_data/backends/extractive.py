"""Queries without a model: the title, a salient crop, or the passage's own keywords.

No language model writes these; rows say so in `generator`. A crop is the sentence with the highest
mean tf-idf, keywords are the terms with the highest tf-idf in the order of the text; terms are
weighted by log(1 + N / df) over the corpus (sources of such tasks: inverse cloze, Chang et al.
2020; keyword queries, LexSemBridge 2508.17858).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.chunks import sentences
from gpte_data.corpus import open_corpus
from gpte_data.errors import BadOption
from gpte_data.records import full_text

_TERM = re.compile(r"[^\W\d_]\w*(?:[-'’]\w+)*|[\u3040-\u30ff\u3400-\u9fff]{2,4}")
CROP_WORDS = 16
KEYWORDS = 4


def identity(model: str) -> dict[str, str]:
    """Return nothing more: the code's version is the stage's."""
    return {}


def open_llm(model: str, options: Options) -> "Extractive":
    """Return the extractor over a corpus' term statistics."""
    if not options.corpus:
        raise BadOption("--llm extractive needs the term statistics of a corpus: give --corpus")
    return Extractive(_frequencies(options.corpus))


def terms(text: str) -> list[str]:
    """Return the words of a text in lower case, without numbers."""
    return [match.lower() for match in _TERM.findall(text)]


@cache
def _frequencies(corpus: tuple[Path, ...]) -> tuple[int, Mapping[str, int]]:
    """Return the number of passages and the document frequency of terms seen more than once."""
    documents, frequencies = 0, Counter[str]()
    for row in open_corpus(corpus).rows():
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
            query = self._query(request.values)
            yield Completion({"query": query} if query else None, "" if query else "no words in it")

    def _query(self, values: Mapping[str, str]) -> str:
        kind, title, text = values["query_type"], values.get("title", ""), values["text"]
        if kind == "title" and title:
            return title
        if kind == "keywords":
            return " ".join(self.keywords(f"{title} {text}"))
        return self.crop(text)

    def weight(self, term: str) -> float:
        """Return a term's inverse document frequency."""
        return math.log(1 + self.documents / self.frequency.get(term, 1))

    def keywords(self, text: str) -> list[str]:
        """Return the terms with the highest tf-idf, in the order in which they appear."""
        counts = Counter(terms(text))
        scores = {term: (1 + math.log(n)) * self.weight(term) for term, n in counts.items()}
        best = sorted(scores, key=lambda term: (-scores[term], term))[:KEYWORDS]
        return [term for term in counts if term in best]

    def crop(self, text: str) -> str:
        """Return the sentence with the highest mean weight, cut to its first words."""
        pieces = [text[start:end] for start, end in sentences(text)]
        long_enough = [piece for piece in pieces if len(terms(piece)) >= 4] or pieces
        if not long_enough:
            return ""
        best = max(long_enough, key=lambda piece: (self._mean_weight(piece), piece))
        return " ".join(best.split()[:CROP_WORDS])

    def _mean_weight(self, piece: str) -> float:
        found = terms(piece)
        return sum(map(self.weight, found)) / len(found) if found else 0.0
