"""Models and indexes behind four small protocols; one file for each implementation.

A SPEC names one as `kind:model`. Each module has `open_KIND(model, options)`, `identity(model)`,
and, where something can be wrong before the first row, `check(model, options)`; modules are
imported when a SPEC asks for them, libraries when a model is opened. A new backend is a new file
and a name in a table below.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from gpte_data.backends.reranking import Reranking
from gpte_data.errors import BadOption

if TYPE_CHECKING:
    from gpte_data.backends.scored import Scored

LLMS = {"extractive": "extractive", "openai": "openai_llm", "vllm": "vllm_llm"}
EMBEDDERS = {
    "st": "st_embedder",
    "openai": "openai_embedder",
    "vllm": "vllm_embedder",
    "model2vec": "model2vec_embedder",
    "adapter": "adapter",
}
RERANKERS = {
    "maxsim": "maxsim",
    "st": "st_reranker",
    "openai": "openai_reranker",
    "vllm": "vllm_reranker",
}
MINILM = "all-MiniLM-L6-v2"
DEFAULT_MODEL = {"extractive": "", "maxsim": MINILM}
"""Kinds that may stand without a model."""


@dataclass(frozen=True)
class Encoding:
    """How a teacher makes vectors, beside its files: all of it enters the vectors' identity."""

    dtype: str = "auto"
    """`auto`, `float32`, `bfloat16` or `float16`; only `st:` takes another than auto."""
    max_length: int | None = None
    """Tokens of a text that are read; all that the model takes if None. Only for `st:`."""
    truncate_dim: int | None = None
    """Numbers of a vector that are kept, for models trained so (Matryoshka, 2205.13147)."""


@dataclass(frozen=True)
class Options:
    """How a model is reached or run; `encoding` and `reranking` alone change the answers."""

    encoding: Encoding = Encoding()
    base_urls: tuple[str, ...] = ()
    """Servers of one model, shared by load; OPENAI_BASE_URL if none."""
    concurrency: int = 512
    """The most requests in flight; fewer where the server does not keep up."""
    rpm: int | None = None
    """Requests a minute, over all servers."""
    tpm: int | None = None
    """Tokens a minute, asked and answered, over all servers."""
    timeout: float = 120.0
    retries: int = 6
    batch: Path | None = None
    """Use the server's batch API, and write down in this file which batches are under way."""
    batch_tokens: int = 8192
    engine_args: str = ""
    """For `vllm`: more arguments of the engine, as a JSON object."""
    tensor_parallel: int = 1
    """For `vllm`: GPUs that one engine is spread over."""
    corpus: tuple[Path, ...] = ()
    """Only for `extractive`: whose term statistics to use."""
    reranking: Reranking = field(default_factory=Reranking)


@dataclass(frozen=True)
class Request:
    """One question to a language model."""

    model: str
    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any]
    sampling: Mapping[str, Any]
    """temperature, max_tokens, seed."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the messages were made from; not sent."""

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the answer."""
        asked = [self.model, self.messages, self.schema, self.sampling]
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back: an answer that fits the schema, or an error in words."""

    answer: Mapping[str, Any] | None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    raw: str = ""
    """What the model wrote, where that is no answer."""


Keep = Callable[[Request, Completion], None]


