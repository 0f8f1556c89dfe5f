"""The panel: a judge is asked about the candidates of each query, another about what it flags.

Both are asked at the same time: while one looks at what was flagged before, the other goes on.
Queries keep their order. A query without an answer to one of its questions has failed; what was
answered is in the journal.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gpte_data.backends import LLM, Completion
from gpte_data.backends.journal import Journal
from gpte_data.judges.grades import FLAGGED, MOST, grades_of, narrowed
from gpte_data.judges.shown import numbered
from gpte_data.recipes import Recipe
from gpte_data.stage import Context, Row
from gpte_data.writing import Asking, Item, write

NOTHING = "nothing to judge"


@dataclass(frozen=True)
class Member:
    """A model that judges, and by what prompt."""

    llm: LLM
    asking: Asking
    recipe: Recipe


@dataclass(slots=True)
class Case:
    """A query before the panel."""

    row: Row
    ids: Sequence[str]
    """Candidates that are to be judged, in the order in which they are shown."""
    lines: dict[str, str]
    """What is shown of each."""
    positives: str
    judged: dict[str, str] = field(default_factory=dict)
    """Grades by doc_id."""
    confirmed: dict[str, str] = field(default_factory=dict)
    failure: Completion | None = None

    def flagged(self) -> list[str]:
        """Return what is to be looked at again."""
        return [doc_id for doc_id in self.ids if self.judged.get(doc_id) in FLAGGED]


def heard(
    cases: Iterable[Case], first: Member, second: Member | None, journal: Journal, ctx: Context
) -> Iterator[Case]:
    """Yield the cases with their grades, in order."""
    judged = _asked(cases, lambda case: case.ids, lambda case: case.judged, first, journal, ctx)
    if second is None:
        return judged
    return _asked(judged, Case.flagged, lambda case: case.confirmed, second, journal, ctx)


@dataclass(frozen=True, slots=True)
class _Question:
    """Some candidates of a case."""

    case: Case
    ids: Sequence[str]
    last: bool
    """No question of the case comes after it."""


def _asked(
    cases: Iterable[Case],
    wanted: Callable[[Case], Sequence[str]],
    grades: Callable[[Case], dict[str, str]],
    member: Member,
    journal: Journal,
    ctx: Context,
) -> Iterator[Case]:
    """Ask about the wanted candidates of each case; a case with none, or that failed, passes."""
    waiting: deque[_Question] = deque()

    def items() -> Iterator[Item]:
        for case in cases:
            ids = () if case.failure else wanted(case)
            starts = range(0, len(ids), MOST) or (0,)
            for number, start in enumerate(starts):
                some = ids[start : start + MOST]
                waiting.append(_Question(case, some, start == starts[-1]))
                yield _item(case, number, some, member.recipe)

    for item in write(items(), 1, member.llm, member.asking, journal, ctx):
        question = waiting.popleft()
        case = question.case
        if item.failure is not None:
            case.failure = case.failure or item.failure
        elif question.ids:
            found = grades_of(item.answer, len(question.ids), ctx.ledger.notes)
            grades(case).update(zip(question.ids, found, strict=True))
        if question.last:
            yield case


def _item(case: Case, number: int, ids: Sequence[str], recipe: Recipe) -> Item:
    """Return a question about some candidates of a case; of none, what passes."""
    if not ids:
        return Item.unfit(case.row, recipe, NOTHING)
    values = {
        "query": case.row["query"],
        "positives": case.positives,
        "candidates": numbered(case.lines[doc_id] for doc_id in ids),
    }
    schema = narrowed(recipe.steps[0].answer, len(ids))
    return Item(case.row, case.row["query_id"], str(number), recipe, values, schema=schema)
