"""Who asks: personas near a passage, and personas of a domain, found by embedding.

Qwen3-Embedding (2506.05176, section 3.3) retrieves the five personas nearest to each passage and
lets the model choose among them; FinMTEB (2502.10990) takes the personas of a domain. The personas'
vectors lie beside them, as a corpus' do, and are searched where they lie.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gpte_data.asking import teacher_options
from gpte_data.backends import (
    EMBEDDERS,
    Embedder,
    check,
    open_embedder,
)  # fmt: skip
from gpte_data.backends.embedded import embed
from gpte_data.backends.encoding import embedder_identity
from gpte_data.errors import BadOption
from gpte_data.manifest import dataset_content
from gpte_data.personas import COLUMN, Personas, open_personas
from gpte_data.recipes import Recipe
from gpte_data.records import full_text
from gpte_data.stage import Row
from gpte_data.vectors import VectorSpec

Cast = tuple[Row, Sequence[Row], str]
"""A row, the personas that it may choose from, and why it is left out, if it is."""
BLOCK = 64
"""Rows whose personas are searched together."""
SLACK = 8
"""Hits fetched beyond those wanted, so that rounding in the search can't change which are taken."""
CLEAR = 1e-5
"""Difference of scores that rounding in the search can't make."""


def casting_identity(personas: Path | None) -> str:
    """Return what of the personas enters a fingerprint: their content."""
    return "" if personas is None else dataset_content(personas)


def casting_options(cfg: Any, recipes: Iterable[Recipe], domain: str) -> dict[str, Any]:
    """Return which of a config's options decide who asks; the teacher stands for its files."""
    judged = any(_judged(recipe, domain) for recipe in recipes)
    options: dict[str, Any] = {"domain_floor": cfg.domain_floor} if judged else {}
    if cfg.personas is not None:
        options["persona_candidates"] = cfg.persona_candidates
    return options | ({"teacher": embedder_identity(cfg.teacher)} if options else {})


def prepare_casting(cfg: Any, recipes: Iterable[Recipe], domain: str) -> Mapping[str, int]:
    """Make what all shards share: the personas' vectors; return what was counted on the way.

    Raises:
        BadOption: Personas are given and no recipe asks for any.
        UserError: The personas, or the teacher, won't do.
    """
    recipes = tuple(recipes)
    wanted = any("personas" in step.fields for recipe in recipes for step in recipe.steps)
    if cfg.personas is not None and not wanted:
        raise BadOption(f"recipe {cfg.recipe} asks for no personas: leave --personas out")
    if cfg.personas is None and not any(_judged(recipe, domain) for recipe in recipes):
        return {}
    check(cfg.teacher, EMBEDDERS, "teacher", teacher_options(cfg))
    return {} if cfg.personas is None else _ensure(cfg)


def _ensure(cfg: Any) -> Mapping[str, int]:
    """Make the vectors that are missing."""
    from gpte_data.embedding import ensure_vectors

    personas = open_personas(cfg.personas)
    personas.at(0)
    made = ensure_vectors(
        personas, _spec(cfg, COLUMN), lambda: open_embedder(cfg.teacher, teacher_options(cfg))
    )
    return made.notes


def text_of(row: Row) -> str:
    """Return what a row is looked up by: a query, a passage, or what else it is."""
    if "query" in row:
        return str(row["query"])
    if row.get("text"):
        return full_text(row)
    return next(
        (str(row[name]) for name in ("persona", "label", "topic", "title") if name in row), ""
    )


def _cosines(vectors: Any, vector: Any) -> Any:
    """Return exact cosines, each by its two vectors alone: a matrix product rounds otherwise."""
    import numpy as np

    products = np.multiply(vectors, vector, dtype=np.float64)
    return products.sum(axis=1).astype(np.float32)


def _judged(recipe: Recipe, domain: str) -> bool:
    """Tell whether rows are personas of which only those of the domain are taken."""
    return recipe.input == "persona" and bool(domain)


def _spec(cfg: Any, column: str = "") -> VectorSpec:
    return VectorSpec(cfg.teacher, embedder_identity(cfg.teacher), "", column)


