"""What mined negatives are worth: rules and budgets compared on the user's own data.

Where queries have several positives, all but one of them are hidden among the candidates, mined
again, and each rule is held to account: leak is the share of its negatives that are hidden
positives. Where queries have one, nothing can be hidden; leak is then what the estimate expects,
and is said to be. Every rule takes as many negatives of each query as the user wants.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpte_data import io, manifest
from gpte_data.errors import BadInput
from gpte_data.mining.from_options import rules_of
from gpte_data.mining.judging import Hits, Judge, survey, surveyed
from gpte_data.mining.mine_options import MineConfig
from gpte_data.mining.opening import open_miner
from gpte_data.mining.rows import hits_of
from gpte_data.mining.rules import KEPT, Rules
from gpte_data.mining.sampling import Sampling
from gpte_data.positives import SAID
from gpte_data.randomness import bits
from gpte_data.stage import Context, Row

ENOUGH = 20
"""Queries with several positives from which leak is measured; with fewer it is estimated."""
BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
RULES: Mapping[str, tuple[Rules, Sampling]] = {
    "--max-false-negatives 1": (Rules(), Sampling()),
    "--max-false-negatives 1 --min-rank 11": (Rules(min_rank=11), Sampling()),
    "--relative-margin 0.05": (Rules(relative_margin=0.05), Sampling()),
    "--absolute-margin 0.05": (Rules(absolute_margin=0.05), Sampling()),
    "--sampling uniform --min-rank 11": (Rules(min_rank=11), Sampling("uniform")),
}
"""What is compared with budgets, by the flags that ask for it."""
COMMON = 10
"""Hubs that are shown."""


@dataclass(frozen=True, slots=True)
class Audited:
    """A query's candidates, and which of them are positives that were hidden."""

    hits: Hits
    hidden: Any
    doc_ids: Sequence[str]
    longer: Any
    """How many times as many words as the positives' mean, (n,)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one way of choosing comes to."""

    flags: str
    leak: float | None
    """Measured share of negatives that are hidden positives."""
    expected: float
    """The same as the estimate has it."""
    hardness: float
    """Mean score of the negatives."""
    length: float
    """Mean length of the negatives, as a multiple of the positives'."""
    survived: float
    """Share of all candidates that no rule drops."""
    short: float
    """Share of queries with fewer negatives than wanted."""


def audit(folder: Path, cfg: MineConfig, queries: int, seeds: int) -> dict[str, Any]:
    """Compare rules and budgets on a mined dataset.

    Args:
        folder: Output of mine-negatives.
        cfg: How it was mined.
        queries: How many queries are looked at.
        seeds: Choices of the positive that stays known.

    Returns:
        `lines`, by way of choosing; `measured`, whether leak could be; counts of queries;
        `hubs`, the documents that are negatives most often; `flags` and `advice`.
    """
    manifest.check_finished(folder)
    rows = sorted(io.read_all(folder), key=lambda row: bits(0, row["query_id"], "audit"))
    several = [row for row in rows if len(row["positives"]) > 1][:queries]
    measured = len(several) >= ENOUGH
    sample = several if measured else rows[:queries]
    if not sample:
        raise BadInput(f"{folder} holds no queries: audit reads the output of mine-negatives")
    runs = [
        list(_mined(cfg, _known(sample, seed) if measured else sample))
        for seed in range(seeds if measured else 1)
    ]
    lines = list(_lines(runs, cfg, measured=measured))
    hubs = _hubs(rows, cfg.num_negatives)
    return {
        "lines": [asdict(line) for line in lines],
        "measured": measured,
        "queries": len(sample),
        "rows": len(rows),
        "candidates": cfg.top_k,
        "num_negatives": cfg.num_negatives,
        "hubs": hubs,
        **advice(lines, measured=measured),
    }


def config_of(folder: Path, corpus: list[Path] | None, negatives: int | None) -> MineConfig:
    """Return how a dataset was mined, from its marks.

    Without what an earlier mining kept: that one knew the positives which are hidden here, so none
    of its negatives could leak.

    Raises:
        BadInput: It was not made by mine-negatives, or by an older version.
    """
    marks = manifest.marks(folder)
    mark = next(iter(marks.values()), None)
    if mark is None or mark.identity.get("stage") != "mine-negatives":
        made = mark.identity.get("stage") if mark else "nothing that gpte-data knows"
        raise BadInput(f"audit reads the output of mine-negatives: {folder} was made by {made}")
    apart = ("earlier", "earlier_share")
    options = {name: value for name, value in (mark.options or {}).items() if name not in apart}
    if corpus:
        options["corpus"] = tuple(corpus)
    if negatives is not None:
        options["num_negatives"] = negatives
    return MineConfig.of(options)


