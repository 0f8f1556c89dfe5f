"""The options of formats that write a teacher's vectors: which teacher, and how it encodes."""

import shlex
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.backends import Encoding, Options
from gpte_data.config import Identity, Runtime
from gpte_data.emission.options import EmitConfig
from gpte_data.errors import BadOption
from gpte_data.teachers import KINDS, PRECOMPUTED, Teacher, dtype_of, open_teacher, teacher_identity

OPTIONS = (
    "teacher", "query_prompt", "doc_prompt", "vector_dtype", "dtype", "max_length", "truncate_dim",
    "base_url", "concurrency", "batch_tokens",
)  # fmt: skip
WITHOUT = (
    "num_negatives", "shortage", "candidates", "scores", "split", "mix", "mix_by", "total", "cap",
    "per_dataset", "no_in_batch", "batch_size", "batch_order", "last_batch", "clusters",
    "curriculum_steps", "instructions", "instruct",
)  # fmt: skip
"""Options about examples, of which such formats have none."""


def _identity(spec: str) -> Any:
    return teacher_identity(spec) if spec else ""


class EmitOptions(EmitConfig):
    """All that emission is told: also whose vectors are written; documents' lie beside a corpus."""

    teacher: Annotated[str, Identity(_identity)] = Field(
        "", description=f"Whose vectors, for --format leaf and --batch-order cluster: {KINDS}."
    )
    query_prompt: str = Field(
        "", description="Put before each query, for the teacher and in what is written."
    )
    doc_prompt: str = Field("", description="The same before each document.")
    vector_dtype: Literal["float16", "float32"] = Field(
        "float16", description="Of the numbers of a vector; beside a corpus lie float16."
    )
    dtype: Annotated[str, Runtime()] = Field(
        "auto", description="Of st:MODEL: float32, bfloat16 or float16; bfloat16 where it is fast."
    )
    max_length: int | None = Field(
        None, ge=1, description="Of st:MODEL and promptreps:MODEL: tokens that the teacher reads."
    )
    truncate_dim: int | None = Field(
        None, ge=1, description="Numbers of a vector that are kept (Matryoshka models)."
    )
    base_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for openai:MODEL; else OPENAI_BASE_URL."
    )
    concurrency: Annotated[int, Runtime()] = Field(64, ge=1, description="Requests in flight.")
    batch_tokens: Annotated[int, Runtime()] = Field(
        8192, ge=1, description="Of st:MODEL: padded tokens run together."
    )

    def identity(self) -> dict[str, Any]:
        """Return what decides the output; the type that a model runs in among it."""
        found = super().identity()
        if not self.teacher:  # as if there were no such options
            return {name: value for name, value in found.items() if name not in OPTIONS}
        local = self.teacher.startswith("st:")
        return found | ({"dtype": dtype_of(self.dtype)} if local else {})

    def check_teacher(self, format_: str, *, wanted: bool) -> None:
        """Raise BadOption where there is no teacher and one is needed, or the other way round."""
        unused = WITHOUT if wanted else () if self.batch_order == "cluster" else OPTIONS
        given = [name for name in unused if name in self.model_fields_set]
        if given:
            why = "whose rows are no examples" if wanted else "which holds no vectors"
            option = given[0].replace("_", "-")
            raise BadOption(
                f"--{option} changes nothing with --format {format_}, {why}: leave it out"
            )
        if wanted and not self.teacher:
            raise BadOption(
                f"--format {format_} writes a teacher's vectors: give --teacher {KINDS}"
            )

    def open_teacher(self) -> Teacher:
        """Return the teacher; a model is loaded when it is first needed."""
        encoding = Encoding(self.dtype, self.max_length, self.truncate_dim)
        prompts = (self.query_prompt, self.doc_prompt)
        if self.teacher.startswith(PRECOMPUTED) and (encoding != Encoding() or any(prompts)):
            raise BadOption(
                f"{self.teacher} are vectors already: leave out the prompts, --dtype, "
                "--max-length and --truncate-dim"
            )
        options = Options(encoding, self.base_url, self.concurrency, batch_tokens=self.batch_tokens)
        return open_teacher(self.teacher, options, *prompts)

    def command(self, corpus: object) -> str:
        """Return the command that makes the vectors of a corpus."""
        words = ["gpte-data", "embed", str(corpus)]
        for name in ("teacher", "doc_prompt", "dtype", "max_length", "truncate_dim"):
            if name in self.model_fields_set and getattr(self, name):
                words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        return shlex.join(words)
