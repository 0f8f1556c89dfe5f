"""The passages that a recipe wrote, as a corpus of their own: give it to mining with --corpus."""

from collections.abc import Iterable, Iterator

from gpte_data.config import StageConfig
from gpte_data.stage import Context, Event, Expanded, Rejected, Row, stage

_MADE_BY = ("recipe", "prompt_version", "generator")


class PassagesConfig(StageConfig):
    """Nothing to choose."""


@stage(PassagesConfig, reads={"query_id"}, adds={"doc_id", "text"}, version=1)
def passages(rows: Iterable[Row], cfg: PassagesConfig, ctx: Context) -> Iterator[Event]:
    """Yield what was written for each pair, a row for each passage, each passage once."""
    met: set[str] = set()
    for row in rows:
        ctx.tell(1, 0)
        written = row.get("written", ())
        if not written:
            yield Rejected({"query_id": row["query_id"]}, "no passage was written for it")
            continue
        yield Expanded(len(written) - 1)
        made_by = {name: row[name] for name in _MADE_BY if name in row}
        for passage in written:
            found = {k: v for k, v in passage.items() if v is not None} | made_by
            if passage["doc_id"] in met:
                yield Rejected(found, "passage met before")
                continue
            met.add(passage["doc_id"])
            yield found
