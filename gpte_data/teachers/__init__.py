"""Where a teacher's vectors come from: a model that reads texts, or files that were made before.

    st:MODEL          sentence-transformers, in this process
    openai:MODEL      any server with /v1/embeddings
    vllm:MODEL        vLLM, in this process
    promptreps:MODEL  a language model that is asked for one word, in vLLM: dense and sparse
    model2vec:MODEL   static word vectors
    vectors:FOLDER    documents.npy and queries.npy, made before, by anything

Models embed the corpus once, beside it, and queries as they come.

A new kind is a new file and a line in `open_teacher`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gpte_data.backends import Encoding, Options
from gpte_data.backends.encoding import embedder_identity
from gpte_data.corpus import Corpus
from gpte_data.errors import BadOption
from gpte_data.stage import Row
from gpte_data.vectors import VectorSpec

if TYPE_CHECKING:
    from gpte_data.backends.embedded import Embedded
    from gpte_data.backends.vectors_on_disk import Vectors
    from gpte_data.teachers.model import ModelTeacher

PRECOMPUTED = "vectors:"
PROMPTREPS = "promptreps:"
BM25 = "bm25"
"""A teacher without vectors, beside others."""
KINDS = (
    "st:MODEL, openai:MODEL (any server), vllm:MODEL, promptreps:MODEL, model2vec:MODEL or "
    "vectors:FOLDER"
)


class Teacher(Protocol):
    """Gives the vectors of a corpus and of queries."""

    @property
    def label(self) -> str:
        """How rows name it."""

    @property
    def vector_spec(self) -> VectorSpec:
        """Which folder beside a corpus holds what is made for it."""

    @property
    def files(self) -> Mapping[str, str]:
        """The hashes of files that its vectors of documents were given in."""

    @property
    def in_order(self) -> bool:
        """Whether its vectors of queries belong to pairs by their order alone."""

    def tell(self, query_ids: Sequence[Any]) -> None:
        """Take the ids of all pairs, in order."""

    def check(self, corpus: Corpus, read: Callable[[], Any]) -> None:
        """Raise a UserError if it can't be reached or found, or belongs to other rows."""

    def ensure(self, corpus: Corpus) -> Mapping[str, int]:
        """Make the corpus' vectors where they are missing; return what was noted."""

    def documents(self, corpus: Corpus) -> "Vectors":
        """Return the corpus' vectors, row i for passage i."""

    def queries(self, rows: Sequence[Row]) -> "Embedded":
        """Return a unit vector for each pair."""


def open_teacher(
    spec: str, options: Options, query_prompt: str = "", doc_prompt: str = ""
) -> Teacher:
    """Return the teacher of a SPEC."""
    if spec.startswith(PRECOMPUTED):
        from gpte_data.teachers.precomputed import opened

        return opened(Path(spec.removeprefix(PRECOMPUTED)))
    return open_model(spec, options, query_prompt, doc_prompt)


def open_teachers(
    specs: Sequence[str], options: Options, query_prompt: str = "", doc_prompt: str = ""
) -> list[Teacher]:
    """Return the teachers with vectors; a model is loaded when it is first needed.

    Raises:
        BadOption: All are vectors already, and options say how texts become vectors.
    """
    given = [spec for spec in specs if spec.startswith(PRECOMPUTED)]
    if len(given) == len(specs) and (options.encoding != Encoding() or query_prompt or doc_prompt):
        raise BadOption(
            f"{given[0]} are vectors already: leave out the prompts, --dtype, --max-length and "
            "--truncate-dim"
        )
    return [open_teacher(spec, options, query_prompt, doc_prompt) for spec in specs if spec != BM25]


def open_model(
    spec: str, options: Options, query_prompt: str = "", doc_prompt: str = ""
) -> "ModelTeacher":
    """Return the teacher of a SPEC that names a model."""
    if spec.startswith(PROMPTREPS):
        from gpte_data.teachers.promptreps import PromptRepsTeacher

        return PromptRepsTeacher(spec, options, query_prompt, doc_prompt)
    from gpte_data.teachers.model import ModelTeacher

    return ModelTeacher(spec, options, query_prompt, doc_prompt)


def teachers_identity(specs: Sequence[str]) -> dict[str, Any]:
    """Return what of the teachers enters a fingerprint; raise BadOption if none has vectors."""
    if specs[0] == BM25:
        raise BadOption(
            "--teacher bm25 goes beside a teacher with vectors, which candidates are described by: "
            "give that one first, as --teacher st:MODEL --teacher bm25"
        )
    first, *others = specs
    more = {
        f"beside_{n}": {"kind": BM25} if spec == BM25 else teacher_identity(spec)
        for n, spec in enumerate(others, 1)
    }
    return teacher_identity(first) | more


def teacher_identity(spec: str) -> dict[str, Any]:
    """Return what of a teacher enters a fingerprint, apart from how it encodes."""
    if spec.startswith(PRECOMPUTED):
        from gpte_data.teachers.precomputed import opened

        return {"kind": "vectors", **opened(Path(spec.removeprefix(PRECOMPUTED))).identity}
    if spec.startswith(PROMPTREPS):
        from gpte_data.teachers.promptreps import promptreps_identity

        return promptreps_identity(spec)
    found = embedder_identity(spec)
    found.pop("dtype", None)
    return found


def dtype_of(asked: str) -> str:
    """Return the type that models of `st:` run in here."""
    from gpte_data.backends import st_embedder

    return st_embedder.dtype_of(asked)
