"""BM25 over a whole corpus, from the index of words beside it, with the weights of `lexical`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpte_data.mining.inverted import best_hits
from gpte_data.mining.lexical import Lexical
from gpte_data.mining.terms import counted, unpacked


class BM25Index:
    """Finds the passages with the highest BM25."""

    def __init__(self, lexical: Lexical) -> None:
        self.lexical = lexical

    def hits(self, queries: Sequence[str], k: int) -> list[Any]:
        """Return for each query the positions of its best k, and of what ties with the last.

        Passages without a word of the query are never hits; a query may have fewer than k.
        """
        asked, lengths = counted(queries)
        split = [unpacked(one) for one in np.split(asked, np.cumsum(lengths)[:-1])]
        return best_hits(self.lexical.terms, self._weighted, split, k)

    def _weighted(self, packed: Any, sizes: Any) -> tuple[Any, Any]:
        words, weights, _ = self.lexical.weighted(packed, sizes)
        return words, weights * self.lexical.idf[words]
