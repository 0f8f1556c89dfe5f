"""Which datasets are read, with which corpora, as Arrow tables of the columns that emission needs.

SOURCE is a dataset, a folder whose subfolders are datasets, or `NAME=FOLDER,NAME=FOLDER`. Where
there are several, `--corpus NAME=FOLDER` is that of one, and `--corpus FOLDER` that of all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data import io, manifest
from gpte_data.errors import BadInput, BadOption, first_line
from gpte_data.parquet import table_of
from gpte_data.stage import Row

TABLE = 4096
"""Rows that are looked at together."""
COLUMNS = (
    "query_id", "query", "positives", "negatives", "recipe", "task", "instruction", "language",
    "query_type", "generator", "positive_scores", "positive_rerank_scores", "positive_ceilings",
    "positive_grades", "candidates", "doc_id", "prompt_version", "reranker", "judged_by", "license",
)  # fmt: skip
OF_CANDIDATES = (
    "doc_id", "source", "verdict", "reason", "choice", "score", "rerank_score", "false_negative",
    "reranked_false_negative",
)  # fmt: skip
DATASET = "gpte_data.dataset"
"""Where a table's metadata name its dataset."""


@dataclass(frozen=True)
class Source:
    """A dataset that is emitted: "" is the name of one that has none beside it."""

    name: str
    folder: Path


def sources(spec: str) -> list[Source]:
    """Return the datasets that SOURCE names, in order.

    Raises:
        BadInput: There is none.
        BadOption: Two have one name.
    """
    if "=" in spec and not Path(spec).exists():
        parts = [part.partition("=") for part in spec.split(",")]
        if any(not name or not folder for name, _, folder in parts):
            raise BadOption(f"SOURCE {spec!r} won't do: expected NAME=FOLDER,NAME=FOLDER,…")
        found = [Source(name.strip(), Path(folder.strip())) for name, _, folder in parts]
        names = [one.name for one in found]
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadOption(f"SOURCE names {twice[0]!r} twice: give each dataset a name of its own")
        return found
    path = Path(spec)
    inner = sorted(one for one in path.iterdir() if io.shard_files(one)) if path.is_dir() else []
    if inner and not io.shard_files(path):
        return [Source(one.name, one) for one in inner]
    io.shards(path)
    return [Source("", path)]


def sources_identity(spec: str) -> Any:
    """Return what of SOURCE enters a fingerprint: names and contents; "" where rows are given."""
    if not spec:
        return ""
    found = {one.name: manifest.dataset_content(one.folder) for one in sources(spec)}
    return found[""] if list(found) == [""] else found


def corpora(given: Sequence[str], names: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Return the folders of each dataset's corpus.

    Raises:
        BadOption: A dataset has none.
    """
    own: dict[str, list[Path]] = {name: [] for name in names}
    shared: list[Path] = []
    for one in given:
        name, equals, folder = str(one).partition("=")
        if equals and name in own:
            own[name].append(Path(folder))
        elif equals and not Path(one).exists():
            known = ", ".join(name for name in names if name) or "one dataset without a name"
            raise BadOption(f"--corpus {one}: there is no dataset {name!r}, found {known}")
        else:
            shared.append(Path(one))
    found = {name: (*folders, *shared) for name, folders in own.items()}
    if bare := [name for name, folders in found.items() if not folders]:
        raise BadOption(f"--corpus is missing for {bare[0]!r}: give --corpus {bare[0]}=FOLDER")
    return found


def read_rows(spec: str) -> Iterator[Row]:
    """Yield all rows, for a pipe; only one dataset may be there."""
    if len(found := sources(spec)) > 1:
        raise BadOption(f"SOURCE {spec} holds {len(found)} datasets: give a folder with -o")
    yield from io.read_all(found[0].folder)


def read_tables(spec: str, limit: int | None) -> Iterator[Any]:
    """Yield the rows of all datasets as tables, of at most `limit` rows of each."""
    for source in sources(spec):
        left = limit
        for path in io.shards(source.folder):
            for table in _tables(path):
                part = table if left is None else table.slice(0, left)
                left = None if left is None else left - part.num_rows
                if part.num_rows:
                    yield part.replace_schema_metadata({DATASET: source.name})
            if left == 0:
                break


def dataset_of(table: Any) -> str:
    """Return the name of the dataset that a table is of."""
    return str((table.schema.metadata or {}).get(DATASET.encode(), b"").decode())


def as_tables(items: Iterable[Any]) -> Iterator[Any]:
    """Yield tables as they are, and rows as tables."""
    stream = iter(items)
    for first in stream:
        if not isinstance(first, dict):
            yield first
            continue
        rows = [first, *islice(stream, TABLE - 1)]
        yield table_of([{name: row.get(name) for name in COLUMNS} for row in rows])


def _tables(path: Path) -> Iterator[Any]:
    """Yield a shard as tables."""
    import pyarrow as pa

    if path.suffix != ".parquet":
        rows = io.read(path)
        while batch := list(islice(rows, TABLE)):
            yield table_of([{n: row.get(n) for n in COLUMNS if n in row} for row in batch])
        return
    file = io.parquet_file(path)
    paths = [file.schema.column(n).path for n in range(len(file.schema))]
    wanted = [one for one in paths if _is_wanted(one)]
    try:
        for batch in file.iter_batches(batch_size=TABLE, columns=wanted):
            table = pa.Table.from_batches([batch])
            _check_types(table, path)
            yield table
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is damaged: {first_line(error)}") from None


def _is_wanted(path: str) -> bool:
    """Tell whether a column is needed, and of candidates, which of their fields."""
    top = path.partition(".")[0]
    return top in COLUMNS and (top != "candidates" or path.rpartition(".")[2] in OF_CANDIDATES)


def _check_types(table: Any, path: Path) -> None:
    """Raise BadInput where ids or queries are no texts; Arrow would make numbers into texts."""
    import pyarrow as pa

    for name in ("query_id", "query", "doc_id", "positives", "negatives", "candidates"):
        if name not in table.column_names:
            continue
        type_ = table.schema.field(name).type
        inner = type_.value_type if name not in ("query_id", "query") and _is_list(type_) else type_
        if name == "candidates" and pa.types.is_struct(inner):
            inner = inner.field("doc_id").type
        if not (pa.types.is_string(inner) or pa.types.is_large_string(inner)):
            raise BadInput(
                f"{path}: {name} must hold strings, found {type_}: "
                "write ids as text, as gpte-data ingest does"
            )


def _is_list(type_: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))
