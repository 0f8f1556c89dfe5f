"""Queries, and passages, written by a recipe: with a language model, or by extraction.

Each row (a passage, a pair, a class, a persona, a topic: what the recipe takes) becomes
`per_passage` items, each of a type and of settings drawn by weight (mixing types beats any single
one: CADET, 2505.19274), and each goes through the recipe's calls. The requests for one row differ
in their tail alone, so a server that caches prefixes reads the row once. Passages that a recipe
writes stand in `written`; the command `passages` makes a corpus of them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gpte_data.asking import AskingConfig
from gpte_data.backends import Options, label
from gpte_data.backends.journal import Journal
from gpte_data.casting import Casting, casting_identity, casting_options, prepare_casting
from gpte_data.config import Identity, Runtime
from gpte_data.corpus import corpus_identity, open_corpus
from gpte_data.errors import BadInput, BadOption
from gpte_data.examples import examples_identity, shown_examples
from gpte_data.gates import Gates
from gpte_data.languages import parse_weights
from gpte_data.outcomes import Writing
from gpte_data.pair_texts import check_texts, positive_text, reads_positives
from gpte_data.prompt_lint import warn
from gpte_data.recipes import INPUTS, Recipe, load_recipe, mix_weights, mixed, recipe_identity
from gpte_data.rehearsal import rehearse
from gpte_data.stage import Context, Event, Hooks, Row, stage
from gpte_data.subjects import Drawing, Met, lacks, values_of
from gpte_data.writing import Item, original, told, write

WRITES = frozenset({"query", "positive", "positives", "negative", "negatives"})
PER_PASSAGE = 3


class SynthConfig(AskingConfig):
    """What to write, and who writes it."""

    recipe: Annotated[str, Identity(recipe_identity)] = Field(
        "query", description="Recipe: a name from prompts/, or the path of a .md file of yours."
    )
    per_passage: int | None = Field(
        None, ge=1, le=100,
        description="Items for each row: 3, or 1 where a recipe adds to the row itself.",
    )  # fmt: skip
    language: str = Field("", description="Language of the queries; the passage's own if empty.")
    query_languages: str = Field("", description="Languages to draw from, by weight: de,zh,sw:0.2.")
    aspects: str = Field("", description="What to ask about instead of types: task,method,data.")
    domain: str = Field("", description="What the domain is, in words; the recipe's if empty.")
    domain_floor: float = Field(
        0.2, ge=-1, le=1, description="Cosine to the domain that a persona must have to be taken."
    )
    examples: Annotated[Path | None, Identity(examples_identity)] = Field(
        None, description="2 to 8 examples to follow: rows of text and query (.jsonl, .csv …)."
    )
    personas: Annotated[Path | None, Identity(casting_identity)] = Field(
        None, description="Personas to choose from: the output of `personas`, or a file of yours."
    )
    persona_candidates: int = Field(
        5, ge=1, le=20, description="Personas shown for each passage, those nearest to it."
    )
    teacher: str = Field(
        "st:all-MiniLM-L6-v2", description="Embedder that finds personas: st:, openai:, vllm:MODEL."
    )
    teacher_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a teacher openai:MODEL; else OPENAI_BASE_URL."
    )
    copied_words: int = Field(
        8, ge=0, description="Drop queries that copy so many words in a row; 0: keep them."
    )
    min_words: int = Field(1, ge=0, description="Drop queries of fewer words.")
    max_words: int | None = Field(
        None, ge=0,
        description="Drop queries of more words; the recipe's, 100 mostly, if not given; 0: keep.",
    )  # fmt: skip
    check_language: bool = Field(True, description="Drop what is written in another language.")
    keep_originals: bool = Field(
        True, description="Where a recipe rewrites queries, keep the pair itself beside the new."
    )
    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (), description="Corpus of the pairs that a recipe reads; term statistics of extractive."
    )

    def identity(self) -> dict[str, Any]:
        """Leave out what nothing is made of."""
        options = super().identity()
        recipes = mixed(load_recipe(self.recipe)).values()
        options["per_passage"] = self.count(next(iter(recipes)))
        if self.llm != "extractive" and not any(map(reads_positives, recipes)):
            del options["corpus"]
        for name in ("teacher", "persona_candidates", "domain_floor"):
            del options[name]
        return options | casting_options(self, recipes, self.in_words())

    def options(self, journal: Path | None = None) -> Options:
        """Return how the model is reached; extractive weighs terms by a corpus."""
        options = super().options(journal)
        return replace(options, corpus=self.corpus) if self.llm == "extractive" else options

    def drawing(self, extractive: dict[str, float] | None) -> Drawing:
        """Return what decides what is asked for."""
        recipe = load_recipe(self.recipe)
        recipes = {name: self._own(one) for name, one in mixed(recipe).items()}
        languages = {self.language: 1.0} if self.language else parse_weights(self.query_languages)
        fixed = {"domain": self.in_words()}
        if self.examples is not None:
            fixed["examples"] = shown_examples(self.examples)
        types = {name: dict(extractive or one.weights()) for name, one in recipes.items()}
        return Drawing(self.seed, recipes, mix_weights(recipe), types, languages, fixed)

    def in_words(self) -> str:
        """Return what the domain is, or nothing."""
        return self.domain or next(iter(mixed(load_recipe(self.recipe)).values())).domain

    def _own(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the user's aspects in place of its types."""
        names = [name.strip() for name in self.aspects.split(",") if name.strip()]
        types = {n: dict(recipe.types.get(n, {}), **{"weight": 1}) for n in names}
        return replace(recipe, types=types) if names else recipe

    def count(self, recipe: Recipe) -> int:
        """Return how many items a row becomes."""
        return self.per_passage or (PER_PASSAGE if "query" in recipe.writes else 1)

    def writing(self, ctx: Context) -> Writing:
        """Return what makes rows of answers."""
        passages = Gates(copied_words=0, min_words=1, check_language=self.check_language)
        gates = {n: self.gates(one) for n, one in mixed(load_recipe(self.recipe)).items()}
        return Writing(label(self.llm), self.seed, gates, passages, ctx.ledger.notes)

    def gates(self, recipe: Recipe) -> Gates:
        """Return the rules for a recipe's queries."""
        if self.llm == "extractive":  # what is cut out of a text is a copy of it
            most = self.max_words or 0
            return Gates(copied_words=0, min_words=self.min_words, max_words=most)
        most = recipe.max_words if self.max_words is None else self.max_words
        return Gates(
            self.copied_words, self.min_words, most, self.check_language, speaks_of_passage=True
        )


