"""What a stage is told: one frozen pydantic class per stage, each field an option of its command.

A field's description is the option's help. Two marks say what a field is to the fingerprint
(DESIGN, "Resume and reproducibility"):

    Annotated[int, Runtime()]                 changes how fast, never what: left out
    Annotated[str, Identity(function)]        stands for something else (a model's files, a
                                              prompt's text, a folder's rows): function(value)
                                              goes in instead
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from gpte_data.errors import BadOption

READ = ("corpus", "earlier", "against", "moved")
"""Options that name datasets which are read."""
SHARED = ("concurrency", "rpm", "tpm")
"""Fields of limits that hold for all workers together."""


@dataclass(frozen=True)
class Runtime:
    """Marks a field that never changes the output."""


@dataclass(frozen=True)
class Identity:
    """Marks a field that enters the fingerprint as ``of(value)`` instead of as itself."""

    of: Callable[[Any], Any]


class StageConfig(BaseModel):
    """Base of every stage's config: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    asks: ClassVar[bool] = False
    """Whether a language model is asked, which can be planned and tried out beforehand."""
    takes_input_for_corpus: ClassVar[bool] = True
    """Whether a stage that can do with a corpus, and is given none, takes its input for it."""

    seed: Annotated[int, Runtime()] = Field(
        0, description="Seed of every random choice; each row draws its own from it and its id."
    )

    def identity(self) -> dict[str, Any]:
        """Return what of this config decides the output, as plain JSON values."""
        left_out = self.runtime_fields()
        return {
            name: _identity_of(getattr(self, name), info)
            for name, info in type(self).model_fields.items()
            if name not in left_out
        }

    def folders_read(self) -> list[Path]:
        """Return the datasets that are read beside the input."""
        return [Path(path) for name in READ for path in getattr(self, name, ())]

    def share(self, workers: int) -> Self:
        """Return the config of one of several workers, which together keep to what a user set."""
        limits = {name: getattr(self, name, None) for name in SHARED}
        own = {name: max(1, most // workers) for name, most in limits.items() if most}
        return self.model_copy(update=own) if workers > 1 and own else self

    @classmethod
    def runtime_fields(cls) -> set[str]:
        """Return the names of the fields that never change the output."""
        return {
            name
            for name, info in cls.model_fields.items()
            if any(isinstance(mark, Runtime) for mark in info.metadata)
        }

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Validate options; raise BadOption with one sentence about the first that is wrong.

        One string where a list is wanted, as `corpus: c5` in YAML, is a list of one.
        """
        try:
            return cls.model_validate({k: cls._wrapped(k, v) for k, v in options.items()})
        except ValidationError as error:
            raise BadOption(_sentence(error)) from None

    @classmethod
    def _wrapped(cls, name: str, value: Any) -> Any:
        """Return one string or path as a tuple if the field holds several; paths as its strings."""
        info = cls.model_fields.get(name)
        if info is None or get_origin(info.annotation) is not tuple:
            return value
        values = (value,) if isinstance(value, str | Path) else value
        if get_args(info.annotation)[0] is not str or not isinstance(values, list | tuple):
            return values
        return tuple(str(one) if isinstance(one, Path) else one for one in values)


def _identity_of(value: Any, info: FieldInfo) -> Any:
    """Return the value that stands for a field in the fingerprint."""
    for mark in info.metadata:
        if isinstance(mark, Identity):
            return mark.of(value)
    return str(value) if isinstance(value, Path) else value


def _sentence(error: ValidationError) -> str:
    """Say the first thing wrong in one sentence that names the option."""
    first = error.errors(include_url=False)[0]
    option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"there is no option {option} here: see --help for those that there are"
    if first["type"] == "missing":
        return f"option {option} is required: see --help for what it takes"
    return f"{option} {first['input']!r} won't do: {first['msg'][0].lower()}{first['msg'][1:]}"


def read_config(path: Path) -> dict[str, Any]:
    """Read a saved set of options from a .json, .toml or .yaml file.

    A shard's mark can be given back: its options are taken from it. Raises BadOption.
    """
    data = read_file("--config", path)
    if isinstance(data, dict) and "fingerprint" in data:
        data = data.get("options")
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        found = "other keys" if isinstance(data, dict) else type(data).__name__
        raise BadOption(f"--config {path} must hold options by name, found {found}")
    if "config" in data:
        raise BadOption(f"--config {path} can't name a config file itself: leave config out of it")
    options = {name.replace("-", "_"): value for name, value in data.items()}
    for name in ("source", "output", "rejected"):
        if not isinstance(options.get(name), str | None):
            raise BadOption(f"--config {path}: {name} takes a path, found {options[name]!r}")
    return options


def read_file(option: str, path: Path) -> Any:
    """Parse a .json, .toml or .yaml file that an option names; raise BadOption."""
    try:
        return _parsed(option, path)
    except OSError as error:
        raise BadOption(f"{option} {path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise BadOption(f"{option} {path} is not valid {path.suffix[1:]}: {error}") from None


def _parsed(option: str, path: Path) -> Any:
    """Parse by the file's ending; every syntax error comes out as ValueError."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return orjson.loads(content)
    if path.suffix == ".toml":
        import tomllib

        return tomllib.loads(content.decode())
    if path.suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise ValueError(str(error).replace("\n", " ")) from None
    raise BadOption(f"{option} takes a .json, .toml or .yaml file, found {path.name!r}")
