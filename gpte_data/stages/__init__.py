"""The stages, by name, each in a file of its own: a new one is a new file and a line here."""

from importlib import import_module

from gpte_data.errors import BadOption
from gpte_data.stage import Stage

STAGES = {
    "ingest": "Read documents of many kinds into a corpus of passages.",
    "personas": "Draw personas from documents or from personas, or take your own; alike ones go.",
    "synth": "Write queries and passages by a recipe, with a language model or by extraction.",
    "choose-examples": "Find the examples that are worth showing to a model that writes queries.",
    "passages": "Make a corpus of the passages that a recipe wrote.",
    "filter-texts": "Drop or mend texts by language, encoding, quality or personal data.",
    "dedup": "Let one of several rows stay that say the same, or nearly: passages, queries, pairs.",
    "decontaminate": "Drop what evaluation sets hold, and positives that they hold.",
    "filter-pairs": "Keep pairs that are good themselves, by consistency, reranker or judge.",
    "mine-negatives": "Rank the corpus for each query and judge which documents are negatives.",
    "select-negatives": "Choose negatives again among mined candidates, without a model.",
    "filter-negatives": "Score negatives with a reranker and drop those that may be positives.",
    "judge-negatives": "Have language models find the negatives that answer their query after all.",
    "emit": "Write training shards in a trainer's own format.",
}
"""Command name -> what it does; the module has the same name with underscores."""

COMPANIONS = {"ingest-pairs": "Read a collection's own queries and judgements (ingest --pairs)."}
"""Stages that another command runs."""


def load(name: str) -> Stage:
    """Return a stage by its name; only its module is imported."""
    if name not in STAGES and name not in COMPANIONS:
        raise BadOption(f"there is no stage {name!r}: take one of {', '.join(STAGES)}")
    attribute = name.replace("-", "_")
    stage = getattr(import_module(f"gpte_data.stages.{attribute}"), attribute)
    assert isinstance(stage, Stage)
    return stage
