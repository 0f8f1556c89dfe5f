"""`gpte-data embed`: a corpus' vectors, made ahead of `mine-negatives`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gpte_data.backends import Options


def embed(
    corpus: Annotated[Path, typer.Argument(help="Corpus: the output folder of ingest.")],
    teacher: Annotated[
        str,
        typer.Option(help="st:, openai: (any server), vllm:, promptreps:, model2vec: or adapter:."),
    ] = "st:all-MiniLM-L6-v2",
    doc_prompt: Annotated[str, typer.Option(help="Put before each document.")] = "",
    dtype: Annotated[
        str, typer.Option(help="Of st:MODEL: float32, bfloat16 or float16; the fastest by default.")
    ] = "auto",
    max_length: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of st:MODEL and promptreps:MODEL (512): tokens of a text that are read."
        ),
    ] = None,
    truncate_dim: Annotated[
        int | None, typer.Option(min=1, help="Numbers of a vector that are kept (Matryoshka).")
    ] = None,
    batch_tokens: Annotated[
        int, typer.Option(min=1, help="Of st:MODEL: padded tokens run together.")
    ] = 8192,
    base_url: Annotated[
        list[str] | None, typer.Option(help="Server for openai:MODEL; may be given more than once.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 64,
) -> None:
    """Make the vectors of a corpus and keep them beside it, for mining with the same teacher.

    They lie in CORPUS/_vectors, one .npy a shard, row i for row i, in float16; what is there is not
    made again, and what a killed run has made of a shard is used.
    """
    from gpte_data.backends import Encoding, Options

    encoding = Encoding(dtype, max_length, truncate_dim)
    _embed(
        corpus,
        teacher,
        Options(encoding, tuple(base_url or ()), concurrency, batch_tokens=batch_tokens),
        doc_prompt,
    )


def _embed(corpus: Path, spec: str, options: "Options", doc_prompt: str) -> None:
    from gpte_data.corpus import open_corpus
    from gpte_data.files import disk_errors
    from gpte_data.manifest import check_finished
    from gpte_data.talk import say_ledger
    from gpte_data.teachers import open_model
    from gpte_data.vectors import vectors_path

    model = open_model(spec, options, doc_prompt=doc_prompt)
    with disk_errors(corpus):
        check_finished(corpus)
        opened = open_corpus((corpus,))
        documents = len(opened.doc_ids)
        model.check(opened, lambda: ())
        ledger = model.embedded(opened)
        folder = vectors_path(opened.shards[0], model.vector_spec).parent
        if ledger.rows_in:
            say_ledger("embed", ledger)
        else:
            typer.echo(f"embed: nothing to do, {documents:,} vectors are in {folder}", err=True)
