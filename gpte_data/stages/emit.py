"""Training shards: the texts are joined in, shuffled over all rows, in a trainer's own format.

A query becomes an example with its `num_negatives` hardest negatives that no rule dropped, those
first that were written for it; a pair that was not mined has those alone. Where each positive has
its own margin, an example takes negatives below that. The shuffle is an order
by hash(seed, dataset, query_id): it is the same for the same rows, whatever shards they came in.

SOURCE may be several datasets: a folder of them, or NAME=FOLDER,NAME=FOLDER, with
`--corpus NAME=FOLDER` for each. `--format list` shows all formats with a row of each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gpte_data.emission.options import shard_bytes
from gpte_data.emission.shares import shares
from gpte_data.emission.sources import corpora, read_rows, read_tables, sources
from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.errors import BadOption
from gpte_data.formats import OpenFormat, open_format
from gpte_data.ledger import Ledger
from gpte_data.stage import Context, Event, Hooks, Row, stage


def _open(cfg: EmitOptions) -> OpenFormat:
    """Return the format, held to what it can be written with."""
    found = open_format(cfg.format)
    of = found.of
    _check_template(cfg)
    cfg.check_teacher(cfg.format, wanted=of.of == "texts")
    if of.of == "texts":
        return found
    if cfg.num_negatives < of.least:
        raise BadOption(
            f"{cfg.format} needs at least {of.least} negative{'s' * (of.least > 1)}: "
            f"--num-negatives {of.least} or more"
        )
    if of.most is not None and cfg.num_negatives > of.most:
        raise BadOption(
            f"{cfg.format} holds at most {of.most} negatives: give --num-negatives {of.most}"
        )
    if of.equal and cfg.shortage == "keep":
        raise BadOption(
            f"{cfg.format} needs as many negatives in every row: --shortage drop or repeat"
        )
    if of.compression not in (None, cfg.compression) and cfg.compression != "auto":
        raise BadOption(
            f"{cfg.format} is read with --compression {of.compression} alone: leave it at auto"
        )
    if of.kind == "tar" and cfg.compression in ("snappy", "zstd"):
        raise BadOption(
            f"{cfg.format} is a tar, which is read with --compression none or gzip, "
            f"not {cfg.compression}"
        )
    return found


def _check_template(cfg: EmitOptions) -> None:
    """Raise BadOption for a template or a size that won't do."""
    if "{query}" not in cfg.template.partition("{instruction}")[2]:
        raise BadOption("--template must hold {instruction}, and {query} after it")
    shard_bytes(cfg.shard_size)
    shares(cfg.split)


def _finish(cfg: EmitOptions, ledger: Ledger, told: Mapping[str, Any]) -> Mapping[str, str]:
    from gpte_data.cards.facts import Source, gathered
    from gpte_data.cards.rendering import card_files

    read = sources(cfg.source) if cfg.source else []
    own = corpora(cfg.corpus, [one.name for one in read])
    named = [Source(one.name, one.folder, own[one.name]) for one in read]
    return card_files(gathered(cfg, ledger, told, named), cfg.license)


def _after(cfg: EmitOptions, output: Path) -> str:
    """Write the card again where a licence is new; push it all to the hub where that is asked."""
    from gpte_data.cards.rendering import renew

    said = ["the card has the licence now"] if renew(output, cfg.license) else []
    if cfg.push_to_hub:
        from gpte_data.hub import push

        said.append(push(output, cfg.push_to_hub, private=cfg.private))
    return "\n".join(said)


def _prepare(cfg: EmitOptions, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the work begins whether licences are named well, and the hub lets us in."""
    from gpte_data.cards.licences import parsed

    parsed(cfg.license, [one.name for one in sources(cfg.source)] if cfg.source else [""])
    if cfg.push_to_hub:
        from gpte_data.hub import check

        check(cfg.push_to_hub)


def _read(cfg: EmitOptions) -> Iterator[Row]:
    return read_rows(cfg.source)


def _tables(cfg: EmitOptions, limit: int | None) -> Iterator[Any]:
    return read_tables(cfg.source, limit)


def _reads(cfg: EmitOptions) -> frozenset[str]:
    """Return what rows must have: of a format of texts either of two things, looked at there."""
    texts = open_format(cfg.format).of.of == "texts"
    return frozenset() if texts else frozenset({"query_id", "query", "positives"})


def _instead(given: Mapping[str, Any]) -> str | None:
    """Return all formats with an example of each, where --format list asks for them."""
    if given.get("format") != "list":
        return None
    from shutil import get_terminal_size

    from gpte_data.formats.sample import listing

    return listing(get_terminal_size().columns)


@stage(
    EmitOptions,
    reads={"query_id", "query", "positives"},
    adds={"anchor", "positive"},
    version=2,
    scope="whole",
    hooks=Hooks(
        read=_read,
        tables=_tables,
        reads=_reads,
        prepare=_prepare,
        finish=_finish,
        after=_after,
        instead=_instead,
    ),
)
def emit(rows: Iterable[Any], cfg: EmitOptions, ctx: Context) -> Iterator[Event]:
    """Write each query with its texts; one with too few negatives is dropped."""
    from gpte_data.emission.distilling import Distilling
    from gpte_data.emission.emitting import Emitting

    if cfg.push_to_hub and ctx.folder is None:
        raise BadOption("--push-to-hub needs a folder: give one with -o")
    found = _open(cfg)
    kind = Distilling if found.of.of == "texts" else Emitting
    yield from kind(found, cfg, ctx).events(rows)
