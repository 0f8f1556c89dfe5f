"""What a model wrote, as rows: pairs, the passages written with them, or a reason why not.

The fields of a recipe's last answer say what they are:

    query                a query, of which the row's positives are the answer
    positive, positives  passages that are written as well, and answer the query
    negative, negatives  passages that seem to answer it, and don't
    relevance_N          a passage of relevance N: a positive from 3 on, a negative below

A recipe that writes a query makes a new row of it, with an id of its own; one that does not, adds
to the row that it was given.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gpte_data.gates import Gates, fold
from gpte_data.positives import OF_A_QUERY, aligned
from gpte_data.scripts import is_unspaced
from gpte_data.stage import Event, Rejected, Row
from gpte_data.writing import Item, ended

POSITIVE = 3
"""The relevance from which a passage is a positive (graded as in TREC: 0 to 3)."""
_NAMED = ("task", "instruction", "language", "persona_id", "persona", "query_type", "difficulty")
_MADE_BY = ("recipe", "prompt_version", "generator")


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage in an answer."""

    kind: str
    """positive or negative."""
    name: str
    """Which of the answer's passages."""
    text: str
    relevance: int | None = None
    alone: bool = True
    """Whether the row is no good without it."""

    def row(self, doc_id: str, language: str | None) -> Row:
        """Return it as a row of a corpus."""
        more = {"relevance": self.relevance, "language": language}
        told = {name: value for name, value in more.items() if value is not None}
        return {"doc_id": doc_id, "text": self.text.strip(), **told}


@dataclass
class Writing:
    """Makes events of the items of one run."""

    generator: str
    seed: int
    gates: Mapping[str, Gates]
    """By recipe, for queries."""
    gates_of_passages: Gates
    notes: Counter[str] = field(default_factory=Counter)
    """Where passages are counted that were left out of a row."""
    siblings: set[str] = field(default_factory=set)
    """Queries of the row at hand, its own among them."""

    def begin(self, row: Row) -> None:
        """Forget the queries of the row before."""
        self.siblings.clear()
        if "query" in row:
            self.siblings.add(str(row["query"]))

    def event(self, item: Item) -> Event:
        """Return the pair that an item became, or why it is none."""
        if item.ended:
            return _ended(item)
        row = self._pair(item)
        of_passages = self._add_passages(item, row)
        problem = self._problem(item, row) or of_passages
        if "query" in item.answer:
            self.siblings.add(str(row["query"]))
        return Rejected(row, problem) if problem else aligned(row)

    def _pair(self, item: Item) -> Row:
        """Return the pair, with all that tells how it was made, and without passages."""
        new, old = "query" in item.answer, item.row if "query" in item.row else {}
        made = _facts(item) | {"generator": self.generator, "seed": self.seed}
        if old and not new:
            return old | {"positives": list(old.get("positives", ()))} | _beside(old, made)
        if "query_type" in old and not _types(item):
            del made["query_type"]
        row = {k: v for k, v in old.items() if k not in OF_A_QUERY}
        row["query_id"] = item.name
        row["query"] = " ".join(str(item.answer["query"] if new else item.values["label"]).split())
        row["positives"] = list(old["positives"]) if "positives" in old else _own(item)
        return row | made

    def _problem(self, item: Item, row: Row) -> str | None:
        """Return why the query that was written is no good, or None."""
        if "query" not in item.answer:
            return None
        sources = [item.values["passage"]] if item.values.get("passage") else []
        return self.gates[item.recipe.name].problem(
            row["query"], sources=sources, language=row.get("language"), siblings=self.siblings
        )

    def _add_passages(self, item: Item, row: Row) -> str | None:
        """Put the passages that were written where they belong; return why the row is no good."""
        found, problems = list(_passages(item.answer)), list[str]()
        if not found:
            return None
        language, query = _language(item), fold(str(row["query"]))
        seen = {query, fold(item.values.get("passage", ""))} - {""}
        row["written"] = list(row.get("written", ()))
        taken = {passage["doc_id"] for passage in row["written"]}
        for passage in found:
            problem = self._problem_of(passage, query, language, seen)
            if problem:
                problems.append(f"{passage.kind}: {problem}")
                if passage.alone:
                    return problems[0]
                continue
            doc_id = _free(f"{item.name}/{passage.name}", taken)
            row[f"{passage.kind}s"] = [*row.get(f"{passage.kind}s", ()), doc_id]
            row["written"].append(passage.row(doc_id, language))
        if not row["written"]:
            del row["written"]
        if problems and len(problems) == len(found):
            return problems[0]
        self.notes.update(f"passages left out, {problem}" for problem in problems)
        return None

    def _problem_of(
        self, passage: _Passage, query: str, language: str | None, seen: set[str]
    ) -> str | None:
        """Return why a passage is no good, or None; `query` and `seen` are folded."""
        problem = self.gates_of_passages.problem(
            passage.text, sources=(), language=language, siblings=()
        )
        if problem:
            return problem
        folded = fold(passage.text)
        if folded in seen:
            return "repeats another text"
        seen.add(folded)
        if passage.kind == "positive" and _stands_in(folded, query):
            return "stands in the query"  # a class must not, in a text of it (2401.00368, app. C)
        return None


