"""Training shards: the texts are joined in, shuffled over all rows, in a trainer's own format.

A query becomes an example with its `num_negatives` hardest negatives that no rule dropped, those
first that were written for it; a pair that was not mined has those alone. Where each positive has
its own margin, an example takes negatives below that. The shuffle is an order
by hash(seed, query_id, positives): it is the same for the same rows, whatever shards they came in.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.card import data_card
from gpte_data.config import Identity, StageConfig
from gpte_data.corpus import corpus_identity, open_corpus
from gpte_data.errors import BadInput
from gpte_data.formats import FORMATS, Anchor, Document, format_module
from gpte_data.layout import BELOW, allowed, taken
from gpte_data.ledger import Ledger
from gpte_data.randomness import bits
from gpte_data.records import RANDOM, WRITTEN
from gpte_data.stage import Context, Event, Expanded, Hooks, Output, Rejected, Row, stage

_REMEDY = "give its corpus too; of passages that a recipe wrote, gpte-data passages makes one"
BLOCK = 4096
"""Queries whose texts are looked up together."""


class EmitConfig(StageConfig):
    """For whom to write, and how much."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus with the texts; may be given more than once."
    )
    format: str = Field(
        "sentence-transformers", description=f"Whose format: {' or '.join(FORMATS)}."
    )
    num_negatives: int = Field(
        5, ge=0, description="Negatives in each example; see --shortage for a query with fewer."
    )
    shortage: Literal["drop", "repeat"] = Field(
        "drop", description="Of examples with fewer negatives: drop them, or repeat what there is."
    )
    prompt: str = Field("", description="Instruction where a row has none, for formats with one.")
    seed: int = Field(0, description="Seed of the shuffle.")
    shard_rows: int = Field(8192, ge=1, description="Rows in a shard.")


def _output(cfg: EmitConfig) -> Output:
    written: Output = format_module(cfg.format).output(cfg.num_negatives)
    return written


def _prepare(cfg: EmitConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether the format and every document are there."""
    format_module(cfg.format)
    corpus = open_corpus(cfg.corpus)
    for row in read():
        _check_mined(row)
        for doc_id in _documents(_first(row, cfg)):
            if doc_id not in corpus.position:
                raise BadInput(
                    f"row {row['query_id']!r} names {doc_id!r}, which is not in {corpus}: "
                    f"{'give the corpus that was mined' if 'candidates' in row else _REMEDY}"
                )


def _check_mined(row: Row) -> None:
    """Raise BadInput for negatives that were written after mining: they have no scores yet."""
    if "candidates" not in row:
        return
    known = {hit["doc_id"] for hit in row["candidates"]} | set(row["positives"])
    if late := [doc_id for doc_id in row.get("negatives", ()) if doc_id not in known]:
        raise BadInput(
            f"row {row['query_id']!r} has the negative {late[0]!r}, written after it was mined: "
            "run mine-negatives on it again"
        )


def _finish(cfg: EmitConfig, ledger: Ledger, facts: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "README.md": data_card(cfg.format, _output(cfg).suffix, cfg.num_negatives, ledger, facts)
    }


@stage(
    EmitConfig,
    reads={"query_id", "query", "positives"},
    adds={"anchor", "positive"},
    version=1,
    scope="whole",
    hooks=Hooks(prepare=_prepare, output=_output, finish=_finish),
)
def emit(rows: Iterable[Row], cfg: EmitConfig, ctx: Context) -> Iterator[Event]:
    """Write each query with its texts; one with too few negatives is dropped."""
    chosen: list[tuple[int, str, Row]] = []
    for row in rows:
        parts = _parts(row, cfg)
        problem = _problem(row, parts, cfg)
        if problem:
            yield Rejected(row, problem)
            continue
        if len(parts) > 1:
            yield Expanded(len(parts) - 1)
        for part in parts:
            if part is None:
                yield Rejected(row, BELOW)
                continue
            place = bits(cfg.seed, row["query_id"], *part["positives"], "shuffle")
            chosen.append((place, row["query_id"], part))
    chosen.sort(key=lambda item: item[:2])
    facts: dict[str, Counter[str]] = {
        name: Counter() for name in ("recipe", "generator", "teacher")
    }
    for start in range(0, len(chosen), BLOCK):
        block = [row for *_, row in chosen[start : start + BLOCK]]
        yield from _examples(block, cfg, ctx, facts)
    ctx.facts.update({name: dict(counts.most_common()) for name, counts in facts.items()})


def _problem(row: Row, parts: Sequence[Row | None], cfg: EmitConfig) -> str | None:
    """Return why a row can't be an example, or None."""
    if not row["query"].strip() or not row["positives"]:
        return "no query or no positive"
    if all(part is None for part in parts):
        return f"fewer than {cfg.num_negatives} negatives"
    return None


def _parts(row: Row, cfg: EmitConfig) -> list[Row | None]:
    """Return the examples that a row becomes, None for each with too few negatives.

    They hold only what is written, so that all rows fit in memory.
    """
    found: list[Row | None] = []
    for part in format_module(cfg.format).parts(row):
        hits = taken(part, cfg.num_negatives, repeat=cfg.shortage == "repeat")
        slim = {k: v for k, v in part.items() if k not in ("written", "negatives")}
        found.append(None if hits is None else slim | {"candidates": hits})
    return found


def _first(row: Row, cfg: EmitConfig) -> Iterator[Row]:
    """Yield the examples that a row would become, with fewer negatives where there are too few."""
    for part in format_module(cfg.format).parts(row):
        yield part | {"candidates": allowed(part)[: cfg.num_negatives]}


def _documents(parts: Iterable[Row]) -> Iterator[str]:
    for part in parts:
        yield from part["positives"]
        yield from (hit["doc_id"] for hit in part["candidates"])


def _examples(
    rows: list[Row], cfg: EmitConfig, ctx: Context, facts: dict[str, Counter[str]]
) -> Iterator[Event]:
    """Yield the examples of a block of rows."""
    corpus = open_corpus(cfg.corpus)
    texts = corpus.texts(_documents(rows))
    write = format_module(cfg.format).examples
    for row in rows:
        yield from write(_anchor(row, texts, cfg), cfg.num_negatives)
        ctx.tell(1, 0)
        if len({hit["doc_id"] for hit in row["candidates"]}) < cfg.num_negatives:
            ctx.ledger.notes["examples that repeat negatives"] += 1
        facts["recipe"][row.get("recipe", "own queries")] += 1
        facts["generator"][row.get("generator", "no model")] += 1
        facts["teacher"].update({hit["source"] for hit in row["candidates"]} - {WRITTEN, RANDOM})


def _anchor(row: Row, texts: Mapping[str, str], cfg: EmitConfig) -> Anchor:
    """Return the query with its documents; scores are the reranker's where it gave one to all.

    What was never mined has no scores: then positives have 1, and negatives 0.
    """
    scores = row.get("positive_rerank_scores") or row.get("positive_scores")
    name = "rerank_score" if "positive_rerank_scores" in row else "score"
    return Anchor(
        query=row["query"],
        positives=[
            Document(texts[doc_id], scores[i] if scores else 1.0)
            for i, doc_id in enumerate(row["positives"])
        ],
        negatives=[Document(texts[hit["doc_id"]], hit.get(name, 0.0)) for hit in row["candidates"]],
        prompt=row.get("instruction") or cfg.prompt,
    )
