"""What is counted of candidates: verdicts, reasons, sources, scores, lengths; columns at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpte_data.measures.distributions import add_lengths, add_scores, distribution
from gpte_data.measures.hardness import Hardness
from gpte_data.records import RANDOM, WRITTEN

NO_RULE = "no rule was applied"


class Hits:
    """Counts over the candidates of all rows."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.sources: dict[str, Counter[str]] = {}
        self.scores: dict[str, Counter[float]] = {}
        self.by_source: dict[str, dict[str, Counter[float]]] = {}
        self.words: Counter[float] = Counter()
        """Of kept candidates."""
        self.not_finite = 0
        self.hardness = Hardness()

    def add(self, column: Any, rerankers: Any) -> None:
        """Count the candidates of some rows.

        Args:
            column: Arrow lists of structs, (n,).
            rerankers: Names of what gave the rerank scores of each row, (n,) in objects.
        """
        import numpy as np
        import pyarrow.compute as pc

        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        structs = pc.list_flatten(column)
        if not len(structs):
            return
        fields = {structs.type.field(n).name: n for n in range(structs.type.num_fields)}
        columns = {name: pc.struct_field(structs, [n]) for name, n in fields.items()}
        verdicts = _named(columns, "verdict", "keep")
        reasons = _named(columns, "reason", NO_RULE)
        sources = _named(columns, "source", "")
        self._count(verdicts, reasons, sources)
        kept = verdicts.of("keep")
        self._by(columns, "score", kept, Named(["teacher"], np.zeros_like(rows)), sources)
        names, codes = np.unique(rerankers.astype(str), return_inverse=True)
        self._by(columns, "rerank_score", kept, Named(names.tolist(), codes[rows]), None)
        if "words" in columns:
            found = columns["words"].filter(_mask(kept)).drop_null()
            add_lengths(self.words, found.to_numpy(zero_copy_only=False))
        judged = verdicts.beside(reasons)
        self.hardness.add(rows, columns, kept, sources.of(WRITTEN), judged)

    def _count(self, verdicts: "Named", reasons: "Named", sources: "Named") -> None:
        for verdict, count in verdicts.counts():
            self.verdicts[verdict] += count
        for reason, count in verdicts.beside(reasons).counts():
            self.reasons[reason] += count
        for code, source in enumerate(sources.names):
            part = Named(verdicts.names, verdicts.codes[sources.codes == code])
            for verdict, count in part.counts():
                self.sources.setdefault(source, Counter())[verdict] += count

    def _by(
        self, columns: Any, name: str, kept: Any, models: "Named", sources: "Named | None"
    ) -> None:
        """Count scores by verdict and model, and of the teacher by who found the candidate."""
        import numpy as np

        if name not in columns:
            return
        values = columns[name].to_numpy(zero_copy_only=False).astype(np.float64)
        there = columns[name].is_valid().to_numpy(zero_copy_only=False)
        finite = there & np.isfinite(values)
        self.not_finite += int((there & ~finite).sum())
        for verdict, mask in (("negatives", kept & finite), ("dropped", ~kept & finite)):
            for model, part in models.parts(mask):
                counts = self.scores.setdefault(f"{verdict}, {model}", Counter())
                add_scores(counts, values[part])
            for source, part in sources.parts(mask) if sources is not None else ():
                found = self.by_source.setdefault(source, {}).setdefault(verdict, Counter())
                add_scores(found, values[part])

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "verdicts": dict(self.verdicts),
            "sources": {name: dict(counts) for name, counts in sorted(self.sources.items())},
            "reasons": dict(sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))),
            "scores_by_source": {
                name: {verdict: distribution(found[verdict]) for verdict in sorted(found)}
                for name, found in sorted(self.by_source.items(), key=_last)
            },
            "hardness": self.hardness.to_json(),
        }


@dataclass(frozen=True)
class Named:
    """A column of names, each by its number."""

    names: list[str]
    codes: Any

    def of(self, name: str) -> Any:
        """Tell which have a name, (n,)."""
        return self.codes == (self.names.index(name) if name in self.names else -1)

    def beside(self, other: "Named") -> "Named":
        """Return both names of each, as `verdict: reason`."""
        names = [f"{one}: {two}" for one in self.names for two in other.names]
        return Named(names, self.codes * len(other.names) + other.codes)

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield names that occur, with how often."""
        import numpy as np

        times = np.bincount(self.codes, minlength=len(self.names)).tolist()
        return ((name, n) for name, n in zip(self.names, times, strict=True) if n)

    def parts(self, mask: Any) -> Iterator[tuple[str, Any]]:
        """Yield the names that occur under a mask, with where they do."""
        for code, name in enumerate(self.names):
            part = mask & (self.codes == code)
            if part.any():
                yield name, part


def _last(named: tuple[str, Any]) -> tuple[bool, str]:
    """Put what was written, and what was drawn, behind what teachers found."""
    return named[0] in (WRITTEN, RANDOM), named[0]


def _named(columns: Any, name: str, other: str) -> Named:
    """Return a field's values, with another where there is none."""
    import numpy as np

    length = len(next(iter(columns.values())))
    if name not in columns:
        return Named([other], np.zeros(length, dtype=np.int64))
    coded = columns[name].fill_null(other).dictionary_encode()
    return Named(coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64))


def _mask(flags: Any) -> Any:
    import pyarrow as pa

    return pa.array(flags)
