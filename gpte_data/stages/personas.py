"""Personas: who would read, write, like or dislike a text, who is related to whom, or your own.

After Persona Hub (2406.20094, section 2): a persona is drawn from each passage (text-to-persona) or
from another persona (persona-to-persona), and near-duplicates are dropped at a cosine of 0.9. KaLM
(2501.01028) and Qwen3-Embedding (2506.05176) write in the voice of such personas, FinMTEB
(2502.10990) of those of one domain. Rows that have a persona, and no --recipe, are taken as they
are: no model is asked. The first of several that are alike stays, in the order of the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Annotated, Any

from pydantic import Field

from gpte_data.asking import AskingConfig, teacher_options
from gpte_data.backends import (
    EMBEDDERS,
    check,
    label,
    open_embedder,
)  # fmt: skip
from gpte_data.backends.encoding import embedder_identity
from gpte_data.backends.journal import Journal
from gpte_data.config import Identity, Runtime
from gpte_data.distinct import Distinct
from gpte_data.errors import BadInput
from gpte_data.gates import EMPTY, Gates
from gpte_data.personas import id_of
from gpte_data.prompt_lint import warn
from gpte_data.recipes import INPUTS, Recipe, load_recipe, mix_weights, mixed, recipe_identity
from gpte_data.rehearsal import rehearse
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage
from gpte_data.subjects import Drawing, lacks, values_of
from gpte_data.writing import Item, ended, original, told, write

DEFAULT = "text-to-persona"
READ = ("passage", "persona", "label", "topic")
"""What a persona may be drawn from."""


class PersonasConfig(AskingConfig):
    """What personas are drawn from, and which are kept."""

    recipe: Annotated[str, Identity(lambda name: recipe_identity(name or DEFAULT))] = Field(
        "",
        description="text-to-persona, persona-to-persona, or the path of a .md file of yours; "
        "if empty, text-to-persona for passages, and personas are taken as they are.",
    )
    per_passage: int = Field(1, ge=1, le=100, description="Personas asked for each row.")
    language: str = Field("", description="Language of the personas; that of the row if empty.")
    keep_originals: bool = Field(
        True, description="Keep the personas given, beside those that are related to them."
    )
    min_words: int = Field(3, ge=0, description="Drop personas written in fewer words.")
    max_similarity: float = Field(
        0.9, gt=0, le=1,
        description="Drop personas of this cosine to one that is kept, or more; 1: copies alone.",
    )  # fmt: skip
    per_domain: int | None = Field(
        None, ge=1,
        description="Personas kept of a domain, by its name in any case; without one, all are.",
    )  # fmt: skip
    teacher: str = Field(
        "st:all-MiniLM-L6-v2", description="Embedder that finds what is alike: st:, openai:, vllm:."
    )
    teacher_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a teacher openai:MODEL; else OPENAI_BASE_URL."
    )

    def identity(self) -> dict[str, Any]:
        """Leave out what nothing is made of; the teacher stands for its files."""
        options = super().identity()
        if self.max_similarity < 1:
            options["teacher"] = embedder_identity(self.teacher)
        else:
            del options["teacher"]
        if self.llm == "extractive":
            for name in ("recipe", "per_passage", "language", "keep_originals", "min_words"):
                del options[name]
        return options

    def recipes(self, first: Row) -> dict[str, Recipe]:
        """Return the recipes to write by, by name; none if the rows are personas to be taken."""
        if self.recipe:
            return mixed(load_recipe(self.recipe))
        return {} if "persona" in first else mixed(load_recipe(DEFAULT))

    def drawing(self, recipes: dict[str, Recipe]) -> Drawing:
        """Return what decides what is asked for."""
        mix = mix_weights(load_recipe(self.recipe or DEFAULT))
        languages = {self.language: 1.0} if self.language else {}
        types = {name: one.weights() for name, one in recipes.items()}
        return Drawing(self.seed, recipes, mix, types, languages)


def _reads(cfg: PersonasConfig) -> frozenset[str]:
    """Return the fields that a row must have; without a recipe the first row decides."""
    if not cfg.recipe:
        return frozenset()
    return INPUTS[next(iter(cfg.recipes({}).values())).input] - {"persona_id"}


def _prepare(cfg: PersonasConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before the first row whether rows, recipe and models go together."""
    first = next(iter(read()), {})
    recipes = cfg.recipes(first)
    if not cfg.recipe and recipes and not INPUTS["passage"] <= first.keys():
        raise BadInput(
            "personas are drawn from passages, with doc_id and text, or taken from rows with "
            f"persona; found {', '.join(sorted(first)) or 'nothing'}: rename the columns, or name "
            "a --recipe that reads such rows"
        )
    for recipe in recipes.values():
        _check_recipe(recipe)
        cfg.check_recipe(recipe)
        rehearse(recipe, cfg.drawing(recipes))
    if recipes:
        cfg.check_heard(recipes.values())
        warn(cfg.recipe or DEFAULT)
        cfg.check_model()
    if cfg.max_similarity < 1:
        check(cfg.teacher, EMBEDDERS, "teacher", teacher_options(cfg))


