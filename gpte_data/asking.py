"""Options of every stage that asks a language model, and how the model is opened from them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from gpte_data.backends import LLM, LLMS, Options, check, llm_identity, open_llm
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.errors import BadOption
from gpte_data.recipes import Recipe
from gpte_data.stage import Context
from gpte_data.writing import Asking

_SAMPLING = ("temperature", "max_tokens")
SAID: Mapping[str, frozenset[str]] = {
    "examples": frozenset({"examples"}),
    "aspects": frozenset({"say"}),
    "language": frozenset({"language", "target_language"}),
    "query_languages": frozenset({"language", "target_language"}),
}
"""Option -> the fields of prompts by which a model is told of it."""


class ReachingConfig(StageConfig):
    """How a language model samples, and how fast it may be asked; which one, a subclass says."""

    asks: ClassVar[bool] = True
    model_option: ClassVar[str] = "llm"
    """The field that holds the SPEC of the model, in a subclass."""
    _offline: bool = PrivateAttr(False)

    temperature: float | None = Field(
        None, ge=0, le=2, description="Sampling temperature; the recipe's if not given."
    )
    max_tokens: int | None = Field(
        None, ge=1, description="Tokens an answer may have; the recipe's if not given."
    )
    seed: int = Field(0, description="Seed of draws and of sampling; each item has its own.")
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (),
        description="Server for openai:MODEL, may be given more than once; else OPENAI_BASE_URL.",
    )
    concurrency: Annotated[int, Runtime()] = Field(
        512,
        ge=1,
        description="Most requests in flight, in all; fewer where a server can't keep up.",
    )
    rpm: Annotated[int | None, Runtime()] = Field(
        None, ge=1, description="Most requests a minute, over all servers and workers."
    )
    tpm: Annotated[int | None, Runtime()] = Field(
        None, ge=1, description="Most tokens a minute, over all servers and workers."
    )
    timeout: Annotated[float, Runtime()] = Field(120, gt=0, description="Seconds for a request.")
    retries: Annotated[int, Runtime()] = Field(6, ge=0, description="Tries after the first.")
    batch: Annotated[bool, Runtime()] = Field(
        False, description="Ask through the server's batch API: half the price, within a day."
    )
    engine_args: str = Field("", description="More arguments for vLLM's engine, as a JSON object.")
    tensor_parallel: Annotated[int, Runtime()] = Field(
        1, ge=1, description="GPUs that one vLLM engine is spread over."
    )

    @property
    def spec(self) -> str:
        """The SPEC of the language model that is asked."""
        return str(getattr(self, self.model_option))

    def second(self) -> "ReachingConfig | None":
        """Return how another model is reached that the stage asks as well, if there is one."""
        return None

    def identity(self) -> dict[str, Any]:
        """Leave out what the model at hand makes no use of."""
        options = super().identity()
        if not self.spec.startswith("vllm:"):
            del options["engine_args"]
        return options

    def options(self, journal: Path | None = None) -> Options:
        """Return how the model is reached; `journal` is where the answers of a shard are kept."""
        option = f"--{self.model_option}"
        if self.batch and not self.spec.startswith("openai:"):
            raise BadOption(f"--batch goes with {option} openai:MODEL, not with {self.spec}")
        if (self.engine_args or self.tensor_parallel > 1) and not self.spec.startswith("vllm:"):
            raise BadOption(
                f"--engine-args and --tensor-parallel go with {option} vllm:MODEL, "
                f"not with {self.spec}"
            )
        return Options(
            base_urls=self.base_url, concurrency=self.concurrency, rpm=self.rpm, tpm=self.tpm,
            timeout=self.timeout, retries=self.retries,
            batch=journal.with_suffix(".batches") if self.batch and journal else None,
            engine_args=self.engine_args, tensor_parallel=self.tensor_parallel,
        )  # fmt: skip

    def offline(self) -> Self:
        """Return the same config, for a run that asks no server whether it is there."""
        copy = self.model_copy()
        copy._offline = True
        return copy

    def check_model(self) -> None:
        """Raise a UserError if the model can't be reached or found."""
        if self._offline:
            return
        check(self.spec, LLMS, "language model", self.options())
        if self.batch:
            from gpte_data.backends import openai_batch

            openai_batch.check(self.options())

    def open(self, ctx: Context) -> LLM:
        """Return the model; raise BadOption where a batch has no folder to be written down in."""
        if ctx.llm is not None:
            llm: LLM = ctx.llm
            return llm
        if self.batch and ctx.journal is None:
            raise BadOption("--batch needs a folder to write, so that it can go on later: give -o")
        return open_llm(self.spec, self.options(ctx.journal))

    def asking(self) -> Asking:
        """Return how questions are put."""
        identity = llm_identity(self.spec)
        if self.engine_args and self.spec.startswith("vllm:"):
            identity["engine_args"] = self.engine_args
        model = " ".join(f"{name}={value}" for name, value in identity.items())
        return Asking(model, self.seed, self.temperature, self.max_tokens)


class _Llm(StageConfig):
    """Which model writes; a class of its own so that it is the first option."""

    llm: Annotated[str, Identity(llm_identity)] = Field(
        "extractive", description="extractive (no model), openai:MODEL (any server), vllm:MODEL."
    )


class AskingConfig(ReachingConfig, _Llm):
    """Which model writes by a recipe, how it samples, and how fast it may be asked."""

    def identity(self) -> dict[str, Any]:
        """Leave out what the model at hand makes no use of."""
        options = super().identity()
        if self.llm == "extractive":
            for name in _SAMPLING:
                del options[name]
        return options

    def check_heard(self, recipes: Iterable[Recipe]) -> None:
        """Raise BadOption for what a user asks for and no prompt of the recipes ever says."""
        said = {name for recipe in recipes for step in recipe.steps for name in step.fields}
        for option, fields in SAID.items():
            if getattr(self, option, None) and not said & fields:
                raise BadOption(
                    f"--{option.replace('_', '-')} changes nothing here, no prompt of the recipe "
                    f"has {' or '.join(f'{{{{{name}}}}}' for name in sorted(fields))}: leave it out"
                )

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise BadOption if the recipe needs a model and there is none."""
        told = {"examples", "personas"} & {name for step in recipe.steps for name in step.fields}
        alone = recipe.writes == {"query"} and len(recipe.steps) == 1 and not told
        if self.llm == "extractive" and not (alone and recipe.input == "passage"):
            raise BadOption(
                f"recipe {recipe.name} needs a language model: give --llm openai:MODEL or "
                "vllm:MODEL; extractive only writes queries for passages"
            )


def teacher_options(cfg: Any) -> Options:
    """Return how the teacher is reached of a stage that asks a language model as well."""
    return Options(
        base_urls=cfg.teacher_url, concurrency=64, timeout=cfg.timeout, retries=cfg.retries
    )
