"""BEIR: a corpus, queries and judgements, for evaluation; negatives are not written.

(https://github.com/beir-cellar/beir)
"""

from collections.abc import Iterator, Sequence

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import by_folder, qrels_lines, query_file, titled_corpus_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(
    "lines", texts=False, folder="qrels", stem="{split}", suffix=".tsv", single=True,
    compression="none", looked_up=("document", "query"), judged=True,
)  # fmt: skip


def columns(block: Block) -> Columns:
    """Return lines of query-id, corpus-id and score, one for each positive."""
    return {"line": qrels_lines(block)}


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield corpus.jsonl, with all documents, and queries.jsonl, those of all splits."""
    for path, some in by_folder(parts):
        yield query_file(some, f"{path}queries.jsonl", "_id", "text")
        yield titled_corpus_file(some[0].passages, f"{path}corpus.jsonl", "_id")
