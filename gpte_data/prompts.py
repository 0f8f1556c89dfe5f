"""Prompts: files with front matter, found by name in prompts/ or given as a path.

    ---
    version: 1
    answer: {type: object, properties: {query: {type: string}}, required: [query]}
    types:
      question: {weight: 2, say: a question that the passage answers}
    ---
    # system
    …
    # user
    … {{title}} {{text}} …

`{{name}}` is replaced by a value, once: what a document says is never looked at again, so nothing
in a document can act as a template. Documents stand between markers, and a marker inside a
document is defused.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpte_data.errors import BadInput, BadOption

_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SECTION = re.compile(r"^# (system|user)\s*$", re.MULTILINE)
_MARKER = re.compile(r"<(/?)(passage|document|query|title|text)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Prompt:
    """A recipe's prompt, as its file says it."""

    name: str
    version: str
    system: str
    user: str
    answer: Mapping[str, Any]
    """JSON schema of the answer."""
    types: Mapping[str, Mapping[str, Any]]
    """Query type -> `weight` and `say`, what the prompt asks for; may be empty."""
    sha256: str

    def messages(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the chat messages for one row; raise BadInput if a value is missing."""
        turns = [("system", self.system), ("user", self.user)]
        return [{"role": role, "content": self._fill(text, values)} for role, text in turns if text]

    def _fill(self, text: str, values: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            try:
                return values[match[1]]
            except KeyError:
                known = ", ".join(sorted(values))
                raise BadInput(
                    f"prompt {self.name} asks for {{{{{match[1]}}}}}, which this recipe does not "
                    f"have: it has {known}"
                ) from None

        return _FIELD.sub(value, text)

    def weights(self) -> dict[str, float]:
        """Return the weight of each query type, 1 where none is given."""
        return {str(name): float(kind.get("weight", 1)) for name, kind in self.types.items()}


def defused(text: str) -> str:
    """Return a document's text with markers that would end its block made harmless."""
    return _MARKER.sub(r"<\1 \2", text)


def share(kind: str) -> Path:
    """Return the folder of prompts or pipelines: beside the package, or installed with it."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def prompt_path(name: str) -> Path:
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


def load_prompt(name: str) -> Prompt:
    """Read a prompt; raise BadOption if it is not there, BadInput if it is not one."""
    path = prompt_path(name)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"prompt {path} can't be read: {error}") from None
    return parse_prompt(path.stem, content, str(path))


def parse_prompt(name: str, content: str, where: str) -> Prompt:
    """Parse a prompt file's content."""
    import yaml

    parts = content.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise BadInput(f"prompt {where} must begin with front matter between two lines of ---")
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise BadInput(f"the front matter of prompt {where} is not YAML: {problem}") from None
    sections = _sections(parts[2])
    if not isinstance(front, dict) or not {"version", "answer"} <= front.keys():
        raise BadInput(f"the front matter of prompt {where} must give version and answer")
    _check_answer(front["answer"], where)
    types = front.get("types") or {}
    _check_types(types, where)
    if not sections.get("user"):
        raise BadInput(f"prompt {where} has no section '# user'")
    return Prompt(
        name=name,
        version=str(front["version"]),
        system=sections.get("system", ""),
        user=sections["user"],
        answer=front["answer"],
        types=types,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def _check_answer(answer: Any, where: str) -> None:
    """Raise BadInput unless this is the schema of an object."""
    if not isinstance(answer, dict) or not isinstance(answer.get("properties"), dict):
        raise BadInput(
            f"answer in prompt {where} must be the JSON schema of an object: "
            "{type: object, properties: {…}, required: […]}"
        )


def _check_types(types: Any, where: str) -> None:
    """Raise BadInput unless these are query types, at least one of them with a weight."""
    if not isinstance(types, dict) or not all(isinstance(kind, dict) for kind in types.values()):
        raise BadInput(f"types in prompt {where} must be like: {{question: {{weight: 2, say: …}}}}")
    weights = [kind.get("weight", 1) for kind in types.values()]
    if not all(isinstance(weight, int | float) and weight >= 0 for weight in weights):
        raise BadInput(f"a weight in prompt {where} is not a number of at least 0: {weights}")
    if types and not any(weights):
        raise BadInput(f"no query type in prompt {where} has a weight above 0")


def _sections(body: str) -> dict[str, str]:
    """Split the body at its headings."""
    pieces = _SECTION.split(body)
    return {name: text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def prompt_identity(name: str) -> dict[str, str]:
    """Return what of a prompt enters a fingerprint: name, which rows carry, and content."""
    prompt = load_prompt(name)
    return {"name": prompt.name, "prompt": prompt.sha256}