def _known(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return rows with one positive each, the others as `hidden`."""
    found = []
    for row in rows:
        order = sorted(row["positives"], key=lambda doc: bits(seed, row["query_id"], doc))
        found.append(row | {"positives": order[:1], "hidden": order[1:]})
    return found


def _mined(cfg: MineConfig, rows: Sequence[Row]) -> Iterator[Audited]:
    """Mine the rows again."""
    made = {"candidates", *SAID}
    bare = [{k: v for k, v in row.items() if k not in made} for row in rows]
    miner = open_miner(cfg)
    for mined in miner.mine(bare, Context()):
        doc_ids = miner.corpus.doc_ids.take(mined.positions).to_pylist()
        hidden = np.isin(doc_ids, mined.row.get("hidden", []))
        longer = mined.words / max(float(mined.positive_words.mean()), 1)
        yield Audited(hits_of(mined), hidden, doc_ids, longer)


def _lines(runs: Sequence[Sequence[Audited]], cfg: MineConfig, *, measured: bool) -> Iterator[Line]:
    """Yield every way of choosing."""
    n = cfg.num_negatives
    for flags, (rules, sampling) in RULES.items():
        judge = Judge(rules, sampling, n)
        yield _line(flags, [(run, judge) for run in runs], n, measured=measured)
    own = rules_of(cfg)
    for budget in BUDGETS:
        judged = []
        for run in runs:
            shared = survey([one.hits for one in run], own, n, budget)
            judged.append((run, Judge(own, Sampling(), n, *surveyed(shared))))
        yield _line(f"--max-false-negatives {budget:g}", judged, n, measured=measured)


def _line(
    flags: str, runs: Sequence[tuple[Sequence[Audited], Judge]], negatives: int, *, measured: bool
) -> Line:
    """Judge all queries one way, and count."""
    hidden, expected, scores, longer = [], [], [], []
    survived = candidates = short = queries = 0
    for run, judge in runs:
        shared = survey([one.hits for one in run], Rules(), negatives, 1.0)
        estimate, *_ = surveyed(shared)
        for one in run:
            taken = chosen(judge.columns(one.hits), negatives)
            hidden += one.hidden[taken].tolist()
            scores += one.hits.hits["score"][taken].tolist()
            longer += one.longer[taken].tolist()
            expected += estimate.probabilities(one.hits.evidence)[taken].tolist()
            reasons = judge.rules.reasons(one.hits.hits, one.hits.positive_scores)
            survived += int((reasons == KEPT).sum())
            candidates += len(reasons)
            short += len(taken) < negatives
            queries += 1
    return Line(
        flags,
        float(np.mean(hidden)) if measured and hidden else None,
        float(np.mean(expected)) if expected else 0.0,
        float(np.mean(scores)) if scores else 0.0,
        float(np.mean(longer)) if longer else 1.0,
        survived / max(1, candidates),
        short / max(1, queries),
    )


def chosen(columns: Mapping[str, Any], negatives: int) -> Any:
    """Return which candidates are taken, the first choice first."""
    choice = columns["choice"].fill_null(0).to_numpy()
    kept = np.flatnonzero(choice)
    return kept[np.argsort(choice[kept])][:negatives]


def _hubs(rows: Sequence[Row], negatives: int) -> list[dict[str, Any]]:
    """Return the documents that are taken as negatives by most queries."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(
            hit["doc_id"] for hit in row["candidates"] if 0 < hit.get("choice", 0) <= negatives
        )
    return [
        {"doc_id": doc_id, "queries": count, "share": count / len(rows)}
        for doc_id, count in counts.most_common(COMMON)
    ]


def advice(lines: Sequence[Line], *, measured: bool) -> dict[str, str]:
    """Return the flags to use, and why in one sentence.

    Of the budgets that leak no more than the usual margin the hardest is taken.
    """
    margin = next(line for line in lines if line.flags.startswith("--relative-margin"))
    budgets = [line for line in lines if line.flags in _BUDGET_FLAGS]

    def leak(line: Line) -> float:
        return line.leak if measured and line.leak is not None else line.expected

    good = [line for line in budgets if leak(line) <= max(leak(margin), 0.01)]
    best = max(good or budgets[:1], key=lambda line: line.hardness)
    how = "measured" if measured else "expected"
    return {
        "flags": best.flags,
        "advice": (
            f"{best.flags}: leak {leak(best):.3f} ({how}) at hardness {best.hardness:.3f}; "
            f"a relative margin of 5 % leaks {leak(margin):.3f} at {margin.hardness:.3f} "
            f"and leaves {margin.short:.0%} of queries short"
        ),
    }


_BUDGET_FLAGS = tuple(f"--max-false-negatives {budget:g}" for budget in BUDGETS)
