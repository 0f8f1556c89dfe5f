"""Teachers that are models: they embed a corpus once, beside it, and queries as they come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpte_data.backends import EMBEDDERS, Embedder, Options, check, label, open_embedder
from gpte_data.backends.embedded import Embedded, embed
from gpte_data.backends.encoding import embedder_identity
from gpte_data.corpus import Corpus
from gpte_data.ledger import Ledger
from gpte_data.stage import Row
from gpte_data.vectors import VectorSpec

if TYPE_CHECKING:
    from gpte_data.backends.vectors_on_disk import Vectors


@dataclass(frozen=True)
class ModelTeacher:
    """A model that embeds texts."""

    spec: str
    options: Options
    query_prompt: str
    doc_prompt: str

    @property
    def label(self) -> str:
        """The SPEC, without the way to a local folder."""
        return label(self.spec)

    @property
    def vector_spec(self) -> VectorSpec:
        """What decides the corpus' vectors."""
        identity = embedder_identity(self.spec, self.options.encoding)
        return VectorSpec(self.spec, identity, self.doc_prompt)

    def open(self) -> Embedder:
        """Return the model, loaded once in a process."""
        return open_embedder(self.spec, self.options)

    in_order = False

    @property
    def files(self) -> Mapping[str, str]:
        """None: a model makes them."""
        return {}

    def tell(self, query_ids: Sequence[Any]) -> None:
        """Need nothing: a model reads the queries themselves."""

    def check(self, corpus: Corpus, read: Callable[[], Any]) -> None:
        """Raise a UserError if the model can't be reached or found."""
        check(self.spec, EMBEDDERS, "teacher", self.options)

    def ensure(self, corpus: Corpus) -> Mapping[str, int]:
        """Embed what is missing of the corpus."""
        return self.embedded(corpus).notes

    def embedded(self, corpus: Corpus) -> Ledger:
        """Embed what is missing of the corpus; return the books of that."""
        from gpte_data.embedding import ensure_vectors

        return ensure_vectors(corpus, self.vector_spec, self.open)

    def documents(self, corpus: Corpus) -> "Vectors":
        """Return the vectors that lie beside the corpus."""
        from gpte_data.embedding import load_vectors

        return load_vectors(corpus, self.vector_spec)

    def queries(self, rows: Sequence[Row]) -> Embedded:
        """Embed the queries."""
        return embed(self.open(), [row["query"] for row in rows], self.query_prompt)
