"""Recipes: how queries, passages or personas are written; files that anyone can read and change.

    ---
    version: 1
    input: passage                      what a row is: passage, pair, label, persona, topic, ranking
    draw:                               each item draws one of these, by weight
      difficulty: {school: 2, university: 1}
    types:                              query types; siblings take turns
      question: {weight: 2, say: a question that the passage answers}
    answer: {type: object, properties: {query: {type: string}}, required: [query]}
    ---
    # system
    …
    # user
    <passage>
    {{passage}}
    </passage>
    Write {{say}}, for {{difficulty}}.

Several calls, each with what the ones before have answered: `steps: {plan: {answer: …, each:
tasks}, write: {answer: …}}` and sections `# plan: system`, `# plan: user`, … in their order. A
mixture of recipes is a file with `mix: {NAME: weight}` alone.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from gpte_data.errors import BadInput, BadOption
from gpte_data.prompts import Prompt, share
from gpte_data.recipe_checks import check_answer, check_types, names, number, weights_of

INPUTS: Mapping[str, frozenset[str]] = {
    "passage": frozenset({"doc_id", "text"}),
    "pair": frozenset({"query_id", "query", "positives"}),
    "query": frozenset({"query_id", "query"}),
    "label": frozenset({"label"}),
    "persona": frozenset({"persona_id", "persona"}),
    "topic": frozenset(),
    "ranking": frozenset({"query_id", "query", "positives", "candidates"}),
}
"""What a recipe is given a row at a time -> the fields that such a row has."""
_SECTION = re.compile(r"^# (?:(\w+): )?(system|user)\s*$", re.MULTILINE)
_KEYS = {
    "version", "paper", "reads", "input", "draw", "types", "steps", "answer", "each", "max_tokens",
    "temperature", "task", "instruction", "domain", "mix", "makes", "needs",
    "max_words",
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A way of writing, as its file says it."""

    name: str
    version: str
    input: str
    steps: tuple[Prompt, ...]
    sha256: str
    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Query type -> `weight` and `say`, what the prompt asks for; may be empty."""
    draws: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What each item draws: name -> value -> weight."""
    needs: tuple[str, ...] = ()
    """Fields that a row may lack, and without which this recipe has nothing to write."""
    temperature: float = 0.7
    max_words: int = 100
    """Words that a query may have; 0: any number."""
    task: str = ""
    instruction: str = ""
    domain: str = ""
    paper: str = ""
    makes: str = ""
    """What a row becomes, in one line."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """Other recipes, by name or path, and their weights, in a file that has nothing else."""

    @property
    def answer(self) -> Mapping[str, Any]:
        """The schema of the last answer."""
        return self.steps[-1].answer

    @property
    def writes(self) -> frozenset[str]:
        """The fields of the last answer."""
        return frozenset(self.answer["properties"])

    def weights(self) -> dict[str, float]:
        """Return the weight of each query type, 1 where none is given."""
        return {str(name): float(kind.get("weight", 1)) for name, kind in self.types.items()}


def recipe_path(name: str) -> Path:
    """Return the file of a recipe: one of ours by name, or the user's by path."""
    if name.endswith(".md"):
        return Path(name)
    path = share("prompts") / f"{name}.md"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in share("prompts").glob("*.md")))
        raise BadOption(
            f"there is no recipe {name!r}: take one of {known}, or the path of a .md file"
        )
    return path


def load_recipe(name: str) -> Recipe:
    """Read a recipe; raise BadOption if it is not there, BadInput if it is not one."""
    path = recipe_path(name)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"recipe {path} can't be read: {error}") from None
    return parse_recipe(path.stem, content, str(path))


