"""MTEB: a corpus, queries and judgements in folders of their own, as its retrieval tasks read them.

(https://embeddings-benchmark.github.io/mteb/, RetrievalDatasetLoader)
"""

from collections.abc import Iterator

import pyarrow as pa

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import beside_file, examples, qrels, query_file, titled_corpus_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(
    None, texts=False, configs={"corpus": "corpus", "queries": "queries", "qrels": "qrels"}
)


def columns(block: Block) -> Columns:
    """Return query-id, corpus-id and score, a row for each positive."""
    return qrels(block)


def beside(emitted: Emitted) -> Iterator[TableFile]:
    """Yield qrels, queries and the corpus, with all documents, as Parquet."""

    def judgements() -> Iterator[pa.Table]:
        for block in emitted.blocks():
            yield pa.table(dict(columns(block)))

    path, name = emitted.path, f"{emitted.split}.parquet"
    yield beside_file(f"{path}qrels/{name}", judgements, examples(emitted))
    yield query_file(emitted, f"{path}queries/{name}", "id", "text")
    yield titled_corpus_file(emitted.passages, f"{path}corpus/{name}", "id")