@dataclass(frozen=True)
class Casting:
    """Gives each row the personas that it may choose from."""

    embedder: Embedder | None = None
    personas: Personas | None = None
    vectors: Any = None
    """The personas' vectors, as `Vectors`."""
    count: int = 0
    """Personas for each row; all of them where there are fewer."""
    domain: Any = None
    """The vector of the domain that rows, which are personas, must be near to."""
    floor: float = -1.0
    stored: Any = None
    """The vectors of the corpus that is read, where there are any."""

    @classmethod
    def of(cls, cfg: Any, recipe: Recipe, domain: str) -> "Casting":
        """Return the casting that a config and a recipe ask for."""
        judged = _judged(recipe, domain)
        if cfg.personas is None and not judged:
            return cls()
        embedder = open_embedder(cfg.teacher, teacher_options(cfg))
        near = embed(embedder, [domain]).vectors[0] if judged else None
        if cfg.personas is None:
            return cls(embedder, domain=near, floor=cfg.domain_floor)
        from gpte_data.embedding import load_vectors, stored_vectors

        _ensure(cfg)
        personas = open_personas(cfg.personas)
        vectors = load_vectors(personas, _spec(cfg, COLUMN))
        stored = stored_vectors(cfg.corpus, _spec(cfg)) if recipe.input == "passage" else None
        count = min(cfg.persona_candidates, len(personas))
        return cls(embedder, personas, vectors, count, near, cfg.domain_floor, stored)

    def cast(self, rows: Iterable[Row]) -> Iterator[Cast]:
        """Yield each row with its candidates, in order; rows are looked up in blocks."""
        source = iter(rows)
        if self.embedder is None:
            yield from ((row, (), "") for row in source)
            return
        while block := list(islice(source, BLOCK)):
            yield from self._block(block)

    def _block(self, rows: Sequence[Row]) -> Iterator[Cast]:
        said = [row for row in rows if text_of(row).strip()]
        vectors = self._vectors(said)
        found = iter(zip(vectors, self._candidates(vectors), strict=True))
        for row in rows:
            if not text_of(row).strip():
                yield row, (), "empty"
                continue
            vector, candidates = next(found)
            yield row, candidates, "" if self._fits(vector) else "not of the domain"

    def _fits(self, vector: Any) -> bool:
        """Tell whether a persona is of the domain."""
        return self.domain is None or float(_cosines(vector[None], self.domain)[0]) >= self.floor

    def _vectors(self, rows: Sequence[Row]) -> Any:
        """Return a vector for each row: the one that lies beside the corpus, or a new one.

        Both are rounded as those on the disk are, so that it does not matter which it is.
        """
        import numpy as np

        assert self.embedder is not None
        known = [self.stored.find(row) if self.stored is not None else None for row in rows]
        texts = [text_of(row) for row, one in zip(rows, known, strict=True) if one is None]
        made = iter(embed(self.embedder, texts).vectors.astype(np.float16) if texts else ())
        vectors = [next(made) if one is None else one for one in known]
        return np.array(vectors, dtype=np.float32) if vectors else np.zeros((0, 0), np.float32)

    def _candidates(self, vectors: Any) -> Iterator[list[Row]]:
        """Yield the nearest personas of each vector; equally near ones by persona_id."""
        from gpte_data.backends.flat_index import FlatIndex

        if self.personas is None or not len(vectors):
            yield from ([] for _ in vectors)
            return
        index, total = FlatIndex(self.vectors), len(self.personas)
        k = min(self.count + SLACK, total)
        for vector, scores, hits in zip(vectors, *index.search(vectors, k), strict=True):
            while len(hits) < total and scores[self.count - 1] - scores[-1] < CLEAR:
                (scores,), (hits,) = index.search(vector[None], min(2 * len(hits), total))
            yield self._best(vector, hits)

    def _best(self, vector: Any, hits: Any) -> list[Row]:
        """Return the best of the hits, by scores that do not hang on the search."""
        assert self.personas is not None
        scores = _cosines(self.vectors.take(hits), vector)
        found = [self.personas.at(int(hit)) for hit in hits]
        order = sorted(range(len(hits)), key=lambda n: (-scores[n], found[n]["persona_id"]))
        return [found[n] for n in order[: self.count]]

    def said(self, personas: Sequence[Row]) -> Mapping[str, str]:
        """Return the candidates as a prompt lists them, numbered from 1."""
        if not personas:
            return {}
        return {
            "personas": "\n".join(
                f"{n}. {' '.join(str(one['persona']).split())}" for n, one in enumerate(personas, 1)
            )
        }
