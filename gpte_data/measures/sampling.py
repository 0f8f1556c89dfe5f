"""Some rows of many: those with the smallest hashes of their numbers, whatever is read first."""

from typing import Any


class Sample:
    """Keeps `size` texts of a stream, the same for the same stream cut into any blocks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen = 0
        self._keys: Any = None
        self._texts: list[str] = []

    def add(self, texts: Any) -> None:
        """Look at some texts: Arrow strings without nulls."""
        import numpy as np

        from gpte_data.text_hashes import mixed

        keys = mixed(np.arange(self.seen, self.seen + len(texts), dtype=np.uint64))
        self.seen += len(texts)
        if self._keys is None:
            self._keys = keys[:0]
        new = np.flatnonzero(keys < self._keys[-1]) if len(self._keys) == self.size else slice(None)
        places = np.arange(len(texts))[new]
        found = [*self._texts, *texts.take(places).to_pylist()]
        both = np.concatenate([self._keys, keys[places]])
        order = np.argsort(both)[: self.size]
        self._keys, self._texts = both[order], [found[n] for n in order.tolist()]

    def texts(self) -> list[str]:
        """Return what was kept, in the order of the hashes, which is no order of the rows."""
        return self._texts
