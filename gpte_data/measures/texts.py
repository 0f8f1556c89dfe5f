"""What is counted of texts: words of queries and documents, first words, questions, copies.

A dataset of known rows is measured by its query, and by title and text; one of another layout, as
emitted shards are, by each of its columns of texts, `negative_1` … together.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gpte_data.measures.columns import Block, words
from gpte_data.measures.distributions import add_lengths, distribution
from gpte_data.measures.frequent import Distinct, Frequent

NAMED = ("query", "text", "persona")
KNOWN = ("query_id", "doc_id", "persona_id")
"""A dataset with one of these columns has our rows."""
QUERIES = ("query", "anchor", "question")
"""Columns that hold a query, whoever wrote the shard."""
NO_TEXT = re.compile(r"(^|_)(ids?|type|prompt|label|labels|scores?|task|split|instruction)$")
FIRST_WORD = r"^[^\p{L}\p{N}]*(?P<word>[\p{L}\p{N}'’]+)"
SHOWN = 20


class Queries:
    """Lengths, first words and copies of queries."""

    def __init__(self) -> None:
        self.rows = self.questions = 0
        self.lengths: Counter[float] = Counter()
        self.first = Frequent()
        self.distinct = Distinct()

    def add(self, texts: Any) -> None:
        """Count some queries: Arrow strings without nulls."""
        import pyarrow.compute as pc

        self.rows += len(texts)
        add_lengths(self.lengths, words(texts))
        found = pc.struct_field(pc.extract_regex(pc.utf8_lower(texts), FIRST_WORD), "word")
        self.first.add(value_counts(found))
        asked = pc.match_substring_regex(texts, r"[?？؟;]\s*$")
        self.questions += pc.sum(asked).as_py() or 0
        self.distinct.add(texts.to_pylist())

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        if not self.rows:
            return {}
        distinct = self.distinct.count()
        return {
            "count": self.rows,
            "distinct": distinct,
            "distinct_is_exact": self.distinct.exact,
            "ending in a question mark": self.questions,
            "words": distribution(self.lengths),
            "first_words": self.first.most(SHOWN),
        }


class Texts:
    """Words of each kind of text in a dataset."""

    def __init__(self) -> None:
        self.queries = Queries()
        self.lengths: dict[str, Counter[float]] = {}

    def add(self, block: Block) -> None:
        """Count the texts of some rows."""
        for name in _columns(block):
            texts = _flat(block.columns[name])
            if texts is None:
                continue
            if name in QUERIES:
                self.queries.add(texts)
            counts = self.lengths.setdefault(re.sub(r"_\d+$", "", name), Counter())
            if name == "text" and "title" in block.columns:
                add_lengths(counts, words(_titled(block)))
            else:
                add_lengths(counts, words(texts))

    def to_json(self, more: Mapping[str, Counter[float]]) -> dict[str, Any]:
        """Return plain values, with more lengths by name."""
        return {
            "queries": self.queries.to_json(),
            "lengths": {n: distribution(c) for n, c in [*self.lengths.items(), *more.items()] if c},
        }


def _columns(block: Block) -> list[str]:
    """Return the names of columns with texts."""
    if any(name in block.columns for name in KNOWN):
        return [name for name in NAMED if name in block.columns]
    return [name for name in block.columns if not NO_TEXT.search(name)]


def _flat(column: Any) -> Any:
    """Return the texts of a column of strings, or of lists of strings; None for all else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    return column.drop_null() if pa.types.is_string(column.type) else None


def _titled(block: Block) -> Any:
    """Return title and text of each row that has a text, as mining reads them."""
    import pyarrow.compute as pc

    titles, texts = block.strings("title"), block.strings("text")
    joined = pc.binary_join_element_wise(titles.fill_null(""), texts, " ")
    return joined.drop_null()


def value_counts(column: Any) -> dict[str, int]:
    """Return how often each string of an Arrow array occurs, in the order of the strings."""
    counts = column.drop_null().value_counts()
    found = zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)
    return dict(sorted(found))
