"""A reranker whose scores are kept: its model is asked only for pairs that it never scored before.

Scores lie beside the first corpus, `CORPUS/_scores/NAME/`, whatever stage asked for them and with
whatever thresholds. NAME ends with a hash of all that decides a score beside the texts: the model's
files, or its name where a server runs it, and how it is told to read. The texts themselves are in
the key, so a corpus may change, and another may share the folder.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from gpte_data import io
from gpte_data.backends import Options, Reranker, open_reranker
from gpte_data.backends.reranking import Traits, traits
from gpte_data.backends.scored import checked
from gpte_data.files import readable
from gpte_data.ledger import Ledger
from gpte_data.scoring.pairs import Pairs
from gpte_data.scoring.store import Store
from gpte_data.text_hashes import hashes, of_pairs

VERSION = 1
"""Of how a pair becomes a score; raised when the same texts and model would give another."""
Tell = Callable[[int], None]


def scores_folder(corpus: Path) -> Path:
    """Return where scores lie that belong to a corpus, a folder or one file."""
    return io.shards(corpus)[0].parent / "_scores"


def open_scorer(spec: str, options: Options, folder: Path) -> "Scorer":
    """Return the reranker of a SPEC with its scores in a folder of all rerankers' scores.

    Raises:
        BadOption: There is no such reranker, or it does not take such options.
        BadInput: What lies in the folder are no scores.
    """
    return Scorer(spec, options, folder)


class Scorer:
    """Scores pairs; a context, which lets its part of the folder go at the end.

    Attributes:
        traits: Label, scale and margin of the reranker.
        asked: Pairs that the model has scored.
        known: Pairs whose score was on disk.
    """

    def __init__(self, spec: str, options: Options, folder: Path) -> None:
        self.spec, self.options = spec, options
        self.traits: Traits = traits(spec, options.reranking)
        decided = {"version": VERSION, **self.traits.identity}
        digest = hashlib.sha256(orjson.dumps(decided, option=orjson.OPT_SORT_KEYS)).digest()
        self._salt = np.frombuffer(digest[:16], dtype="<u8")
        self.store = Store(folder / f"{readable(self.traits.label)}-{digest.hex()[:8]}")
        self.asked = self.known = 0

    def score(self, pairs: Pairs, tell: Tell = lambda n: None) -> Any:
        """Return the scores (n,) in float32, finite; `tell` gets the pairs done.

        A pair that comes twice is asked for once. What the model has scored is on disk batch by
        batch, so that a killed run goes on behind the last one.

        Raises:
            UserError: The model gives no score for a pair, or none that is a number.
        """
        if not len(pairs):
            return np.zeros(0, dtype=np.float32)
        asked = hashes(pairs.queries)[pairs.query]
        keys = of_pairs(asked, pairs.hashes[pairs.document], self._salt)
        first, inverse = _distinct(keys)
        keys = keys[first]
        scores = self.store.find(keys)
        missing = np.flatnonzero(np.isnan(scores))
        self.known += len(first) - len(missing)
        tell(len(pairs) - len(missing))
        if len(missing):
            places = first[missing]
            missing = missing[np.lexsort((places, pairs.query[places]))]  # query by query
            self._ask(pairs, keys, first, missing, scores, tell)
        return scores[inverse]

    def _ask(
        self, pairs: Pairs, keys: Any, first: Any, missing: Any, scores: Any, tell: Tell
    ) -> None:
        """Have the model score what is missing; keep each batch."""
        self.store.ready()
        places = first[missing]
        query, document = pairs.query[places], pairs.document[places]
        numbers, which = np.unique(document, return_inverse=True)
        texts = pairs.texts(numbers)
        wanted = [
            (pairs.queries[q], texts[d])
            for q, d in zip(query.tolist(), which.tolist(), strict=True)
        ]
        names = [pairs.names[q] for q in query]
        batches = self._reranker().stream(wanted)
        for batch in checked(batches, names, self.traits.label):
            found = missing[batch.positions]
            self.store.add(keys[found], batch.scores)
            scores[found] = batch.scores
            self.asked += len(found)
            tell(len(found))

    def _reranker(self) -> Reranker:
        return open_reranker(self.spec, self.options)

    def note(self, books: Ledger) -> None:
        """Write into the books how many pairs were asked for, and how many were known."""
        counts = {"pairs scored": self.asked, "scores from the cache": self.known}
        books.notes.update({what: count for what, count in counts.items() if count})
        self.asked = self.known = 0

    def close(self) -> None:
        """Let this process's part of the folder go."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _distinct(keys: Any) -> tuple[Any, Any]:
    """Return where each key comes first, and of each place the number of its key."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    number = np.cumsum(new) - 1
    inverse = np.empty(len(keys), dtype=np.int64)
    inverse[order] = number
    return order[new], inverse  # lexsort is stable: the first place of each key
