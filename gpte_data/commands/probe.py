"""`gpte-data probe`: does this data help, told in seconds by small maps on frozen vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gpte_data.probing.probe import Asked

Shards = Annotated[
    Path,
    typer.Argument(help="Output of emit (of splits, train); with --corpus, a dataset of ids too."),
]
Eval = Annotated[Path, typer.Option(help="Evaluation: a folder in BEIR's layout, with qrels/.")]
Split = Annotated[str, typer.Option(help="Judgements to take: qrels/SPLIT.tsv.")]
Teacher = Annotated[
    str, typer.Option(help="st:, openai: (any server), vllm:, model2vec: or adapter:.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Keep the maps, for --teacher adapter:.")
]
Corpus = Annotated[
    list[Path] | None,
    typer.Option(help="Corpus whose stored vectors are used; may be given more than once."),
]
Cache = Annotated[
    Path | None, typer.Option(help="Keep the vectors of other texts here, for the next probe.")
]
Rows = Annotated[int, typer.Option(min=5, help="Rows trained on, drawn by --seed.")]
Negatives = Annotated[int, typer.Option(min=0, help="Negatives of a row that are used, at most.")]
Seeds = Annotated[int, typer.Option(min=1, help="Trainings that the figures are of.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the first training, and of what is drawn.")]
Rank = Annotated[int, typer.Option(min=1, help="Of the maps' matrices.")]
Temperature = Annotated[
    float, typer.Option(min=0.001, help="What cosines are divided by in training.")
]
Rate = Annotated[float, typer.Option(min=0.0, max=1.0, help="Of training.")]
QueryPrompt = Annotated[str, typer.Option(help="Put before each query.")]
DocPrompt = Annotated[str, typer.Option(help="Put before each document.")]
MaxLength = Annotated[
    int | None, typer.Option(min=1, help="Of st:MODEL: tokens of a text that are read.")
]
TruncateDim = Annotated[
    int | None, typer.Option(min=1, help="Numbers of a vector that are kept (Matryoshka).")
]
BaseUrl = Annotated[
    list[str] | None, typer.Option(help="Server for openai:MODEL; may be given more than once.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests in flight.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the maps in -o.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")]


def probe(
    shards: Shards, eval: Eval, split: Split = "test", teacher: Teacher = "st:all-MiniLM-L6-v2",
    output: Output = None, corpus: Corpus = None, cache: Cache = None, rows: Rows = 20_000,
    num_negatives: Negatives = 10, seeds: Seeds = 5, seed: Seed = 0, rank: Rank = 32,
    temperature: Temperature = 0.1, learning_rate: Rate = 3e-4, query_prompt: QueryPrompt = "",
    doc_prompt: DocPrompt = "", max_length: MaxLength = None, truncate_dim: TruncateDim = None,
    base_url: BaseUrl = None, concurrency: Concurrency = 64, force: Force = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Train small maps on a teacher's vectors with these shards, and try them on judged queries.

    Shows nDCG@10 and Recall@100 before and after, on queries none of whose documents was trained
    on, with the 95 % interval of the difference. A cheap signal, not a training run: docs/probe.md.
    """
    from gpte_data.backends import Encoding, Options
    from gpte_data.probing.probe import Asked
    from gpte_data.probing.training import Settings

    encoding = Encoding("auto", max_length, truncate_dim)
    asked = Asked(
        shards, eval, split, teacher, tuple(corpus or ()), cache, rows, num_negatives, seeds, seed,
        query_prompt, doc_prompt,
        Options(encoding, tuple(base_url or ()), concurrency),
        Settings(rank, temperature, learning_rate),
    )  # fmt: skip
    _probe(asked, output, force=force, json=json)


def _probe(asked: "Asked", output: Path | None, *, force: bool, json: bool) -> None:
    """Probe, keep the maps where that is asked for, and print what was found."""
    from gpte_data.files import disk_errors
    from gpte_data.probing import saving
    from gpte_data.probing.probe import probe as probed

    with disk_errors(output or asked.cache or asked.shards):
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
