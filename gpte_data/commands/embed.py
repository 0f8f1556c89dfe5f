"""`gpte-data embed`: a corpus' vectors, made ahead of `mine-negatives`."""

from pathlib import Path
from typing import Annotated

import typer


def embed(
    corpus: Annotated[Path, typer.Argument(help="Corpus: the output folder of ingest.")],
    teacher: Annotated[
        str, typer.Option(help="st:MODEL, openai:MODEL (any server) or vllm:MODEL.")
    ] = "st:all-MiniLM-L6-v2",
    doc_prompt: Annotated[str, typer.Option(help="Put before each document.")] = "",
    base_url: Annotated[
        list[str] | None, typer.Option(help="Server for openai:MODEL; may be given more than once.")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Requests in flight.")] = 64,
) -> None:
    """Make the vectors of a corpus and keep them beside it, for mining with the same teacher.

    They lie in CORPUS/_vectors, one .npy a shard, row i for row i; what is there is not made again.
    """
    from gpte_data.backends import EMBEDDERS, Options, check, embedder_identity, open_embedder
    from gpte_data.corpus import open_corpus
    from gpte_data.embedding import ensure_vectors
    from gpte_data.files import disk_errors
    from gpte_data.manifest import check_finished
    from gpte_data.talk import say_ledger
    from gpte_data.vectors import VectorSpec, vectors_path

    with disk_errors(corpus):
        check_finished(corpus)
        opened = open_corpus((corpus,))
        documents = len(opened.doc_ids)
        options = Options(base_urls=tuple(base_url or ()), concurrency=concurrency)
        spec = VectorSpec(teacher, embedder_identity(teacher), doc_prompt)
        check(teacher, EMBEDDERS, "teacher", options)
        ledger = ensure_vectors(opened, spec, lambda: open_embedder(teacher, options))
        folder = vectors_path(opened.shards[0], spec).parent
        if ledger.rows_in:
            say_ledger("embed", ledger)
        else:
            typer.echo(f"embed: nothing to do, {documents:,} vectors are in {folder}", err=True)
