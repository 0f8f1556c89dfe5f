"""`promptreps:MODEL` as a teacher: what one pass of a language model gives of each text.

What lies beside the corpus are the hidden states themselves, in float16. Their directions are the
dense vectors; their lengths count too, since the weights of the words (`mining.bags`) follow from
hidden states and not from directions. So nothing else has to be kept, and no text is read twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpte_data.backends import Batch, Encoding
from gpte_data.backends.embedded import Embedded, embed
from gpte_data.backends.promptreps import KIND, MAX_LENGTH, PromptReps, check, open_promptreps
from gpte_data.backends.promptreps import identity as files_and_prompts
from gpte_data.corpus import Corpus
from gpte_data.errors import BadOption
from gpte_data.stage import Row
from gpte_data.teachers.model import ModelTeacher
from gpte_data.vectors import VectorSpec

if TYPE_CHECKING:
    from gpte_data.backends.vectors_on_disk import Vectors

PREFIX = f"{KIND}:"


@dataclass(frozen=True)
class _Reader:
    """The model as an embedder of passages or of queries, whose vectors have any length."""

    model: PromptReps
    query: bool

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Yield hidden states."""
        return self.model.hidden(texts, prompt, self.query)


@dataclass(frozen=True)
class PromptRepsTeacher(ModelTeacher):
    """A language model that is asked for one word."""

    _asked: dict[tuple[str, ...], Embedded] = field(default_factory=dict, compare=False)
    """The queries read last: both of a text's representations come from one pass."""

    @property
    def model(self) -> str:
        """Its folder or its name on the hub."""
        return self.spec.removeprefix(PREFIX)

    @property
    def vector_spec(self) -> VectorSpec:
        """What decides the hidden states of a corpus."""
        length = self.options.encoding.max_length or MAX_LENGTH
        identity = promptreps_identity(self.spec, self.options.encoding) | {"max_length": length}
        return VectorSpec(self.spec, identity, self.doc_prompt)

    def reps(self) -> PromptReps:
        """Return the model, opened once in a process."""
        return open_promptreps(self.model, self.options)

    def open(self) -> _Reader:
        """Return the model as an embedder of passages."""
        return _Reader(self.reps(), query=False)

    def check(self, corpus: Corpus, read: Callable[[], Any]) -> None:
        """Raise a UserError if it can't be found, is no language model or takes no such option."""
        promptreps_identity(self.spec, self.options.encoding)
        check(self.model, self.options)

    def documents(self, corpus: Corpus) -> "Vectors":
        """Return the directions of the hidden states that lie beside the corpus."""
        from gpte_data.backends.vectors_on_disk import Vectors

        return Vectors(super().documents(corpus).parts, unit=False)

    def states(self, rows: Sequence[Row]) -> Embedded:
        """Return the hidden states of queries, rounded as those of passages are."""
        import numpy as np

        texts = tuple(row["query"] for row in rows)
        if texts not in self._asked:
            found = embed(_Reader(self.reps(), query=True), texts, self.query_prompt)
            rounded = found.vectors.astype(np.float16).astype(np.float32)
            self._asked.clear()
            self._asked[texts] = Embedded(rounded, found.truncated)
        return self._asked[texts]

    def queries(self, rows: Sequence[Row]) -> Embedded:
        """Return the directions of the queries' hidden states."""
        from gpte_data.backends.unit import unit

        found = self.states(rows)
        refusal = BadOption(f"{self.spec} gave a vector that is zero or not finite")
        return Embedded(unit(found.vectors, refusal), found.truncated)


def promptreps_identity(spec: str, encoding: Encoding = Encoding()) -> dict[str, Any]:
    """Return what of such a teacher enters a fingerprint.

    Raises:
        BadOption: No model is named, or the encoding is not for it.
    """
    model = spec.removeprefix(PREFIX)
    if not model:
        raise BadOption(f"--teacher {spec} names no model: expected {PREFIX}MODEL")
    if encoding.dtype != Encoding().dtype:
        raise BadOption(f"--dtype is for st:MODEL: {spec} decides that itself, leave it out")
    if encoding.truncate_dim is not None:
        raise BadOption(f"--truncate-dim is for models trained for it: leave it out with {spec}")
    return {"kind": KIND, **files_and_prompts(model)}
