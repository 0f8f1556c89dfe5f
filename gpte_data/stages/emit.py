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
from gpte_data.emission.options import EmitConfig, shard_bytes
from gpte_data.emission.shares import shares
from gpte_data.emission.sources import read_rows, read_tables
from gpte_data.errors import BadOption
from gpte_data.formats import OpenFormat, open_format
from gpte_data.ledger import Ledger
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.table_files import ending


def _open(cfg: EmitConfig) -> OpenFormat:
    """Return the format, held to what it can be written with."""
    found = open_format(cfg.format)
    of = found.of
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
    if "{query}" not in cfg.template.partition("{instruction}")[2]:
        raise BadOption("--template must hold {instruction}, and {query} after it")
    shard_bytes(cfg.shard_size)
    shares(cfg.split)
    return found


def _finish(cfg: EmitConfig, ledger: Ledger, facts: Mapping[str, Any]) -> Mapping[str, str]:
    of = open_format(cfg.format).of
    suffix = of.suffix or ending(of.kind or "jsonl", of.compression or "none")
    return {"README.md": data_card(cfg.format, suffix, cfg.num_negatives, ledger, facts)}


def _read(cfg: EmitConfig) -> Iterator[Row]:
    return read_rows(cfg.source)


def _tables(cfg: EmitConfig, limit: int | None) -> Iterator[Any]:
    return read_tables(cfg.source, limit)


@stage(
    EmitConfig,
    reads={"query_id", "query", "positives"},
    adds={"anchor", "positive"},
    version=2,
    scope="whole",
    hooks=Hooks(read=_read, tables=_tables, finish=_finish),
)
def emit(rows: Iterable[Any], cfg: EmitConfig, ctx: Context) -> Iterator[Event]:
    """Write each query with its texts; one with too few negatives is dropped."""
    from gpte_data.emission.emitting import Emitting

    yield from Emitting(_open(cfg), cfg, ctx).events(rows)
