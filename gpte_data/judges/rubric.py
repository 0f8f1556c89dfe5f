"""A rubric for pairs: a model rates how relevant, how answerable and how clear they are, 1 to 5.

    for rating in rated(pairs, cfg, recipe, max_words, journal, ctx):
        rating.row, rating.scores, rating.rejected

The mean is given on a scale of 0 to 10 as well: NVIDIA's retriever recipe keeps what has 7 or more.
A pair without a text is not asked about, and has no scores.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gpte_data.asking import ReachingConfig
from gpte_data.backends.journal import Journal
from gpte_data.errors import BadInput
from gpte_data.judges.shown import one_line
from gpte_data.recipes import Recipe
from gpte_data.stage import Context, Rejected, Row
from gpte_data.subjects import subject_of
from gpte_data.verdicts import rejected
from gpte_data.writing import Item, ended, write

RUBRIC = ("relevance", "answerability", "clarity")
LOWEST, HIGHEST = 1, 5
OUT_OF_SCALE = "a rating is not from 1 to 5"
NOT_ASKED = "not asked about"


@dataclass(frozen=True, slots=True)
class Rating:
    """What came of a pair."""

    row: Row
    scores: Mapping[str, float] | None
    """`relevance`, `answerability`, `clarity` from 1 to 5; `score`, their mean from 0 to 10."""
    rejected: Rejected | None = None
    """What is to become of a pair that was asked about and has none: failed where the model gave no
    answer, which the next run asks for again; dropped where its answer is none on the scale."""


def rated(
    pairs: Iterable[tuple[Row, str]],
    cfg: ReachingConfig,
    recipe: Recipe,
    max_words: int,
    journal: Journal,
    ctx: Context,
) -> Iterator[Rating]:
    """Yield a rating for each pair, in order.

    Args:
        pairs: Rows with a query, each with the text of its positive; "" asks nothing.
        cfg: How the model is reached.
        recipe: What it is asked: `judge-pair`, or one that `check_rubric` takes.
        max_words: Words shown of a text.
        journal: Keeps the answers; whoever opened it closes it.
        ctx: Its books count calls and tokens.
    """

    def items() -> Iterator[Item]:
        for row, text in pairs:
            yield _item(row, text, recipe, max_words)

    for item in write(items(), 1, cfg.open(ctx), cfg.asking(), journal, ctx):
        yield _rating(item)


def check_rubric(recipe: Recipe) -> None:
    """Raise BadInput unless a prompt asks for the ratings, of a query and a passage."""
    fields, required = recipe.answer["properties"], set(recipe.answer.get("required", ()))
    integers = all(fields.get(name, {}).get("type") == "integer" for name in RUBRIC)
    alone = recipe.input == "pair" and len(recipe.steps) == 1 and not recipe.steps[0].each
    if not alone or not integers or not required.issuperset(RUBRIC):
        raise BadInput(
            f"prompt {recipe.name} can't rate pairs: its input must be pair, in one step, and its "
            f"answer must require {', '.join(RUBRIC)}, all integers; see gpte-data show "
            "judge-pair.md"
        )
    recipe.steps[0].messages(dict.fromkeys(("query", "passage"), "x"))


def _item(row: Row, text: str, recipe: Recipe, max_words: int) -> Item:
    """Return what is asked about a pair; without a text, what passes."""
    if not text.strip():
        return Item.unfit(row, recipe, NOT_ASKED)
    values = {"query": str(row["query"]), "passage": one_line(text, max_words)}
    return Item(row, subject_of(row), "0", recipe, values)


def _rating(item: Item) -> Rating:
    """Return what an item became."""
    if item.dropped:
        return Rating(item.row, None)
    if item.failure is not None:
        return Rating(item.row, None, ended(item, item.row))
    scores = {name: float(item.answer[name]) for name in RUBRIC}
    if not all(LOWEST <= score <= HIGHEST for score in scores.values()):
        raw = ", ".join(f"{name} {item.answer[name]}" for name in RUBRIC)
        return Rating(item.row, None, rejected(item.row | {"raw": raw}, [OUT_OF_SCALE]))
    mean = sum(scores.values()) / len(RUBRIC)
    whole = 10 * (mean - LOWEST) / (HIGHEST - LOWEST)
    return Rating(item.row, {**scores, "score": round(whole, 4)})
