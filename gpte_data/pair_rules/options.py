"""The options of `filter-pairs`: which go together, what they come to, how models are reached."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from gpte_data.asking import ReachingConfig
from gpte_data.backends import Encoding, Options, label
from gpte_data.backends.reranking import Reranking, traits
from gpte_data.config import Runtime
from gpte_data.errors import BadOption
from gpte_data.pair_rules.rules_options import RulesConfig
from gpte_data.recipes import load_recipe
from gpte_data.teachers import BM25, KINDS, Teacher, dtype_of, open_teachers

BY_TEACHER = ("consistency", "min_cosine")
BY_PLACE = ("top_share", "top")
BY_RERANKER = ("min_rerank_score", *BY_PLACE)
BY_JUDGE = ("min_judge_score", "min_relevance", "min_answerability", "min_clarity")
OF_RERANKER = ("instruction", "server_scale")
"""Options that the reranker's identity holds."""
OF_JUDGE = (
    "judge", "prompt", "max_words", "temperature", "max_tokens", "seed", "engine_args",
)  # fmt: skip
"""Options that decide nothing where no judge is asked."""
OF_TEACHERS = ("teacher", "agree", "query_prompt", "doc_prompt", "max_length", "truncate_dim")
"""Options that decide nothing where no teacher is asked."""


class PairsConfig(ReachingConfig, RulesConfig):
    """Which rules a pair must keep, and how a judge is asked."""

    model_option: ClassVar[str] = "judge"

    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a judge openai:MODEL, may be given more than once; else "
        "OPENAI_BASE_URL.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """Raise BadOption for rules that are missing, or that lack what they measure with."""
        if not self.asks_any(*BY_TEACHER, *BY_RERANKER, *BY_JUDGE):
            raise BadOption(
                "no rule was asked for: give at least one of --consistency, --min-cosine, "
                "--min-rerank-score, --top-share, --top and --min-judge-score"
            )
        if self.asks_any(*BY_RERANKER) and not self.reranker:
            raise BadOption(
                "--min-rerank-score, --top-share and --top need a --reranker: give maxsim or "
                "st:MODEL"
            )
        if self.asks_any(*BY_JUDGE) and not self.judge:
            raise BadOption(
                "--min-judge-score and the like need a --judge: give openai:MODEL or vllm:MODEL"
            )
        self._check_useless()
        return self

    def _check_useless(self) -> None:
        """Raise BadOption for an option that changes nothing beside the others."""
        given = self.model_fields_set
        if self.reranker and not self.asks_any(*BY_RERANKER):
            raise BadOption(
                "--reranker changes nothing here: it scores pairs for --min-rerank-score, "
                "--top-share and --top; give one of them, or leave it out"
            )
        if self.judge and not self.asks_any(*BY_JUDGE):
            raise BadOption(
                "--judge changes nothing here: it rates pairs for --min-judge-score, "
                "--min-relevance, --min-answerability and --min-clarity; give one of them, or "
                "leave it out"
            )
        if self.batch and not self.judge:
            raise BadOption("--batch asks a judge through the server's batch API: give --judge too")
        useless = [name for name in OF_TEACHERS if name in given]
        if useless and not self.asks_any(*BY_TEACHER):
            raise BadOption(
                f"--{useless[0].replace('_', '-')} changes nothing here: it is for --consistency "
                "and --min-cosine; give one of them, or leave it out"
            )
        if len(set(self.teacher)) < len(self.teacher):
            raise BadOption("the same --teacher is given twice: give different ones")
        if self.agree == "any" and len(self.teacher) == 1:
            raise BadOption("--agree any changes nothing with one --teacher: give several")
        if BM25 in self.teacher:
            raise BadOption(f"--teacher bm25 has no vectors to compare: give one of {KINDS}")

    def asks_any(self, *names: str) -> bool:
        """Tell whether one of these rules is asked for."""
        return any(getattr(self, name) is not None for name in names)

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; of models only those that are asked."""
        found = super().identity()
        if not self.asks_any(*BY_TEACHER):
            found = {name: value for name, value in found.items() if name not in OF_TEACHERS}
        elif any(spec.startswith("st:") for spec in self.teacher):
            found["dtype"] = dtype_of(self.dtype)
        if self.reranker:
            found["reranker"] = traits(self.reranker, self.reranking()).identity
        left_out = (*OF_RERANKER, *(() if self.reranker else ("reranker",)))
        left_out += () if self.judge else OF_JUDGE
        return {name: value for name, value in found.items() if name not in left_out}

    def looks_at_all(self) -> bool:
        """Tell whether what becomes of a pair hangs on the whole input."""
        return self.asks_any(*BY_PLACE) or any(one.in_order for one in self.open_teachers())

    def drops(self) -> bool:
        """Tell whether positives that are not in the corpus are left out."""
        return self.missing_positives == "drop"

    def teacher_options(self) -> Options:
        """Return how the teachers are reached and run."""
        return Options(
            encoding=Encoding(self.dtype, self.max_length, self.truncate_dim),
            base_urls=self.teacher_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def reranking(self) -> Reranking:
        """Return how the reranker reads and scores."""
        return Reranking(self.instruction, self.server_scale)

    def judged_by(self) -> str:
        """Return who rates pairs, in words: ratings of the same are not asked for again."""
        recipe = load_recipe(self.prompt)
        prompt = f"{recipe.name} {recipe.version} ({recipe.sha256[:8]})"
        return f"{label(self.judge)}, {prompt}, {self.max_words} words"

    def reranker_options(self) -> Options:
        """Return how the reranker is reached and run."""
        return Options(
            reranking=self.reranking(),
            base_urls=self.reranker_url,
            concurrency=self.concurrency,
            batch_tokens=self.batch_tokens,
        )

    def open_teachers(self) -> list[Teacher]:
        """Return the teachers that are asked; a model is loaded when it is first needed."""
        if not self.asks_any(*BY_TEACHER):
            return []
        options = self.teacher_options()
        return open_teachers(self.teacher, options, self.query_prompt, self.doc_prompt)