def _stands_in(words: str, text: str) -> bool:
    """Tell whether words stand in a text, both folded; some scripts set no spaces between them."""
    if is_unspaced(words):
        return words.replace(" ", "") in text.replace(" ", "")
    return f" {words} " in f" {text} "


def _types(item: Item) -> bool:
    """Tell whether the recipe says of what type a query is."""
    return bool(item.recipe.types) or "query_type" in item.recipe.draws


def _own(item: Item) -> list[str]:
    """Return the passage that a query was written for, if it was one."""
    return [item.row["doc_id"]] if item.recipe.input == "passage" else []


def _language(item: Item) -> str | None:
    """Return the language that passages were asked for in, where one was said."""
    if item.recipe.input == "pair":
        return None
    return item.facts.get("target_language") or item.facts.get("language")


def _free(doc_id: str, taken: set[str]) -> str:
    """Return the id, numbered if the row has it: the same recipe may add to a pair again."""
    found, again = doc_id, 1
    while found in taken:
        again += 1
        found = f"{doc_id}-{again}"
    taken.add(found)
    return found


def _passages(answer: Mapping[str, Any]) -> Iterator[_Passage]:
    """Yield the passages in an answer."""
    for name, value in answer.items():
        kind = name.removesuffix("s")
        if kind in ("positive", "negative"):
            texts = value if isinstance(value, list) else [value]
            for number, text in enumerate(texts):
                yield _Passage(kind, f"{kind}-{number}", text, alone=len(texts) == 1)
        elif name.startswith("relevance_"):
            relevance = int(name.rpartition("_")[2])
            kind = "positive" if relevance >= POSITIVE else "negative"
            yield _Passage(kind, f"relevance-{relevance}", value, relevance)


def _facts(item: Item) -> Row:
    """Return how a row was made, so that data can be taken apart afterwards."""
    facts = {k: v for k, v in item.facts.items() if k != "personas" and v != ""}
    if item.recipe.input == "persona":
        facts |= {k: item.row[k] for k in ("persona_id", "persona") if k in item.row}
    facts |= {k: item.answer[k] for k in _NAMED if item.answer.get(k)}
    named = {k: str(facts.pop(k)) for k in _NAMED if facts.get(k)}
    named.setdefault("task", item.recipe.task)
    named.setdefault("instruction", item.recipe.instruction)
    row: Row = {name: value for name, value in named.items() if value}
    if facts:
        row["settings"] = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()
    return row | {"recipe": item.recipe.name, "prompt_version": item.recipe.version}


def _beside(old: Row, made: Row) -> Row:
    """Return what a row is told of a recipe that added to it: `query+hard-negative`.

    What the row says of its query stays; settings of the second recipe stand under its name.
    """
    row = {k: v for k, v in made.items() if k not in old and k not in _NAMED}
    row |= {k: made[k] for k in ("task", "instruction") if k in made and k not in old}
    if "recipe" in old:
        differs = {k: made[k] for k in _MADE_BY if k != "generator" or old.get(k) != made[k]}
        row |= {k: f"{old[k]}+{v}" if k in old else v for k, v in differs.items()}
    if "settings" in old and "settings" in made:
        both = {**orjson.loads(old["settings"]), made["recipe"]: orjson.loads(made["settings"])}
        row["settings"] = orjson.dumps(both, option=orjson.OPT_SORT_KEYS).decode()
    return row


def _ended(item: Item) -> Rejected:
    """Return the row of an item that ended before its last call."""
    row: Row = {"query_id": item.name, "query_type": item.facts.get("query_type", "")}
    row |= {name: item.row[name] for name in ("doc_id", "persona_id") if name in item.row}
    return ended(item, row)
