"""MTEB: a corpus, queries and judgements in folders of their own, as its retrieval tasks read them.

(https://embeddings-benchmark.github.io/mteb/, RetrievalDatasetLoader)
"""

from collections.abc import Iterator, Sequence

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import by_folder, qrels, query_file, titled_corpus_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(
    "parquet", texts=False, folder="qrels", stem="{split}", single=True,
    looked_up=("document", "query"), judged=True,
)  # fmt: skip


def columns(block: Block) -> Columns:
    """Return query-id, corpus-id and score, a row for each positive."""
    return qrels(block)


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield the corpus, with all documents, and the queries of all splits."""
    for path, some in by_folder(parts):
        yield query_file(some, f"{path}queries/00000.parquet", "id", "text")
        yield titled_corpus_file(some[0].passages, f"{path}corpus/00000.parquet", "id")
