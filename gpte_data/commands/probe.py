"""`gpte-data probe`: does this data help, told in seconds by small maps on frozen vectors."""

from pathlib import Path
from typing import Annotated

import typer


def probe(
    shards: Annotated[
        Path, typer.Argument(help="Output folder of emit; with --corpus, a dataset of ids too.")
    ],
    eval: Annotated[Path, typer.Option(help="Evaluation: a folder in BEIR's layout, with qrels/.")],
    split: Annotated[str, typer.Option(help="Judgements to take: qrels/SPLIT.tsv.")] = "test",
    teacher: Annotated[
        str, typer.Option(help="st:, openai: (any server), vllm:, model2vec: or adapter:.")
    ] = "st:all-MiniLM-L6-v2",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the maps, for --teacher adapter:.")
    ] = None,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(help="Corpus whose stored vectors are used; may be given more than once."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the vectors of other texts here, for the next probe.")
    ] = None,
    rows: Annotated[int, typer.Option(min=5, help="Rows trained on, drawn by --seed.")] = 20_000,
    num_negatives: Annotated[
        int, typer.Option(min=0, help="Negatives of a row that are used, at most.")
    ] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings that the figures are of.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the first training, and of what is drawn.")] = 0,
    rank: Annotated[int, typer.Option(min=1, help="Of the maps' matrices.")] = 32,
    temperature: Annotated[
        float, typer.Option(min=0.001, help="What cosines are divided by in training.")
    ] = 0.1,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Of training.")] = 3e-4,
    query_prompt: Annotated[str, typer.Option(help="Put before each query.")] = "",
    doc_prompt: Annotated[str, typer.Option(help="Put before each document.")] = "",
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Of st:MODEL: tokens of a text that are read.")
    ] = None,
    truncate_dim: Annotated[
        int | None, typer.Option(min=1, help="Numbers of a vector that are kept (Matryoshka).")
    ] = None,
    base_url: Annotated[
        list[str] | None, typer.Option(help="Server for openai:MODEL; may be given more than once.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 64,
    force: Annotated[bool, typer.Option("--force", help="Replace the maps in -o.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
) -> None:
    """Train small maps on a teacher's vectors with these shards, and try them on judged queries.

    Shows nDCG@10 and Recall@100 before and after, on queries none of whose documents was trained
    on, with the 95 % interval of the difference. A cheap signal, not a training run: docs/probe.md.
    """
    from gpte_data.backends import Encoding, Options
    from gpte_data.files import disk_errors
    from gpte_data.probing import saving
    from gpte_data.probing.probe import Asked
    from gpte_data.probing.probe import probe as probed
    from gpte_data.probing.training import Settings

    encoding = Encoding("auto", max_length, truncate_dim)
    asked = Asked(
        shards, eval, split, teacher, tuple(corpus or ()), cache, rows, num_negatives, seeds, seed,
        query_prompt, doc_prompt,
        Options(encoding, tuple(base_url or ()), concurrency),
        Settings(rank, temperature, learning_rate),
    )  # fmt: skip
    with disk_errors(output or cache or shards):
        if output is not None:
            saving.check(output, force=force)
        result = probed(asked)
        if output is not None:
            saving.save(output, asked, result)
    if json:
        import orjson

        typer.echo(orjson.dumps(result.found, option=orjson.OPT_INDENT_2).decode())
        return
    from gpte_data.probe_tables import render_probe

    render_probe(result.found, output)
