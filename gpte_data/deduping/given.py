"""What dedup reads: the input's rows with what is compared of them, and those of other datasets."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io
from gpte_data.corpus import Corpus, open_corpus
from gpte_data.deduping.compared import READ, On, Said, on_for, said
from gpte_data.deduping.moved import open_moves
from gpte_data.deduping.options import DedupConfig
from gpte_data.errors import BadOption
from gpte_data.stage import Row


@dataclass(frozen=True)
class Given:
    """What is read, and how.

    Attributes:
        cfg: The options.
        read: Reads the rows of the input anew.
        on: What is compared.
        corpus: Where pairs' positives are looked up, or None.
    """

    cfg: DedupConfig
    read: Callable[[], Iterable[Row]]
    on: On
    corpus: Corpus | None

    @classmethod
    def of(cls, cfg: DedupConfig, read: Callable[[], Iterable[Row]]) -> "Given":
        """Look at the first row; raise a UserError if options and rows don't go together."""
        first = next(iter(read()), {})
        on = cfg.on or on_for(first)
        if cfg.moved and on == "text":
            raise BadOption("--moved is for pairs, which name passages: leave it out for passages")
        inside = next(io.read_all(cfg.corpus[0]), {}) if on == "pair" and cfg.corpus else {}
        given = bool(inside) and "query_id" not in inside  # a run's own input stands there if none
        if on == "pair" and not given and "semantic" in cfg.ways:
            raise BadOption(
                "--by semantic compares what is said, and pairs name their positives by id: give "
                "their --corpus, or --on query"
            )
        return cls(cfg, read, on, open_corpus(cfg.corpus) if given else None)

    def said(self) -> Iterator[Said]:
        """Yield what is compared of the input's rows."""
        return said(self.rows(), self.on, self.corpus, "the input")

    def rows(self) -> Iterator[Row]:
        """Yield the input's rows, with survivors in place of passages that went."""
        moves = open_moves(self.cfg.moved)
        notes: Counter[str] = Counter()
        for row in self.read():
            if moves is not None:
                yield moves.applied(row, notes)
            else:
                yield row

    def said_in(self, folder: Path) -> Iterator[Said]:
        """Yield what is compared of another dataset's rows."""
        rows = io.read_all(folder, (*READ[self.on], "title"))
        return said(rows, self.on, self.corpus, f"--against {folder}")

    def contents(self, wanted: Any) -> Any:
        """Return a number for all that some rows of the input hold; numbers of rows in order."""
        left, found = iter(wanted.tolist()), list[bytes]()
        next_ = next(left, None)
        for number, row in enumerate(self.rows()):
            if number == next_:
                line = io.to_line(dict(sorted(row.items())))
                found.append(hashlib.blake2b(line, digest_size=8).digest())
                next_ = next(left, None)
        return np.frombuffer(b"".join(found), dtype=np.uint64)
