"""FlagEmbedding: one JSON object a query, its positives and negatives in lists, with scores."""

from collections.abc import Iterator

from gpte_data.errors import BadOption
from gpte_data.formats import Anchor
from gpte_data.stage import Output, Row


def output(negatives: int) -> Output:
    """Return how the rows are written; raise BadOption without negatives, which it can't read."""
    if negatives < 1:
        raise BadOption("flagembedding needs at least one negative: --num-negatives 1 or more")
    return Output(".jsonl")


def parts(row: Row) -> list[Row]:
    """Return the row whole: all positives stand in one example."""
    return [row]


def examples(anchor: Anchor, negatives: int) -> Iterator[Row]:
    """Yield the query's one row."""
    yield {
        "query": anchor.query,
        "pos": [document.text for document in anchor.positives],
        "neg": [document.text for document in anchor.negatives],
        "pos_scores": [document.score for document in anchor.positives],
        "neg_scores": [document.score for document in anchor.negatives],
        "prompt": anchor.prompt,
        "type": "normal",
    }
