"""Options of `judge-negatives`: two models, what they are shown, and what becomes of a finding."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gpte_data.asking import ReachingConfig
from gpte_data.backends import Options, label, llm_identity
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import corpus_identity
from gpte_data.errors import BadOption
from gpte_data.judges.panel import Member
from gpte_data.recipes import load_recipe, recipe_identity
from gpte_data.stage import Context
from gpte_data.usage import SECOND

PASSED_ON = ("temperature", "max_tokens", "seed", "concurrency", "rpm", "tpm", "timeout", "retries")


class _Models(StageConfig):
    """Who judges; a class of its own so that these are the first options."""

    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        description="Corpus that the candidates come from; may be given more than once."
    )
    judge: Annotated[str, Identity(llm_identity)] = Field(
        description="Who looks at all candidates: openai:MODEL (any server), vllm:MODEL."
    )
    confirm: Annotated[str, Identity(lambda spec: llm_identity(spec) if spec else "")] = Field(
        "", description="Who looks again at what is flagged: a stronger model; if empty, nobody."
    )
    confirm_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for --confirm openai:MODEL; --base-url if not given."
    )
    prompt: Annotated[str, Identity(recipe_identity)] = Field(
        "judge", description="Prompt of both: a name from prompts/, or the path of a .md file."
    )
    depth: int = Field(
        25,
        ge=1,
        description="Candidates judged for each query, first choice first; 25 a question. "
        "What comes after them is dropped for good.",
    )
    max_words: int = Field(256, ge=1, description="Words shown of each document.")
    max_positives: int = Field(5, ge=1, description="Positives shown of each query, the first.")
    action: Literal["drop", "drop-query", "promote", "relabel"] = Field(
        "drop",
        description="False negatives: drop them, or the query; promote them to positives; or let "
        "the best of all be the positive, and drop the others (relabel).",
    )
    partly: Literal["keep", "drop"] = Field(
        "keep", description="What becomes of candidates that answer in part."
    )
    max_false_negatives: int = Field(
        8, ge=0, description="Drop a query that has more false negatives than this."
    )
    num_negatives: Annotated[int, Runtime()] = Field(
        5, ge=1, description="Negatives wanted for a query; those with fewer are counted."
    )


class _Confirming(ReachingConfig):
    """How the second model is reached."""

    model_option: ClassVar[str] = "confirm"
    confirm: str


class JudgeConfig(ReachingConfig, _Models):
    """Who judges candidates, and what becomes of those that answer the query after all."""

    model_option: ClassVar[str] = "judge"

    concurrency: Annotated[int, Runtime()] = Field(
        128, ge=1, description="Most requests in flight of each model; fewer where one is slow."
    )

    def options(self, journal: Path | None = None) -> Options:
        """Return how the judge is reached; what only vLLM takes may be meant for the other."""
        if self.spec.partition(":")[0] == "extractive":
            raise BadOption(
                "judge-negatives asks a language model: give --judge openai:MODEL or vllm:MODEL"
            )
        if self.confirm.startswith("vllm:") and not self.judge.startswith("vllm:"):
            plain = self.model_copy(update={"engine_args": "", "tensor_parallel": 1})
            return ReachingConfig.options(plain, journal)
        return super().options(journal)

    def identity(self) -> dict[str, Any]:
        """Say of vLLM's arguments where either model is run by vLLM."""
        said = {"engine_args": self.engine_args} if self.confirm.startswith("vllm:") else {}
        return super().identity() | said

    def second(self) -> ReachingConfig | None:
        """Return how the model is reached that confirms, if there is one."""
        if not self.confirm:
            return None
        more: dict[str, Any] = {name: getattr(self, name) for name in PASSED_ON}
        if self.confirm.startswith("vllm:"):
            more |= {"engine_args": self.engine_args, "tensor_parallel": self.tensor_parallel}
        if self.confirm.startswith("openai:"):
            more["batch"] = self.batch
        urls = self.confirm_url or self.base_url
        found = _Confirming(confirm=self.confirm, base_url=urls, **more)
        return found.offline() if self._offline else found

    def check_models(self) -> None:
        """Raise a UserError if a model can't be reached or found, or both can't be run at once."""
        self.check_together()
        self.check_model()
        if (second := self.second()) is not None:
            second.check_model()

    def check_together(self) -> None:
        """Raise BadOption for options that contradict each other."""
        if self.confirm_url and not self.confirm.startswith("openai:"):
            raise BadOption(
                f"--confirm-url is where --confirm openai:MODEL is served, found --confirm "
                f"{self.confirm or 'nothing'}: leave it out"
            )
        two = self.judge != self.confirm
        if two and self.judge.startswith("vllm:") and self.confirm.startswith("vllm:"):
            raise BadOption(
                "--judge and --confirm are two models of vLLM, and a process runs one engine: "
                "serve one of them, and give it as openai:MODEL with its --base-url or "
                "--confirm-url"
            )

    def members(self, ctx: Context) -> tuple[Member, Member | None]:
        """Return who judges, and who confirms."""
        self.check_together()
        recipe = load_recipe(self.prompt)
        first = Member(self.open(ctx), self.asking(), recipe)
        if (second := self.second()) is None:
            return first, None
        beside = ctx.journal and ctx.journal.with_name(f"{ctx.journal.stem}-confirm.jsonl")
        llm = second.open(replace(ctx, llm=ctx.second, journal=beside))
        named = replace(recipe, name=f"{recipe.name}{SECOND}")
        return first, Member(llm, second.asking(), named)

    def judged_by(self) -> str:
        """Return who judges, in words: grades of the same are not asked for again."""
        recipe = load_recipe(self.prompt)
        models = " > ".join(label(spec) for spec in (self.judge, self.confirm) if spec)
        shown = f"{self.max_words} words, {self.max_positives} positives"
        return f"{models}, {recipe.name} {recipe.version} ({recipe.sha256[:8]}), {shown}"
