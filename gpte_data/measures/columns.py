"""A shard as blocks of columns: what is counted is read by Arrow, and rows are never made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io
from gpte_data.candidates import as_rows
from gpte_data.errors import BadInput, first_line
from gpte_data.fields import FIELDS, arrow_types

BLOCK = 4096
UNREAD = ("positive_evidence", "written", "context", "settings")
"""Fields that nothing here looks at, large ones."""
OF_CANDIDATES = (
    "source", "score", "words", "false_negative", "choice", "rerank_score",
    "reranked_false_negative", "verdict", "reason",
)  # fmt: skip
"""What is looked at of a candidate."""
COUNTED = ("candidates", "positive_scores", "positive_rerank_scores", "positive_words")
"""Fields that must hold what their names say, in shards of JSON too."""
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
_ASCII_WORD = r"[^\t-\r\x1c-\x20]+"
_WORD = r"[^\s\p{Z}]*[\p{L}\p{N}][^\s\p{Z}]*"


@dataclass(frozen=True)
class Block:
    """Some rows of a shard, as Arrow arrays by name; a column that no row has is not there."""

    rows: int
    columns: Mapping[str, Any]

    def strings(self, name: str) -> Any:
        """Return a column as strings (n,), null where a row lacks it; None without the column."""
        import pyarrow as pa

        column = self.columns.get(name)
        if column is None or pa.types.is_string(column.type):
            return column
        if pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type):
            return column.cast(pa.string())
        values = column.to_pylist()
        return pa.array([None if value is None else str(value) for value in values], pa.string())

    def numbers(self, name: str) -> Any:
        """Return the numbers of all lists of a column in one array; None without the column."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.columns.get(name)
        if column is None or not (pa.types.is_list(column.type) or _is_large(column.type)):
            return None
        return pc.list_flatten(column).cast(pa.float64())


def _is_large(type_: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_list(type_))


def blocks(path: Path) -> Iterator[Block]:
    """Yield the rows of a shard, block by block; raise BadInput where it can't be read."""
    if path.suffix == ".parquet":
        yield from _of_parquet(path)
        return
    rows = io.read(path)
    while batch := list(islice(rows, BLOCK)):
        names = dict.fromkeys(name for row in batch for name in row if name not in UNREAD)
        values = {name: [row.get(name) for row in batch] for name in names}
        columns = {name: _array(values[name], name, path) for name in names}
        yield Block(len(batch), {name: one for name, one in columns.items() if one is not None})


def _of_parquet(path: Path) -> Iterator[Block]:
    import pyarrow as pa

    file = io.parquet_file(path)
    leaves = (file.schema.column(n).path for n in range(len(file.schema.names)))
    wanted = [leaf for leaf in leaves if _is_wanted(leaf.split("."))]
    try:
        for batch in file.iter_batches(batch_size=BLOCK, columns=wanted):
            yield Block(batch.num_rows, dict(zip(batch.schema.names, batch.columns, strict=True)))
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is damaged: {first_line(error)}") from None


def _is_wanted(path: Sequence[str]) -> bool:
    """Tell whether a column of Parquet is looked at, by its name and those inside it."""
    if path[0] == "candidates" and len(path) > 3:
        return path[3] in OF_CANDIDATES
    return path[0] not in UNREAD


def _array(values: Sequence[Any], name: str, path: Path) -> Any:
    """Return a column of rows of JSON as Arrow has it, None where its values are of several types.

    Raises:
        BadInput: It is one of COUNTED and holds something else.
    """
    import pyarrow as pa

    known = FIELDS.get(name, "")
    if known == "string":
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    try:
        return pa.array(list(map(as_rows, values)), arrow_types().get(known))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if name not in COUNTED:
            return None
        message = f"{path}, column {name!r} must hold {known}: {first_line(error)}"
        raise BadInput(message) from None


def words(texts: Any) -> Any:
    """Return how many words each text has, (n,) in int64, as `scripts.count_words` counts them.

    Args:
        texts: Arrow strings (n,) without nulls.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from gpte_data.scripts import count_words

    ascii_ = pc.string_is_ascii(texts)
    counts = pc.if_else(
        ascii_,
        pc.count_substring_regex(texts, _ASCII_WORD),
        pc.count_substring_regex(texts, _WORD),
    )
    found = counts.cast(pa.int64()).to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(pc.match_substring_regex(texts, UNSPACED).to_numpy(False)):
        found[place] = count_words(texts[int(place)].as_py())
    return found
