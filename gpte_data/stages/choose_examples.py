"""The examples of a user's that are worth showing: those with which a model writes best.

Which examples stand in a prompt decides much of what comes out; SPTAR (2307.08303) picks them by
how well they do on examples held out. Here sets of examples are drawn, and with each a model writes
a query for passages of examples outside of it. A query is good if it finds its passage among all
the passages (reciprocal rank, by the teacher) and is close to the person's own (cosine). Sets are
compared on the same held-out examples, as some are harder than others; the best set is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from gpte_data.asking import AskingConfig, teacher_options
from gpte_data.backends import EMBEDDERS, check, open_embedder
from gpte_data.backends.embedded import embed
from gpte_data.backends.encoding import embedder_identity
from gpte_data.backends.journal import Journal
from gpte_data.config import Identity, Runtime
from gpte_data.errors import BadInput, BadOption
from gpte_data.examples import FEWEST, MOST, ROWS, example_problem, read_examples, shown
from gpte_data.randomness import weighted_order
from gpte_data.recipes import Recipe, load_recipe, recipe_identity
from gpte_data.records import full_text
from gpte_data.rehearsal import rehearse
from gpte_data.sources import source_identity
from gpte_data.stage import Context, Event, Hooks, Rejected, Row, stage
from gpte_data.subjects import Drawing, values_of
from gpte_data.writing import Item, write

WORSE = "another set scores higher on held-out examples"


class ChooseConfig(AskingConfig):
    """Which examples there are, and how they are tried."""

    source: Annotated[str, Identity(source_identity)] = Field(
        "", description=f"Examples: {ROWS}, or - for JSONL on stdin."
    )
    recipe: Annotated[str, Identity(recipe_identity)] = Field(
        "promptagator", description="Recipe that shows them: a name, or the path of a .md file."
    )
    num_examples: int = Field(MOST, ge=FEWEST, le=MOST, description="Examples to keep.")
    sets: int = Field(8, ge=2, description="Sets of examples that are tried.")
    held_out: int = Field(32, ge=1, description="Examples outside of a set that it is tried on.")
    teacher: Annotated[str, Identity(embedder_identity)] = Field(
        "st:all-MiniLM-L6-v2", description="Embedder that judges: st:, openai: or vllm:MODEL."
    )
    teacher_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a teacher openai:MODEL; else OPENAI_BASE_URL."
    )

    def check_models(self) -> None:
        """Raise a UserError if model or teacher can't be reached or found."""
        if self.llm == "extractive":
            raise BadOption(
                "choose-examples asks a language model: give --llm openai:MODEL or vllm:MODEL"
            )
        self.check_model()
        if not self._offline:
            check(self.teacher, EMBEDDERS, "teacher", teacher_options(self))

    def drawing(self, recipe: Recipe, examples: Sequence[Row]) -> Drawing:
        """Return what decides what is asked with these examples."""
        fixed = {"domain": recipe.domain, "examples": shown(examples)}
        types = {recipe.name: recipe.weights()}
        return Drawing(self.seed, {recipe.name: recipe}, {}, types, {}, fixed)


@dataclass(frozen=True)
class _Trial:
    """A query written for one example while a set without it was shown."""

    set_: int
    example: int
    query: str
    """Empty where none was written."""


def _prepare(cfg: ChooseConfig, read: Callable[[], Iterable[Row]]) -> None:
    """Find out before anything is asked whether recipe, models and examples will do."""
    recipe = load_recipe(cfg.recipe)
    shows = any("examples" in step.fields for step in recipe.steps)
    if not shows or recipe.input != "passage" or "query" not in recipe.writes:
        raise BadOption(
            f"recipe {cfg.recipe} does not write queries for passages after examples: take "
            "promptagator, or a .md file with {{examples}} whose answer has a field query"
        )
    rehearse(recipe, cfg.drawing(recipe, [{"text": "x", "query": "x"}]))
    _check_enough([row for row, problem in _judged(read()) if not problem], cfg)
    cfg.check_models()


@stage(
    ChooseConfig,
    adds={"text", "query", "held_out_score"},
    version=1,
    scope="whole",
    hooks=Hooks(read=lambda cfg: read_examples(cfg.source), prepare=_prepare),
)
def choose_examples(rows: Iterable[Row], cfg: ChooseConfig, ctx: Context) -> Iterator[Event]:
    """Keep the examples of the set with which the best queries are written."""
    examples: list[Row] = []
    for row, problem in _judged(rows):
        ctx.tell(1, 0)
        if problem:
            yield Rejected(row, problem)
        else:
            examples.append(row)
    _check_enough(examples, cfg)
    sets = _sets(examples, cfg)
    trials = list(_trials(examples, sets, cfg, ctx))
    best, score = _best(_scores(trials, examples, cfg, ctx), len(sets), ctx)
    for number, row in enumerate(examples):
        if number in sets[best]:
            yield row | {"held_out_score": round(score, 4)}
        else:
            yield Rejected(row, WORSE)


