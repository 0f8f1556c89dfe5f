"""What a row of each format looks like: a small example, written by the format's own code.

One query with two positives and two negatives, as a block; `emit --format list` shows it.
"""

import json
import textwrap

import numpy as np
import pyarrow as pa

from gpte_data.formats import FORMATS, Format, open_format
from gpte_data.formats.block import Block, Documents, TextBlock

QUERY = "why is bread rye sour"
INSTRUCTION = "Find the answer"
POSITIVES = [("p1", "Rye", "Sauerteig säuert."), ("p2", "", "Acid keeps rye from sticking.")]
NEGATIVES = [("n1", "Crêpes", "No yeast."), ("n2", "", "Wheat bread is mild.")]
SCORES = ([0.875, 0.75], [0.5, 0.25])
VECTORS = [[0.5, -0.5, 0.5, 0.5], [0.75, 0.25, -0.5, 0.25]]


def sample(of: Format) -> Block | TextBlock:
    """Return the example as a format is given it.

    Args:
        of: The format.
    """
    if of.of == "texts":
        texts = pa.array([QUERY, " ".join(POSITIVES[0][1:])])
        return TextBlock(texts, np.array(VECTORS, dtype=np.float16))
    blocks = 2 if of.one_positive else 1
    most = len(NEGATIVES) if of.most is None else of.most
    positives = [[n] for n in range(2)] if of.one_positive else [[0, 1]]
    block = Block(
        pa.repeat("q1", blocks), pa.repeat(QUERY, blocks), pa.repeat(INSTRUCTION, blocks),
        pa.repeat("", blocks), np.arange(blocks),
        _documents(POSITIVES, SCORES[0], positives, 1),
        _documents(NEGATIVES, SCORES[1], [list(range(2))[:most]] * blocks, 0),
    )  # fmt: skip
    return block.silent() if of.place == "query" else block


def _documents(
    texts: list[tuple[str, str, str]], scores: list[float], places: list[list[int]], grade: int
) -> Documents:
    """Return one side of the examples: of each, the documents at some places."""
    flat = [place for one in places for place in one]
    doc_id, title, text = (
        pa.array([texts[place][n] for place in flat], pa.string()) for n in range(3)
    )
    offsets = np.cumsum([0, *map(len, places)]).astype(np.int32)
    found = np.array([scores[place] for place in flat], dtype=np.float32)
    return Documents(offsets, doc_id, title, text, found, np.full(len(flat), grade, dtype=np.int32))


def example(name: str) -> str:
    """Return the first row that a format writes of the example, as one line.

    Rows of Parquet and members of a tar are shown as JSON; lines of a table with their heading.
    """
    found = open_format(name)
    rows = pa.table(dict(found.columns(sample(found.of)))).slice(0, 2).to_pylist()
    if found.of.kind == "lines":
        return "\n".join(str(row["line"]) for row in rows)
    return json.dumps(rows[0], ensure_ascii=False)


def listing(width: int) -> str:
    """Return all formats, what stands in a row of each, and an example, in lines of a width."""
    return "\n\n".join(
        f"{name}\n{_wrapped(about, width)}\n{_wrapped(example(name), width)}"
        for name, about in FORMATS.items()
    )


def _wrapped(text: str, width: int) -> str:
    """Return a text in lines of a width, broken at spaces only and joined by them again."""
    fold = textwrap.TextWrapper(
        max(width, 20), initial_indent="    ", subsequent_indent="    ", expand_tabs=False,
        break_long_words=False, break_on_hyphens=False, replace_whitespace=False,
    )  # fmt: skip
    return "\n".join(fold.fill(line) for line in text.splitlines())