def _prepare(cfg: SynthConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Find out before the first row whether recipe and model are there, and go together."""
    recipes = mixed(load_recipe(cfg.recipe))
    _check_mixture(cfg.recipe, recipes.values())
    if cfg.language and cfg.query_languages:
        raise BadOption("--language is one and --query-languages are several: give one of the two")
    cfg.check_heard(recipes.values())
    for recipe in recipes.values():
        cfg.check_recipe(recipe)
        _check_options(cfg, recipe)
    for recipe in recipes.values():
        rehearse(recipe, cfg.drawing(None))
        cfg.gates(recipe).check()
        check_texts(recipe, cfg.corpus)
    warn(cfg.recipe)
    cfg.check_model()
    return prepare_casting(cfg, recipes.values(), cfg.in_words())


def _check_mixture(name: str, recipes: Collection[Recipe]) -> None:
    """Raise BadInput unless recipes read the same rows, and make pairs of them in the same way."""
    inputs = {recipe.input for recipe in recipes}
    if len(inputs) > 1:
        raise BadInput(f"recipe {name} mixes recipes of unlike inputs: {', '.join(inputs)}")
    if "query" in INPUTS[inputs.pop()] and len(set(map(_new, recipes))) > 1:
        raise BadInput(
            f"recipe {name} mixes recipes that write queries with others that add to the pair "
            "itself: run one after the other"
        )
    for recipe in recipes:
        if not any(name in WRITES or name.startswith("relevance_") for name in recipe.writes):
            raise BadInput(
                f"recipe {recipe.name} can't be used here: its answer has no field 'query', nor "
                "positive, negative or negatives"
            )


def _check_options(cfg: SynthConfig, recipe: Recipe) -> None:
    """Raise BadOption for what a recipe needs and was not given, or has no use for."""
    adds = "query" in INPUTS[recipe.input] and not _new(recipe)
    if cfg.per_passage not in (None, 1) and adds:
        raise BadOption(
            f"recipe {recipe.name} adds to each {recipe.input}: leave --per-passage out, "
            f"found {cfg.per_passage}"
        )
    for field, flag in (("examples", "--examples FILE"), ("personas", "--personas FOLDER")):
        if not getattr(cfg, field) and any(field in step.fields for step in recipe.steps):
            raise BadOption(f"recipe {recipe.name} asks for {field}: give {flag}")


def _new(recipe: Recipe) -> bool:
    """Tell whether a recipe writes queries of its own."""
    return "query" in recipe.writes


def _reads(cfg: SynthConfig) -> frozenset[str]:
    """Return the fields that a row must have."""
    return INPUTS[next(iter(mixed(load_recipe(cfg.recipe)).values())).input]


@stage(
    SynthConfig,
    adds={"query_id", "query", "positives", "recipe", "query_type", "generator"},
    version=2,
    hooks=Hooks(prepare=_prepare, reads=_reads),
)
def synth(rows: Iterable[Row], cfg: SynthConfig, ctx: Context) -> Iterator[Event]:
    """Write for each row what the recipe says; a row becomes per_passage items."""
    llm = cfg.open(ctx)
    drawing = cfg.drawing(dict(llm.query_types) if llm.query_types else None)
    writing, journal = cfg.writing(ctx), Journal(ctx.journal)
    calls = max(len(recipe.steps) for recipe in drawing.recipes.values())
    items = write(_items(rows, cfg, drawing), calls, llm, cfg.asking(), journal, ctx)

    def begin(item: Item) -> Iterable[Event]:
        writing.begin(item.row)
        keeps = cfg.keep_originals and "query" in item.row and _new(item.recipe)
        return original(item) if keeps else ()

    try:
        yield from told(items, ctx, begin, writing.event)
    finally:
        journal.close()


def _items(rows: Iterable[Row], cfg: SynthConfig, drawing: Drawing) -> Iterator[Item]:
    """Yield what is to be written, and rows that lack something for it."""
    recipe = next(iter(drawing.recipes.values()))
    corpus = open_corpus(cfg.corpus) if reads_positives(recipe) else None
    met = Met()
    casting = Casting.of(cfg, recipe, drawing.fixed["domain"])
    for row, personas, unfit in casting.cast(rows):
        problem = unfit or lacks(row, recipe.input, recipe.needs) or met.again(row, recipe.input)
        if problem:
            yield Item.unfit(row, recipe, problem)
            continue
        values = values_of(row, recipe.input, positive_text(row, corpus))
        values |= casting.said(personas)
        yield from drawing.items(row, cfg.count(recipe), values, personas)
