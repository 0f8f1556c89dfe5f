"""sentence-transformers: n-tuples in Parquet, read by position, so only texts and in this order.

One row for each positive; every row has the same number of negatives. With none it is the pair
format, with one the triplet format.
"""

from collections.abc import Iterator

from gpte_data.formats import Anchor
from gpte_data.stage import Output, Row


def columns(negatives: int) -> list[str]:
    """Return the columns of a row with so many negatives."""
    numbered = [f"negative_{i + 1}" for i in range(negatives)]
    return ["anchor", "positive", *(["negative"] if negatives == 1 else numbered)]


def output(negatives: int) -> Output:
    """Return how the rows are written."""
    return Output(".parquet", dict.fromkeys(columns(negatives), "string"))


def parts(row: Row) -> list[Row]:
    """Return a row for each positive; each is an example of its own, and shuffled as such."""
    names = ("positive_scores", "positive_rerank_scores", "positive_ceilings")
    scores = [name for name in names if name in row]
    return [
        row | {"positives": [positive]} | {name: [row[name][i]] for name in scores}
        for i, positive in enumerate(row["positives"])
    ]


def examples(anchor: Anchor, negatives: int) -> Iterator[Row]:
    """Yield a row for each positive."""
    texts = [document.text for document in anchor.negatives]
    for positive in anchor.positives:
        values = [anchor.query, positive.text, *texts]
        yield dict(zip(columns(negatives), values, strict=True))