def _check_recipe(recipe: Recipe) -> None:
    """Raise BadInput unless a recipe writes personas."""
    by_list = any(step.each == "personas" for step in recipe.steps)
    if "persona" not in recipe.writes and not by_list:
        raise BadInput(
            f"recipe {recipe.name} writes no personas: its answer lacks 'persona', "
            "or a list of 'personas' that is taken one by one (each)"
        )
    if recipe.input not in READ:
        raise BadInput(
            f"recipe {recipe.name} reads a {recipe.input}: personas are drawn from one of "
            f"{', '.join(READ)}"
        )


@stage(
    PersonasConfig,
    adds={"persona_id", "persona", "domain"},
    version=1,
    scope="whole",
    hooks=Hooks(prepare=_prepare, reads=_reads),
)
def personas(rows: Iterable[Row], cfg: PersonasConfig, ctx: Context) -> Iterator[Event]:
    """Draw personas from the rows, or take those that they are; yield the distinct ones."""
    source = iter(rows)
    first = next(source, None)
    if first is None:
        return
    rows, recipes = chain([first], source), cfg.recipes(first)
    by_vector = cfg.max_similarity < 1
    embedder = open_embedder(cfg.teacher, teacher_options(cfg)) if by_vector else None
    events = _written(rows, cfg, recipes, ctx) if recipes else _taken(rows, ctx)
    distinct = Distinct(cfg.max_similarity, cfg.per_domain, embedder, ctx.ledger.notes)
    yield from distinct.of(events)


def _taken(rows: Iterable[Row], ctx: Context) -> Iterator[Event]:
    """Yield the personas that the rows are."""
    for row in rows:
        ctx.tell(1, 0)
        yield _given(row)


def _given(row: Row) -> Row | Rejected:
    """Return a persona of the user's, with all its own fields."""
    persona = str(row.get("persona") or "")
    if not persona.strip():
        return Rejected(row, EMPTY)
    domain = str(row.get("domain") or "")
    return row | {"persona_id": id_of(row), "persona": persona, "domain": domain}


def _written(
    rows: Iterable[Row], cfg: PersonasConfig, recipes: dict[str, Recipe], ctx: Context
) -> Iterator[Event]:
    """Yield what a model makes of the rows, and beside it the personas that they are."""
    llm, journal = cfg.open(ctx), Journal(ctx.journal)
    calls = max(len(recipe.steps) for recipe in recipes.values())
    gates, generator = Gates(copied_words=0, min_words=cfg.min_words), label(cfg.llm)
    items = write(_items(rows, cfg, recipes), calls, llm, cfg.asking(), journal, ctx)

    def begin(item: Item) -> Iterable[Event]:
        return original(item) if cfg.keep_originals and item.recipe.input == "persona" else ()

    try:
        yield from told(items, ctx, begin, lambda item: _event(item, gates, generator, cfg.seed))
    finally:
        journal.close()


def _items(rows: Iterable[Row], cfg: PersonasConfig, recipes: dict[str, Recipe]) -> Iterator[Item]:
    """Yield what is to be written, and rows that lack something for it."""
    drawing, recipe = cfg.drawing(recipes), next(iter(recipes.values()))
    for row in rows:
        given = _given(row) if recipe.input == "persona" else row
        if isinstance(given, Rejected):
            yield Item.unfit(given.row, recipe, given.reason)
        elif problem := lacks(given, recipe.input, recipe.needs):
            yield Item.unfit(row, recipe, problem)
        else:
            yield from drawing.items(given, cfg.per_passage, values_of(given, recipe.input))


def _event(item: Item, gates: Gates, generator: str, seed: int) -> Event:
    """Return the persona that an item became, or why it is none."""
    row: Row = {"persona_id": item.name}
    if "doc_id" in item.row:
        row["doc_id"] = item.row["doc_id"]
    if item.ended:
        return ended(item, row)
    row |= _said(item) | {"generator": generator, "seed": seed}
    problem = gates.problem(row["persona"], sources=(), language=None, siblings=())
    return Rejected(row, problem) if problem else row


def _said(item: Item) -> Row:
    """Return what was written, and how it was made."""
    domain = item.answer.get("domain") or item.row.get("domain") or ""
    row: Row = {
        "persona": " ".join(str(item.answer["persona"]).split()),
        "domain": " ".join(str(domain).split()),
    }
    if item.recipe.input == "persona":
        row["related_to"] = item.row["persona_id"]
    if item.recipe.types:
        row["relation"] = item.facts["query_type"]
    if language := item.facts.get("language"):
        row["language"] = language
    return row | {"recipe": item.recipe.name, "prompt_version": item.recipe.version}
