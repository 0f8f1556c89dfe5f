"""Queries for passages: a recipe's prompt, answered by a language model or by extraction.

For each passage `per_passage` queries, each of a type drawn by weight and none twice before all
were used (mixing types beats any single one: CADET, 2505.19274). The requests for one passage
differ in their tail alone, so a server that caches prefixes reads the passage once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gpte_data.backends import (
    LLMS,
    Completion,
    Options,
    Request,
    check,
    label,
    llm_identity,
    open_llm,
)  # fmt: skip
from gpte_data.backends.journal import Journal, complete
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadInput
from gpte_data.prompts import Prompt, defused, load_prompt, prompt_identity
from gpte_data.randomness import bits, weighted_order
from gpte_data.records import full_text
from gpte_data.stage import Context, Event, Expanded, Hooks, Rejected, Row, stage


class SynthConfig(StageConfig):
    """What to write, and who writes it."""

    recipe: Annotated[str, Identity(prompt_identity)] = Field(
        "query", description="Recipe: a name from prompts/, or the path of a .md file of yours."
    )
    llm: Annotated[str, Identity(llm_identity)] = Field(
        "extractive", description="extractive (no model), openai:MODEL (any server), vllm:MODEL."
    )
    per_passage: int = Field(3, ge=1, le=100, description="Queries for each passage.")
    language: str = Field("", description="Language of the queries; the passage's own if empty.")
    temperature: float = Field(0.7, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(256, ge=1, description="Tokens an answer may have.")
    seed: int = Field(0, description="Seed of types and of sampling; each query has its own.")
    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (), description="Corpus whose term statistics extractive uses; the input itself if none."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    timeout: Annotated[float, Runtime()] = Field(120, gt=0, description="Seconds for a request.")
    retries: Annotated[int, Runtime()] = Field(6, ge=0, description="Tries after the first.")

    def identity(self) -> dict[str, Any]:
        """Leave the corpus out where nothing of it is used."""
        options = super().identity()
        if self.llm != "extractive":
            del options["corpus"]
        return options

    def options(self) -> Options:
        """Return how the model is reached."""
        return Options(
            base_urls=self.base_url,
            concurrency=self.concurrency,
            timeout=self.timeout,
            retries=self.retries,
            corpus=self.corpus if self.llm == "extractive" else (),
        )


def _prepare(cfg: SynthConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether prompt and model are there, and go together."""
    prompt = load_prompt(cfg.recipe)
    if "query" not in prompt.answer["properties"]:
        raise BadInput(f"recipe {cfg.recipe} can't write queries: its answer has no field 'query'")
    _request({"doc_id": "", "text": ""}, 0, "", prompt, cfg, "")
    check(cfg.llm, LLMS, "language model", cfg.options())


@stage(
    SynthConfig,
    reads={"doc_id", "text"},
    adds={"query_id", "query", "positives", "recipe", "query_type", "generator"},
    version=1,
    hooks=Hooks(prepare=_prepare),
)
def synth(rows: Iterable[Row], cfg: SynthConfig, ctx: Context) -> Iterator[Event]:
    """Write queries for each passage; a passage becomes per_passage pairs."""
    prompt = load_prompt(cfg.recipe)
    model = " ".join(f"{name}={value}" for name, value in llm_identity(cfg.llm).items())
    llm = open_llm(cfg.llm, cfg.options())
    weights = dict(llm.query_types or prompt.weights() or {"query": 1.0})
    asked: deque[tuple[Row, int, str]] = deque()
    journal = Journal(ctx.journal)

    def requests() -> Iterator[Request]:
        for row in rows:
            for number, kind in enumerate(_types(row, cfg, weights)):
                asked.append((row, number, kind))
                yield _request(row, number, kind, prompt, cfg, model)

    try:
        seen: set[str] = set()
        for completion in complete(llm, requests(), journal):
            row, number, kind = asked.popleft()
            if number == 0:
                seen = set()
                yield Expanded(cfg.per_passage - 1)
            _tell(ctx, completion, number == cfg.per_passage - 1)
            yield _pair(row, number, kind, completion, prompt, cfg, seen)
    finally:
        journal.close()


def _types(row: Row, cfg: SynthConfig, weights: Mapping[str, float]) -> list[str]:
    """Return the query type of each query of a passage."""
    kinds: list[str] = []
    while len(kinds) < cfg.per_passage:
        kinds += weighted_order(weights, cfg.seed, row["doc_id"], "query_type", len(kinds))
    return kinds[: cfg.per_passage]


def _request(
    row: Row, number: int, kind: str, prompt: Prompt, cfg: SynthConfig, model: str
) -> Request:
    """Return what the model is asked for one query."""
    values = {
        "title": defused(row.get("title", "")),
        "text": defused(row["text"]),
        "passage": defused(full_text(row)),
        "context": defused(row.get("context", "")),
        "language": _language(row, cfg) or "the language of the passage",
        "query_type": kind,
        "say": str(prompt.types.get(kind, {}).get("say", "a query")),
        "number": str(number + 1),
    }
    sampling = {
        "temperature": cfg.temperature,
        "max_tokens": cfg.max_tokens,
        "seed": bits(cfg.seed, row["doc_id"], prompt.name, number) % 2**31,
    }
    return Request(model, prompt.messages(values), prompt.answer, sampling, values)


def _language(row: Row, cfg: SynthConfig) -> str | None:
    """Return the language that the query is to have, on one line: a row's own is not ours."""
    named = cfg.language or row.get("language")
    return " ".join(str(named).split())[:40] if named else None


def _tell(ctx: Context, completion: Completion, last: bool) -> None:
    """Report progress and book the tokens."""
    tokens = completion.prompt_tokens + completion.completion_tokens
    ctx.tell(int(last), tokens)
    if tokens:
        ctx.ledger.notes["prompt tokens"] += completion.prompt_tokens
        ctx.ledger.notes["completion tokens"] += completion.completion_tokens


def _pair(
    row: Row, number: int, kind: str, completion: Completion, prompt: Prompt, cfg: SynthConfig,
    seen: set[str],
) -> Event:  # fmt: skip
    """Return the pair, or why there is none."""
    query_id = f"{row['doc_id']}#{prompt.name}-{number}"
    if completion.answer is None:
        unanswered = {"query_id": query_id, "doc_id": row["doc_id"], "query_type": kind}
        return Rejected(unanswered, completion.error, failed=True)
    query = " ".join(str(completion.answer.get("query", "")).split())
    pair = {
        "query_id": query_id,
        "query": query,
        "positives": [row["doc_id"]],
        "recipe": prompt.name,
        "prompt_version": prompt.version,
        "language": _language(row, cfg),
        "query_type": str(completion.answer.get("query_type", kind)),
        "generator": label(cfg.llm),
    }
    problem = _problem(query, row, seen)
    seen.add(query.casefold())
    return Rejected(pair, problem) if problem else pair


def _problem(query: str, row: Row, seen: set[str]) -> str | None:
    """Return why a query is no good, or None."""
    if not query:
        return "empty query"
    if query.casefold() in seen:
        return "repeats another query of the passage"
    return "query is the whole passage" if query == " ".join(row["text"].split()) else None
