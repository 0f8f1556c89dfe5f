"""Training data without the texts of evaluation sets, which would be trained on otherwise.

Each row is compared with all queries and passages of the sets named by --against, after NFKC,
without case, punctuation and spaces. It goes if it is an evaluation text; if words of one stand in
it in runs, half of them or more; or if it is itself a piece of one. That counts what the 13-grams
of GPT-3 (2005.14165, appendix C) and of LightOn's decontaminated BEIR look for, and holds where
one word in 20 was changed. Short texts need more: see docs/filtering-decontaminate.md.

Rows are passages (text) or pairs (query); with --corpus the positives of pairs are looked at too. A
contaminated positive is taken out of its pair; a pair that has no other goes. Candidates of mined
rows are left alone: decontaminate the corpus before it is mined.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from gpte_data.backends import EMBEDDERS, check
from gpte_data.backends.encoding import embedder_identity
from gpte_data.config import Identity, Runtime, StageConfig
from gpte_data.corpus import Corpus, corpus_identity, open_corpus
from gpte_data.stage import Context, Event, Hooks, Row, stage

if TYPE_CHECKING:
    from gpte_data.contamination.evaluation import Wanted
    from gpte_data.contamination.lengths import Measure


def _sets_identity(against: tuple[str, ...]) -> list[list[str]]:
    from gpte_data.contamination.evaluation import eval_sets

    return [one.identity() for one in eval_sets(against)]


class DecontaminateConfig(StageConfig):
    """What rows are compared with, and how near is too near."""

    takes_input_for_corpus: ClassVar[bool] = False

    against: Annotated[tuple[str, ...], Identity(_sets_identity)] = Field(
        min_length=1,
        description="Evaluation set: BEIR folder, file or folder of rows, or mteb:TASK; NAME=PATH "
        "names it; may be given more than once.",
    )
    corpus: Annotated[tuple[Path, ...], Identity(corpus_identity)] = Field(
        (), description="Corpus of the pairs' positives, which are looked at then, too."
    )
    missing_positives: Literal["error", "drop"] = Field(
        "error", description="What to do with a positive that is not in --corpus."
    )
    passages: Literal["all", "judged", "none"] = Field(
        "all", description="Passages of a BEIR folder or MTEB task: all, judged (qrels), or none."
    )
    split: str = Field(
        "",
        description="Take queries of this split alone; if empty, of all but train, "
        "where there is another.",
    )
    text_field: tuple[str, ...] = Field(
        (), description="Field of an evaluation set's rows that holds texts; usual ones are found."
    )
    ngram: int = Field(10, ge=5, le=100, description="Words of a run that counts as shared.")
    min_overlap: float = Field(
        0.5, gt=0, le=1, description="Share of words in shared runs from which on a row goes."
    )
    max_similarity: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Also drop rows of this cosine to an evaluation text, or more.",
    )
    teacher: str = Field(
        "st:all-MiniLM-L6-v2", description="Embedder for --max-similarity: st:, openai:, vllm:."
    )
    teacher_url: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="Server for a teacher openai:MODEL; else OPENAI_BASE_URL."
    )

    def identity(self) -> dict[str, Any]:
        """Leave the teacher out where no vectors are made; else it stands for its files."""
        from gpte_data.contamination.opening import exact

        options = super().identity()
        if self.max_similarity is None:
            del options["teacher"]
        else:
            options["teacher"] = embedder_identity(self.teacher, exact(self.teacher, ()).encoding)
        return options

    def wanted(self) -> "Wanted":
        """Return what is read of evaluation sets."""
        from gpte_data.contamination.evaluation import Wanted

        return Wanted(self.passages, self.split, self.text_field)

    def measure(self) -> "Measure":
        """Return what is asked of an overlap."""
        from gpte_data.contamination.lengths import Measure

        return Measure(self.ngram, self.min_overlap)


def _corpus(cfg: DecontaminateConfig) -> Corpus | None:
    return open_corpus(cfg.corpus) if cfg.corpus else None


def _prepare(cfg: DecontaminateConfig, read: Callable[[], Iterable[Row]]) -> Mapping[str, int]:
    """Read the evaluation sets, and find out before the first row whether all rows can be read."""
    from gpte_data.contamination.opening import exact, open_index
    from gpte_data.contamination.subjects import check_row

    if cfg.max_similarity is not None:
        check(cfg.teacher, EMBEDDERS, "teacher", exact(cfg.teacher, cfg.teacher_url))
    corpus = _corpus(cfg)
    for number, row in enumerate(read(), 1):
        check_row(row, number, corpus, drop=cfg.missing_positives == "drop")
    return open_index(cfg.against, cfg.wanted(), cfg.measure()).counts


@stage(DecontaminateConfig, version=1, hooks=Hooks(prepare=_prepare))
def decontaminate(rows: Iterable[Row], cfg: DecontaminateConfig, ctx: Context) -> Iterator[Event]:
    """Yield the rows that hold no evaluation text, pairs without positives that do."""
    from gpte_data.contamination.opening import open_checker
    from gpte_data.contamination.subjects import blocks, judged

    checker, corpus = open_checker(cfg, ctx.journal), _corpus(cfg)
    for group in checker.index.said():
        ctx.ledger.notes[f"contaminated by {checker.index.groups[group]}"] += 0
    drop = cfg.missing_positives == "drop"
    for block in blocks(rows, corpus, ctx.ledger.notes, drop=drop):
        yield from judged(block, checker, corpus, ctx.ledger.notes)
        ctx.tell(len(block), 0)
