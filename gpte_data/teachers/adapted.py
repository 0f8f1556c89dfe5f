"""`adapter:FOLDER` as a teacher: another's vectors beside the corpus, multiplied.

What the teacher below has stored is used as it is, and made first where it is missing; no text is
read again. The products lie beside the corpus as any teacher's vectors do, in float16.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import manifest
from gpte_data.backends.adapter import Adapter, read_adapter
from gpte_data.backends.embedded import Embedded
from gpte_data.backends.vectors_on_disk import VectorFile
from gpte_data.corpus import Corpus
from gpte_data.files import atomic, in_turn, sweep
from gpte_data.ledger import Ledger
from gpte_data.stage import Row
from gpte_data.teachers import ADAPTER, open_model
from gpte_data.teachers.model import ModelTeacher
from gpte_data.vectors import VectorSpec, is_there, missing_shards, shard_identity, vectors_path

BLOCK = 8192
TYPE = np.dtype("<f2")


@dataclass(frozen=True)
class AdaptedTeacher(ModelTeacher):
    """A teacher through an adapter."""

    @property
    def adapter(self) -> Adapter:
        """The maps, and whose vectors they are for."""
        return read_adapter(self.spec.removeprefix(ADAPTER))

    @property
    def base(self) -> ModelTeacher:
        """The teacher below, with the options that the maps were trained with."""
        adapter = self.adapter
        return open_model(
            adapter.teacher,
            adapter.options(self.options),
            adapter.prompt(self.query_prompt, "query_prompt"),
            adapter.prompt(self.doc_prompt, "doc_prompt"),
        )

    @property
    def vector_spec(self) -> VectorSpec:
        """What decides the corpus' vectors: the adapter, the teacher below and its prompt."""
        found = super().vector_spec
        prompt = self.adapter.prompt(self.doc_prompt, "doc_prompt")
        return VectorSpec(self.spec, found.identity, prompt)

    def check(self, corpus: Corpus, read: Callable[[], Any]) -> None:
        """Raise a UserError if it does not fit its teacher, or that can't be reached or found."""
        super().check(corpus, read)
        self.base.check(corpus, read)

    def embedded(self, corpus: Corpus) -> Ledger:
        """Make what is missing; return the books of that."""
        base = self.base
        books = Ledger(notes=base.embedded(corpus).notes)
        for shard in missing_shards(corpus, self.vector_spec):
            target = vectors_path(shard, self.vector_spec)
            with in_turn(target.parent):
                if not is_there(shard, self.vector_spec):  # else another process has made them
                    made = self._multiply(shard, vectors_path(shard, base.vector_spec), target)
                    books = Ledger.total([books, made])
        return books

    def _multiply(self, shard: Path, source: Path, target: Path) -> Ledger:
        """Write the vectors of a shard; return its books."""
        started, maps, file = time.monotonic(), self.adapter.maps, VectorFile(source)
        sweep(target.parent)
        header = {"descr": TYPE.str, "fortran_order": False, "shape": tuple(file.shape)}
        with atomic(target) as out:
            np.lib.format.write_array_header_1_0(out, header)
            for start in range(0, len(file), BLOCK):
                vectors = maps.documents(file.block(start, start + BLOCK))
                out.write(vectors.astype(TYPE).tobytes())
        books = Ledger(rows_in=len(file), rows_out=len(file))
        identity = shard_identity(shard, self.vector_spec)
        seconds = time.monotonic() - started
        mark = manifest.Mark(identity, books, manifest.describe(target), seconds)
        manifest.write_mark(target.parent, target.stem, mark)
        return books

    def queries(self, rows: Sequence[Row]) -> Embedded:
        """Embed the queries, and multiply."""
        found = self.base.queries(rows)
        return Embedded(self.adapter.maps.queries(found.vectors), found.truncated)