def _judged(rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    """Yield each row with why it is no example, or nothing."""
    seen: set[str] = set()
    for row in rows:
        problem = example_problem(row)
        if not problem:
            problem = "same as another example" if _name(row) in seen else ""
            seen.add(_name(row))
        yield row, problem


def _check_enough(examples: Sequence[Row], cfg: ChooseConfig) -> None:
    """Raise BadInput unless a set leaves something to be tried on."""
    if len(examples) <= cfg.num_examples:
        raise BadInput(
            f"{cfg.source or 'the input'} holds {len(examples)} examples, of which "
            f"{cfg.num_examples} are to be chosen, and none is left to try them on: give more, or "
            "--num-examples fewer, or all of them to synth --examples"
        )


def _sets(examples: Sequence[Row], cfg: ChooseConfig) -> list[tuple[int, ...]]:
    """Return unlike sets of examples, by position; an example draws by what it says."""
    names = {_name(row): i for i, row in enumerate(examples)}
    drawn = (
        sorted(names[name] for name in _order(names, cfg, number)[: cfg.num_examples])
        for number in range(4 * cfg.sets)  # few examples have few sets, and some come again
    )
    return list(dict.fromkeys(map(tuple, drawn)))[: cfg.sets]


def _name(row: Row) -> str:
    """Return what no other example says."""
    return f"{full_text(row).strip()}\0{row['query'].strip()}"


def _order(names: Iterable[str], cfg: ChooseConfig, *parts: object) -> list[str]:
    return weighted_order(dict.fromkeys(names, 1.0), cfg.seed, "examples", *parts)


def _trials(
    examples: Sequence[Row], sets: Sequence[tuple[int, ...]], cfg: ChooseConfig, ctx: Context
) -> Iterator[_Trial]:
    """Have a query written for each held-out example of each set."""
    recipe, journal = load_recipe(cfg.recipe), Journal(ctx.journal)
    items = _items(examples, sets, recipe, cfg)
    try:
        for item in write(items, len(recipe.steps), cfg.open(ctx), cfg.asking(), journal, ctx):
            number, example = item.facts["trial"]
            query = "" if item.ended else " ".join(str(item.answer["query"]).split())
            if not query:
                ctx.ledger.notes["held-out queries without an answer"] += 1
            yield _Trial(number, example, query)
    finally:
        journal.close()


def _items(
    examples: Sequence[Row], sets: Sequence[tuple[int, ...]], recipe: Recipe, cfg: ChooseConfig
) -> Iterator[Item]:
    """Yield what is to be asked, set by set: what a server caches is the set's own prompt."""
    numbers = {_name(row): i for i, row in enumerate(examples)}
    order = [numbers[name] for name in _order(numbers, cfg, "held out")]
    for number, members in enumerate(sets):
        drawing = cfg.drawing(recipe, [examples[i] for i in members])
        inside = {full_text(examples[i]) for i in members}
        outside = [i for i in order if full_text(examples[i]) not in inside]
        for i in outside[: cfg.held_out]:
            for item in drawing.items(examples[i], 1, values_of(examples[i], "passage")):
                item.facts["trial"] = (number, i)
                yield item


def _scores(
    trials: Sequence[_Trial], examples: Sequence[Row], cfg: ChooseConfig, ctx: Context
) -> list[tuple[_Trial, float]]:
    """Return each trial with its score, from 0 to 1: mean of reciprocal rank and cosine."""
    if ctx.llm is not None:  # a dry run, which only counts what would be asked
        return [(trial, 0.0) for trial in trials]
    embedder = open_embedder(cfg.teacher, teacher_options(cfg))

    def vectors(texts: list[str]) -> Any:
        return embed(embedder, texts).vectors

    passages = vectors([full_text(row) for row in examples])
    people = vectors([row["query"] for row in examples])
    scored = []
    for trial, vector in zip(trials, vectors([trial.query for trial in trials]), strict=True):
        similar = passages @ vector
        rank = 1 + int((similar > similar[trial.example] + 1e-6).sum())
        score = (1 / rank + float(people[trial.example] @ vector)) / 2
        scored.append((trial, max(0.0, score) if trial.query else 0.0))
    return scored


def _best(scored: Sequence[tuple[_Trial, float]], sets: int, ctx: Context) -> tuple[int, float]:
    """Return the best set and its mean score; say in the books how the others did."""
    by_example: dict[int, list[float]] = {}
    for trial, score in scored:
        by_example.setdefault(trial.example, []).append(score)
    usual = {example: sum(found) / len(found) for example, found in by_example.items()}
    means, leads = [], []
    for number in range(sets):
        mine = [(trial, score) for trial, score in scored if trial.set_ == number]
        means.append(sum(score for _, score in mine) / max(1, len(mine)))
        leads.append(sum(score - usual[t.example] for t, score in mine) / max(1, len(mine)))
    best = max(range(sets), key=lambda number: (leads[number], -number))
    others = [mean for number, mean in enumerate(means) if number != best]
    notes = ctx.ledger.notes
    notes["held-out score of the set that was taken, in thousandths"] = round(1000 * means[best])
    notes["mean of the other sets, in thousandths"] = round(
        1000 * sum(others) / max(1, len(others))
    )
    return best, means[best]