class LLM(Protocol):
    """Answers requests with JSON that fits their schema."""

    query_types: Mapping[str, float] | None
    """Weights of the only query types that it can write, or None if it follows the prompt."""

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield an answer for each request, in order; `keep` gets each as soon as it is there.

        `keep` may be called from another thread. Iterators of one model may be nested: the requests
        of one may come from the answers of another.
        """


@dataclass(frozen=True, slots=True)
class Batch:
    """Vectors of some texts, (n, dimension) in float32, of length 1."""

    positions: Sequence[int]
    """Which of the texts they belong to."""
    vectors: Any
    truncated: int
    """How many of the texts were cut to fit."""


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

    def stream(self, texts: Sequence[str], prompt: str) -> Iterator[Batch]:
        """Embed each text with the prompt before it; yield batches as they are done."""


class Reranker(Protocol):
    """Scores (query, document) pairs together; see `scored.Streaming`."""

    def stream(self, pairs: Sequence[tuple[str, str]]) -> "Iterator[Scored]":
        """Score each pair, higher is better; yield batches as they are done."""

    def score(self, pairs: Sequence[tuple[str, str]], tell: Callable[[int], None]) -> Any:
        """Return scores (n,) in float32 in the order of the pairs; `tell` gets the pairs done."""


class Index(Protocol):
    """Finds the documents whose vectors are nearest to a query's."""

    def hits(self, queries: Any, k: int) -> list[Any]:
        """Return for each query (d,) positions of documents, its best k as found among them.

        What a query finds does not depend on the queries beside it.
        """


def parse_spec(spec: str, kinds: Mapping[str, str], what: str) -> tuple[str, str]:
    """Split a SPEC into kind and model; raise BadOption if there is no such kind."""
    kind, _, model = spec.partition(":")
    model = model or DEFAULT_MODEL.get(kind, "")
    if kind not in kinds or (not model and kind not in DEFAULT_MODEL):
        known = ", ".join(k if k in DEFAULT_MODEL else f"{k}:MODEL" for k in kinds)
        raise BadOption(f"{spec!r} is no {what}: expected one of {known}")
    return kind, model


def _module(kinds: Mapping[str, str], kind: str) -> ModuleType:
    return import_module(f"gpte_data.backends.{kinds[kind]}")


def open_llm(spec: str, options: Options) -> LLM:
    """Return the language model of a SPEC, opened once in a process."""
    llm: LLM = _opened("open_llm", LLMS, "language model", spec, options)
    return llm


def open_embedder(spec: str, options: Options) -> Embedder:
    """Return the teacher of a SPEC, opened once in a process."""
    embedder: Embedder = _opened("open_embedder", EMBEDDERS, "teacher", spec, options)
    return embedder


def open_reranker(spec: str, options: Options) -> Reranker:
    """Return the reranker of a SPEC, opened once in a process."""
    reranker: Reranker = _opened("open_reranker", RERANKERS, "reranker", spec, options)
    return reranker


def _opened(function: str, kinds: Mapping[str, str], what: str, spec: str, options: Options) -> Any:
    """Open a model, or return it where it is open and its files have not changed."""
    kind, model = parse_spec(spec, kinds, what)
    if options.corpus or options.batch:  # a corpus may change; a batch belongs to one shard
        return getattr(_module(kinds, kind), function)(model, options)
    identity = identity_of(kinds, what, spec)
    return _open(function, kinds[kind], model, options, tuple(identity.items()))


@cache
def _open(
    function: str, module: str, model: str, options: Options, identity: tuple[tuple[str, str], ...]
) -> Any:
    return getattr(import_module(f"gpte_data.backends.{module}"), function)(model, options)


def check(spec: str, kinds: Mapping[str, str], what: str, options: Options) -> None:
    """Raise a UserError if the model of a SPEC can't be reached or found."""
    kind, model = parse_spec(spec, kinds, what)
    module = _module(kinds, kind)
    if hasattr(module, "check"):
        module.check(model, options)


def identity_of(kinds: Mapping[str, str], what: str, spec: str) -> dict[str, str]:
    """Return what of a model of any kind enters a fingerprint."""
    kind, model = parse_spec(spec, kinds, what)
    found: dict[str, str] = _module(kinds, kind).identity(model)
    return {"kind": kind, **found}


def llm_identity(spec: str) -> dict[str, str]:
    """Return what of a language model enters a fingerprint."""
    return identity_of(LLMS, "language model", spec)


def label(spec: str) -> str:
    """Return a SPEC as rows name it: a local model by its folder's name, without the way there."""
    kind, _, model = spec.partition(":")
    local = kind != "openai" and bool(model) and Path(model).is_dir()
    return f"{kind}:{Path(model).resolve().name}" if local else spec
