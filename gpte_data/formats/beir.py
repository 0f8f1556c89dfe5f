"""BEIR: a corpus, queries and judgements, for evaluation; negatives are not written.

(https://github.com/beir-cellar/beir)
"""

from collections.abc import Iterator

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import qrels, qrels_file, query_file, titled_corpus_file
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile

FORMAT = Format(None, texts=False)


def columns(block: Block) -> Columns:
    """Return query-id, corpus-id and score, a row for each positive."""
    return qrels(block)


def beside(emitted: Emitted) -> Iterator[TableFile]:
    """Yield corpus.jsonl, with all documents, queries.jsonl and qrels."""
    path = emitted.path
    yield qrels_file(emitted, f"{path}qrels/{emitted.split}.tsv")
    yield query_file(emitted, f"{path}queries.jsonl", "_id", "text")
    yield titled_corpus_file(emitted.passages, f"{path}corpus.jsonl", "_id")
