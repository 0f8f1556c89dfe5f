"""Training shards: the texts are joined in, shuffled over all rows, in a trainer's own format.

A query becomes an example with its `num_negatives` hardest negatives that no rule dropped, those
first that were written for it; a pair that was not mined has those alone. Where each positive has
its own margin, an example takes negatives below that. The shuffle is an order
by hash(seed, dataset, query_id): it is the same for the same rows, whatever shards they came in.

SOURCE may be several datasets: a folder of them, or NAME=FOLDER,NAME=FOLDER, with
`--corpus NAME=FOLDER` for each. `--format list` shows all formats with a row of each.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpte_data.card import data_card
from gpte_data.emission.options import TEMPLATE, shard_bytes
from gpte_data.emission.shares import shares
from gpte_data.emission.sources import read_rows, read_tables
from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.errors import BadOption
from gpte_data.formats import OpenFormat, open_format
from gpte_data.ledger import Ledger
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.table_files import ending


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
    return found


def _check_template(cfg: EmitOptions) -> None:
    """Raise BadOption for a template or a size that won't do."""
    if "{query}" not in cfg.template.partition("{instruction}")[2]:
        raise BadOption("--template must hold {instruction}, and {query} after it")
    shard_bytes(cfg.shard_size)
    shares(cfg.split)


def _finish(cfg: EmitOptions, ledger: Ledger, facts: Mapping[str, Any]) -> Mapping[str, str]:
    of = open_format(cfg.format).of
    suffix = of.suffix or ending(of.kind or "jsonl", of.compression or "none")
    return {"README.md": data_card(cfg.format, suffix, cfg.num_negatives, ledger, facts)}


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

    return listing(get_terminal_size().columns, TEMPLATE)


@stage(
    EmitOptions,
    reads={"query_id", "query", "positives"},
    adds={"anchor", "positive"},
    version=2,
    scope="whole",
    hooks=Hooks(read=_read, tables=_tables, reads=_reads, finish=_finish, instead=_instead),
)
def emit(rows: Iterable[Any], cfg: EmitOptions, ctx: Context) -> Iterator[Event]:
    """Write each query with its texts; one with too few negatives is dropped."""
    from gpte_data.emission.distilling import Distilling
    from gpte_data.emission.emitting import Emitting

    found = _open(cfg)
    kind = Distilling if found.of.of == "texts" else Emitting
    yield from kind(found, cfg, ctx).events(rows)
