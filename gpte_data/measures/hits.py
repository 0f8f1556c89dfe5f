"""What is counted of candidates: verdicts, reasons, sources, scores, lengths; columns at a time."""

from collections import Counter
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
        verdicts = _filled(columns, "verdict", "keep")
        reasons = _filled(columns, "reason", NO_RULE)
        sources = _filled(columns, "source", "")
        self._count(verdicts, reasons, sources)
        kept = verdicts == "keep"
        self._by(columns, "score", kept, np.full(len(kept), "teacher", dtype=object), sources)
        self._by(columns, "rerank_score", kept, rerankers[rows], None)
        if "words" in columns:
            found = columns["words"].filter(_mask(kept)).drop_null()
            add_lengths(self.words, found.to_numpy(zero_copy_only=False))
        self.hardness.add(rows, columns, kept, sources == WRITTEN, verdicts, reasons)

    def _count(self, verdicts: Any, reasons: Any, sources: Any) -> None:
        import pyarrow as pa

        table = pa.table({"verdict": verdicts, "reason": reasons, "source": sources})
        grouped = table.group_by(["verdict", "reason", "source"]).aggregate([([], "count_all")])
        for one in grouped.to_pylist():
            count = one["count_all"]
            self.verdicts[one["verdict"]] += count
            self.reasons[f"{one['verdict']}: {one['reason']}"] += count
            self.sources.setdefault(one["source"], Counter())[one["verdict"]] += count

    def _by(self, columns: Any, name: str, kept: Any, models: Any, sources: Any) -> None:
        """Count scores by verdict and model, and of the teacher by who found the candidate."""
        import numpy as np

        if name not in columns:
            return
        values = columns[name].to_numpy(zero_copy_only=False).astype(np.float64)
        there = columns[name].is_valid().to_numpy(zero_copy_only=False)
        finite = there & np.isfinite(values)
        self.not_finite += int((there & ~finite).sum())
        for verdict, mask in (("negatives", kept & finite), ("dropped", ~kept & finite)):
            for model in sorted(set(models[mask])):
                counts = self.scores.setdefault(f"{verdict}, {model}", Counter())
                add_scores(counts, values[mask & (models == model)])
            for source in sorted(set(sources[mask])) if sources is not None else ():
                found = self.by_source.setdefault(source, {}).setdefault(verdict, Counter())
                add_scores(found, values[mask & (sources == source)])

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


def _last(named: tuple[str, Any]) -> tuple[bool, str]:
    """Put what was written, and what was drawn, behind what teachers found."""
    return named[0] in (WRITTEN, RANDOM), named[0]


def _filled(columns: Any, name: str, other: str) -> Any:
    """Return a field as an array of objects, with another value where there is none."""
    import numpy as np

    length = len(next(iter(columns.values())))
    if name not in columns:
        return np.full(length, other, dtype=object)
    return columns[name].fill_null(other).to_numpy(zero_copy_only=False)


def _mask(flags: Any) -> Any:
    import pyarrow as pa

    return pa.array(flags)
