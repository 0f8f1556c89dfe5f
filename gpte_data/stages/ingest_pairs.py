"""A collection's own queries and judgements as pairs; run by `ingest --pairs`."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from gpte_data.config import Identity, StageConfig
from gpte_data.sources import BROKEN, source_identity
from gpte_data.sources.beir import pairs
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage

LEFT_OUT = "documents judged not relevant, left out (--judged-negatives keeps them)"


class IngestPairsConfig(StageConfig):
    """What to read."""

    source: Annotated[str, Identity(source_identity)] = Field(description="A folder, BEIR layout.")
    split: str = Field("train", description="Which qrels to take: qrels/SPLIT.tsv.")
    judged_negatives: bool = Field(
        False, description="Keep documents judged 0 as negatives of their query."
    )
    shard_rows: int = Field(8192, ge=1, description="Rows in a shard.")


def _read(cfg: IngestPairsConfig) -> Iterator[Row]:
    return pairs(cfg.source, cfg.split)


@stage(
    IngestPairsConfig,
    adds={"query_id", "query", "positives"},
    version=2,
    scope="whole",
    hooks=Hooks(read=_read),
)
def ingest_pairs(rows: Iterable[Row], cfg: IngestPairsConfig, ctx: Context) -> Iterator[Event]:
    """Keep the queries that have a relevant document in the split."""
    seen: set[str] = set()
    for row in rows:
        ctx.tell(1, 0)
        problem = _problem(row, cfg.split, seen)
        if problem:
            yield Rejected(row, problem)
            continue
        seen.add(row["query_id"])
        if not cfg.judged_negatives and (zeros := row.pop("negatives", ())):
            ctx.ledger.notes[LEFT_OUT] += len(zeros)
        yield row | {"query": row["query"].strip()}


def _problem(row: Row, split: str, seen: set[str]) -> str | None:
    """Return why a row is no pair, or None."""
    if BROKEN in row:
        return str(row[BROKEN])
    if not row["positives"]:
        return f"no relevant document in {split}"
    if "query" not in row:
        return "judged, but not in queries.jsonl"
    if not isinstance(row["query"], str) or not row["query"].strip():
        return "empty query"
    return "duplicate query_id" if row["query_id"] in seen else None