def mixed(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipes that a mixture draws from, by name; a plain recipe is its own."""
    parts = [load_recipe(part) for part in recipe.mix] or [recipe]
    found = {part.name: part for part in parts}
    if len(found) < len(parts):
        raise BadInput(f"recipe {recipe.name} mixes two recipes of one name: rename a file")
    if inner := [name for name, part in found.items() if part.mix]:
        raise BadInput(
            f"recipe {recipe.name} mixes {inner[0]}, which is a mixture itself: name its parts"
        )
    return found


def mix_weights(recipe: Recipe) -> dict[str, float]:
    """Return the weights of a mixture by the names of its recipes; of a plain one, nothing."""
    return {load_recipe(part).name: weight for part, weight in recipe.mix.items()}


def recipe_identity(name: str) -> dict[str, str]:
    """Return what of a recipe enters a fingerprint: name, which rows carry, and content."""
    recipe = load_recipe(name)
    parts = {f"prompt {part}": load_recipe(part).sha256 for part in recipe.mix}
    return {"name": recipe.name, "prompt": recipe.sha256, **parts}


@lru_cache(maxsize=64)
def parse_recipe(name: str, content: str, where: str) -> Recipe:
    """Parse a recipe file's content; `where` names the file in errors."""
    front, body = _front(content, where)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    if "mix" in front:
        weights = weights_of(front["mix"], "mix", where)
        weights = {_beside(part, where): weight for part, weight in weights.items()}
        paper, makes = (str(front.get(key) or "") for key in ("paper", "makes"))
        return Recipe(
            name,
            str(front.get("version", 1)),
            "",
            (),
            sha256,
            mix=weights,
            paper=paper,
            makes=makes,
        )
    input_ = front.get("input", "passage")
    if not isinstance(input_, str) or input_ not in INPUTS:
        raise BadInput(f"input in recipe {where} is one of {', '.join(INPUTS)}, not {input_!r}")
    types = front.get("types") or {}
    check_types(types, where)
    draws = front.get("draw") or {}
    if not isinstance(draws, dict):
        raise BadInput(f"draw in recipe {where} must be like: {{difficulty: {{school: 2}}}}")
    return Recipe(
        name=name,
        version=str(front["version"]),
        input=input_,
        steps=tuple(_steps(name, front, body, where)),
        sha256=sha256,
        types=types,
        draws={str(n): weights_of(values, f"draw {n}", where) for n, values in draws.items()},
        needs=names(front, "needs", where),
        temperature=number(front, "temperature", 0.7, where),
        max_words=int(number(front, "max_words", 100, where)),
        task=str(front.get("task") or ""),
        instruction=str(front.get("instruction") or ""),
        domain=str(front.get("domain") or ""),
        paper=str(front.get("paper") or ""),
        makes=str(front.get("makes") or ""),
    )


def _beside(part: str, where: str) -> str:
    """Return a recipe that a mixture names: a path is taken from the mixture's own folder."""
    return str(Path(where).parent / part) if part.endswith(".md") else part


def _front(content: str, where: str) -> tuple[dict[str, Any], str]:
    """Split a file into its front matter, read, and what follows."""
    import yaml

    parts = content.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise BadInput(f"recipe {where} must begin with front matter between two lines of ---")
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise BadInput(f"the front matter of recipe {where} is not YAML: {problem}") from None
    ways = ({"version", "answer"}, {"version", "steps"}, {"mix"})
    if not isinstance(front, dict) or not any(way <= front.keys() for way in ways):
        raise BadInput(f"the front matter of recipe {where} must give version and answer")
    if unknown := sorted(map(str, front.keys() - _KEYS)):
        raise BadInput(
            f"recipe {where} has {unknown[0]} in its front matter: known are {', '.join(_KEYS)}"
        )
    return front, parts[2]


def _steps(name: str, front: Mapping[str, Any], body: str, where: str) -> Iterator[Prompt]:
    """Yield the calls of a recipe; one that names no steps has one."""
    sections = {
        (match[1] or "", match[2]): text.strip()
        for match, text in zip(_SECTION.finditer(body), _SECTION.split(body)[3::3], strict=True)
    }
    steps = front.get("steps") or {"": front}
    if not isinstance(steps, dict) or not all(isinstance(step, dict) for step in steps.values()):
        raise BadInput(f"steps in recipe {where} must be like: {{plan: {{answer: …}}, write: …}}")
    for step, told in steps.items():
        each = str(told.get("each") or "")
        check_answer(told.get("answer"), each, where)
        user = sections.get((step, "user"))
        if not user:
            raise BadInput(f"recipe {where} has no section '# {step + ': ' if step else ''}user'")
        most = number(told, "max_tokens", int(number(front, "max_tokens", 512, where, 1)), where, 1)
        yield Prompt(
            f"{name}, {step}" if step else name, sections.get((step, "system"), ""), user,
            told["answer"], each, int(most),
        )  # fmt: skip
