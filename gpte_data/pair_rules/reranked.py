"""Reranker scores of pairs, and the places of pairs among all by them.

Places are those in the population that was measured first, and stay in the rows: keeping the best
30 % twice keeps the same rows, and keeping the best 10 % of what was kept keeps a tenth of the
original (Doc2Query--, 2301.03266, keeps 30 %; InPars-v2, 2301.01820, the best 10,000).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from gpte_data.backends import label
from gpte_data.backends.reranking import traits
from gpte_data.corpus import Corpus
from gpte_data.manifest import fingerprint
from gpte_data.pair_rules.options import BY_PLACE, PairsConfig
from gpte_data.pair_rules.standing import Standing
from gpte_data.scoring.pairs import pairs_of
from gpte_data.scoring.scorer import Scorer, open_scorer, scores_folder
from gpte_data.stage import Row

ROWS = 1024
"""Rows whose texts are in memory together."""
PAIRS = 16_384
PLACED = ("positive_pair_places", "pair_population", "pair_reranker")


def scorer_of(cfg: PairsConfig) -> Scorer:
    """Return the reranker, with the scores that are kept beside the corpus."""
    folder = cfg.score_cache or scores_folder(cfg.corpus[0])
    return open_scorer(cfg.reranker, cfg.reranker_options(), folder)


def name_of(cfg: PairsConfig) -> str:
    """Return how rows name a reranker: its SPEC, and a mark of all that decides its scores."""
    found = traits(cfg.reranker, cfg.reranking())
    return f"{label(cfg.reranker)} {fingerprint(found.identity)[:8]}"


def pair_scores(rows: Sequence[Row], corpus: Corpus, scorer: Scorer) -> Iterator[Any]:
    """Yield for each row the scores of its positives, (positives,) in float32."""
    wanted = [(row, doc_id) for row in rows for doc_id in row["positives"]]
    parts = []
    for start in range(0, len(wanted), PAIRS):
        part = wanted[start : start + PAIRS]
        texts = corpus.texts(doc_id for _, doc_id in part)
        pairs = [(row["query"], texts[doc_id]) for row, doc_id in part]
        parts.append(
            scorer.score(pairs_of(pairs, [f"pair {row['query_id']!r}" for row, _ in part]))
        )
    found = iter(np.concatenate(parts)) if parts else iter(())
    for row in rows:
        yield np.fromiter(islice(found, len(row["positives"])), dtype=np.float32)


def surveyed(cfg: PairsConfig, read: Callable[[], Iterable[Row]], corpus: Corpus) -> dict[str, Any]:
    """Return by what pairs are placed: the rows' own places, or the scores of all.

    Args:
        cfg: The options.
        read: Reads all rows that can be judged, anew.
        corpus: Where the positives' texts are.
    """
    if _placed(cfg, read()):
        return {"said": "places are those of the pairs that were measured first"}
    rows, parts = iter(read()), [np.zeros(0, dtype=np.float32)]
    with scorer_of(cfg) as scorer:
        while block := list(islice(rows, ROWS)):
            parts.extend(pair_scores(block, corpus, scorer))
    scores = np.concatenate(parts)
    if not len(scores):
        return {"said": "there are no pairs to score"}
    standing = Standing.of(scores, least(cfg, len(scores)))
    within = scores[standing.places(scores) <= least(cfg, len(scores))]
    said = f"{len(within):,} of {len(scores):,} pairs are among the best by {cfg.reranker}"
    if len(within):
        said += f", from a score of {within.min():.4g}"
    return {"standing": standing.plain(), "said": said}


def least(cfg: PairsConfig, population: int) -> int:
    """Return the last place that is kept."""
    by_share = population if cfg.top_share is None else int(cfg.top_share * population + 1e-9)
    return by_share if cfg.top is None else min(by_share, cfg.top)


def _placed(cfg: PairsConfig, rows: Iterable[Row]) -> bool:
    """Tell whether all rows have places in one population, by this reranker."""
    name, populations = name_of(cfg), set()
    for row in rows:
        if not has_places(row, name):
            return False
        populations.add(row["pair_population"])
    return len(populations) == 1


def has_places(row: Mapping[str, Any], name: str) -> bool:
    """Tell whether a row's positives have places by a reranker."""
    return all(row.get(one) is not None for one in PLACED) and row["pair_reranker"] == name


class Reranked:
    """Measures the positives of rows by a reranker.

    Args:
        cfg: The options.
        corpus: Where the positives' texts are.
        scorer: The reranker.
        shared: What the survey has found.
    """

    def __init__(
        self, cfg: PairsConfig, corpus: Corpus, scorer: Scorer, shared: Mapping[str, Any]
    ) -> None:
        self.cfg, self.corpus, self.name = cfg, corpus, name_of(cfg)
        self.scorer = scorer
        self.by_place = cfg.asks_any(*BY_PLACE)
        told = shared.get("standing")
        self.standing = Standing.from_plain(told) if told else None

    def measured(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield for each row what it is to be given; all its positives are in the corpus."""
        if self.by_place and self.standing is None and self.cfg.min_rerank_score is None:
            yield from ({} for _ in rows)  # they have their places, and no score is asked for
            return
        for start in range(0, len(rows), ROWS):
            for scores in pair_scores(rows[start : start + ROWS], self.corpus, self.scorer):
                yield self._said(scores)

    def _said(self, scores: Any) -> Row:
        said: Row = {"positive_pair_scores": scores.tolist(), "pair_reranker": self.name}
        if self.standing is not None:
            said["positive_pair_places"] = self.standing.places(scores).tolist()
            said["pair_population"] = self.standing.population
        return said
