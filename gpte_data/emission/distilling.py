"""Emission of texts with a teacher's vectors.

Those of documents come from beside their corpus; queries are encoded when their shard is written,
so that a shard that is there costs nothing.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, pairwise
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gpte_data.corpus import Corpus
from gpte_data.emission.cutting import LOOK, cut
from gpte_data.emission.emitting import look_of
from gpte_data.emission.library import Library
from gpte_data.emission.sources import as_tables, corpora, sources
from gpte_data.emission.spill import Numbers, Room
from gpte_data.emission.teacher_options import EmitOptions
from gpte_data.emission.texts_alone import TextsAlone
from gpte_data.emission.told import told_of_texts
from gpte_data.errors import BadInput, BadOption
from gpte_data.formats import OpenFormat
from gpte_data.formats.block import TextBlock, full
from gpte_data.stage import Context, Event
from gpte_data.table_files import TableFile, ending
from gpte_data.teachers import Teacher
from gpte_data.vectors import missing_shards

BLOCK = 8192
"""Texts that are joined with their vectors together, their queries encoded: a row group."""


class Distilling:
    """One run of emission of texts.

    Raises:
        BadInput: A corpus has no vectors by the teacher.
    """

    def __init__(self, format_: OpenFormat, cfg: EmitOptions, ctx: Context) -> None:
        self.format, self.cfg, self.ctx = format_, cfg, ctx
        self.look = look_of(format_, cfg)
        datasets = [one.name for one in sources(cfg.source)] if cfg.source else [""]
        self.library = Library(corpora(cfg.corpus, datasets))
        self.teacher: Teacher = cfg.open_teacher()
        self._one = Lock()
        """A model, and a file of vectors, answers one shard at a time."""
        self.vectors = [self._vectors(corpus) for corpus in self.library.corpora]

    def _vectors(self, corpus: Corpus) -> Any:
        """Return what lies beside a corpus."""
        if self.teacher.files:
            return self.teacher.documents(corpus)
        if missing := missing_shards(corpus, self.teacher.vector_spec):
            folder = missing[0].parent
            raise BadInput(
                f"{folder} has no vectors of --teacher {self.cfg.teacher} with these options: "
                f"make them first, {self.cfg.command(folder)}"
            )
        return self.teacher.documents(corpus)

    def events(self, rows: Iterable[Any]) -> Iterator[Event]:
        """Yield what is left out, then the files."""
        room = self.ctx.closing.enter_context(Room(self.ctx.folder))
        cfg, numbers = self.cfg, Numbers(room, np.int64)
        prompts = (cfg.query_prompt, cfg.doc_prompt)
        texts = TextsAlone(self.library, room, cfg.seed, prompts, cfg.prompt, cfg.template)
        for table in as_tables(rows):
            yield from texts.take(table)
        self._check(texts)
        yield from chain(texts.take_documents(), texts.distinct(numbers))
        if numbers.length:
            files = list(self._files(texts, numbers.read()))
            yield from files
            self.ctx.facts.update(self._facts(texts, numbers.read(), files))

    def _check(self, texts: TextsAlone) -> None:
        """Raise a UserError where the teacher can't give the vectors of the queries."""
        if not len(texts.queries["query"]):
            return
        if self.teacher.in_order:
            raise BadOption(
                f"{self.cfg.teacher} says nothing of which query its vectors belong to: "
                "give queries.txt with their ids, one a line"
            )
        ids = texts.queries["query_id"]

        def read() -> Iterator[dict[str, Any]]:
            for start in range(0, len(ids), LOOK):
                part = ids.take(np.arange(start, min(start + LOOK, len(ids))))
                yield from ({"query_id": one} for one in part.to_pylist())

        for corpus in self.library.corpora:
            self.teacher.check(corpus, read)

    def _facts(self, texts: TextsAlone, numbers: Any, files: list[TableFile]) -> dict[str, Any]:
        """Return what was written, for the data card."""
        documents = int((numbers >= 0).sum())
        vectors = {
            "teacher": self.teacher.label,
            "dimension": self._dimension,
            "dtype": self.cfg.vector_dtype,
            "documents": documents,
            "queries": len(numbers) - documents,
        }
        return {"vectors": vectors, **told_of_texts(self.library, texts.shelf.used, files, vectors)}

    @property
    def _dimension(self) -> int:
        return int(self.vectors[0].dimension)

    def _files(self, texts: TextsAlone, order: Any) -> Iterator[TableFile]:
        """Yield the shards."""
        look, of = self.look, self.format.of
        width = self._dimension * np.dtype(self.cfg.vector_dtype).itemsize

        def sizes() -> Iterator[int]:
            for start in range(0, len(order), LOOK):
                yield from (texts.sizes(order[start : start + LOOK]) + width).tolist()

        starts = cut(len(order), look.shard_rows, look.shard_bytes, sizes())
        suffix = of.suffix or ending(of.kind or "parquet", look.compression)
        for number, (start, stop) in enumerate(pairwise(starts)):
            yield TableFile(
                f"{number:05d}{suffix}", partial(self._tables, texts, order[start:stop]),
                stop - start, of.kind or "parquet", look.compression,
            )  # fmt: skip

    def _tables(self, texts: TextsAlone, order: Any) -> Iterator[Any]:
        """Yield the tables of a shard."""
        for start in range(0, len(order), BLOCK):
            block = self._block(texts, np.asarray(order[start : start + BLOCK]))
            yield pa.table(dict(self.format.columns(block)))
            texts.shelf.rest()

    def _block(self, texts: TextsAlone, numbers: Any) -> TextBlock:
        """Return texts with their vectors: documents and queries apart, then back in order."""
        documents, queries = np.flatnonzero(numbers >= 0), np.flatnonzero(numbers < 0)
        vectors = np.zeros((len(numbers), self._dimension), dtype=self.cfg.vector_dtype)
        asked = {name: one.take(-1 - numbers[queries]) for name, one in texts.queries.items()}
        with self._one:
            vectors[documents] = self._of_documents(numbers[documents])
            if len(queries):
                vectors[queries] = self.teacher.queries(pa.table(asked).to_pylist()).vectors
        title, text = (texts.shelf.take(name, numbers[documents]) for name in ("title", "text"))
        read = [_prompted(full(title, text), texts.doc_prompt)]
        read.append(_prompted(asked["query"], texts.query_prompt))
        back = np.argsort(np.concatenate([documents, queries]))
        return TextBlock(pa.concat_arrays(read).take(pa.array(back)), vectors)

    def _of_documents(self, numbers: Any) -> Any:
        """Return the vectors of documents by their numbers in the library."""
        owner = np.searchsorted(self.library.starts, numbers, side="right") - 1
        found = np.zeros((len(numbers), self._dimension), dtype=np.float32)
        for place, vectors in enumerate(self.vectors):
            mine = owner == place
            found[mine] = vectors.take(numbers[mine] - self.library.starts[place])
        return found


def _prompted(texts: Any, prompt: str) -> Any:
    """Return texts with a prompt before each."""
    return pc.binary_join_element_wise(pa.scalar(prompt), texts, "") if prompt else texts
