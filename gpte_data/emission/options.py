"""What emission is told, and which files stand behind that."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gpte_data.config import Identity, Runtime, StageConfig, read_file
from gpte_data.corpus import corpus_identity
from gpte_data.emission.sources import sources_identity
from gpte_data.errors import BadOption
from gpte_data.formats import FORMATS

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMG]?)B?\s*$", re.IGNORECASE)


def corpora_identity(given: Iterable[str]) -> list[Any]:
    """Return what of corpora enters a fingerprint: whose they are, and their contents."""
    found: list[Any] = []
    for one in given:
        name, equals, folder = str(one).partition("=")
        named = bool(equals) and not Path(one).exists()
        path = Path(folder if named else one)
        content = corpus_identity([path])[0] if path.exists() else str(one)
        found.append([name, content] if named else content)
    return found


def shard_bytes(size: str) -> int | None:
    """Return how many bytes `500MB` are; None of nothing."""
    if not size:
        return None
    match = _SIZE.match(size)
    if match is None or float(match[1]) * _UNITS[match[2].upper()] < 1:
        raise BadOption(f"--shard-size {size!r} won't do: expected a size such as 500MB or 2GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def instructions_identity(path: Path | None) -> Any:
    """Return what of a file of instructions enters a fingerprint: what it says."""
    return read_file("--instructions", path) if path is not None else None


MixBy = Literal["recipe", "task", "language", "query_type", "generator"]
TEMPLATE = "Instruct: {instruction}\nQuery: {query}"


class EmitConfig(StageConfig):
    """For whom to write, and how much."""

    source: Annotated[str, Identity(sources_identity)] = Field(
        "", description="A dataset, a folder of datasets, NAME=FOLDER,NAME=FOLDER, or -."
    )
    corpus: Annotated[tuple[str, ...], Identity(corpora_identity)] = Field(
        description="Corpus with the texts, or NAME=FOLDER; may be given more than once."
    )
    format: str = Field(
        "sentence-transformers", description=f"Whose format: {', '.join(FORMATS)}; or list."
    )
    num_negatives: int = Field(
        5, ge=0, description="Negatives in each example; see --shortage for a query with fewer."
    )
    shortage: Literal["drop", "repeat", "keep"] = Field(
        "drop", description="Of examples with fewer negatives: drop, repeat, or keep what there is."
    )
    candidates: Literal["kept", "all"] = Field(
        "kept", description="Which may be negatives: kept ones, or all, to distil their scores."
    )
    scores: Literal["auto", "teacher", "reranker"] = Field(
        "auto", description="Whose scores are written; auto: the reranker's where all have one."
    )
    prompt: str = Field("", description="Instruction where a row has none.")
    instructions: Annotated[Path | None, Identity(instructions_identity)] = Field(
        None,
        description="Instructions by name of a dataset or task, one or a list to draw from: a "
        ".yaml, .toml or .json file. Rows keep their own unless it says override: true.",
    )
    instruct: Literal["auto", "field", "query", "none"] = Field(
        "auto",
        description="Where instructions go: the format's field, in front of the query, or none; "
        "auto: the field, or without one in front if --instructions or --prompt is given.",
    )
    template: str = Field(TEMPLATE, description="Instruction and query, where both are one text.")
    mix: str = Field(
        "",
        description="Shares of datasets, NAME=WEIGHT,NAME=WEIGHT; with temperature=T a share is "
        "(weight x examples)^(1/T). What has no weight weighs 1.",
    )
    mix_by: MixBy | None = Field(
        None,
        description="Field that names a row's dataset, not its folder: recipe, task, language, "
        "query_type or generator.",
    )
    total: int | None = Field(
        None, ge=1, description="Examples in all: a dataset too small for its share is repeated."
    )
    cap: int | None = Field(None, ge=1, description="The most examples of a dataset.")
    per_dataset: bool = Field(False, description="Give each dataset a folder of its own.")
    no_in_batch: str = Field(
        "auto",
        description="Datasets whose examples are no negatives of each other, so that they go to a "
        "folder …no_in_batch_neg: NAME,NAME, auto (rows of class tasks), or none.",
    )
    batch_size: int | None = Field(
        None,
        ge=2,
        description="Examples in a batch; two of one query or positive are kept apart.",
    )
    batch_order: Literal["shuffled", "homogeneous", "cluster", "curriculum"] = Field(
        "shuffled",
        description="What a batch holds: shuffled (anything), homogeneous (one dataset), cluster "
        "(neighbours), or curriculum (easy ones first, by the margin of their positive).",
    )
    last_batch: Literal["keep", "drop"] = Field(
        "keep", description="Of examples that fill no batch of their own: keep them, last; or drop."
    )
    clusters: int | None = Field(
        None, ge=1, description="Clusters of a dataset; by default each gives some 8 batches."
    )
    curriculum_steps: int = Field(
        10, ge=1, description="Steps from easy to hard; within a step examples are shuffled."
    )
    split: str = Field(
        "", description="Shares, as train=.9,dev=.05,test=.05: no document stands in two."
    )
    seed: int = Field(0, description="Seed of the shuffle and the split.")
    shard_rows: int = Field(8192, ge=1, description="Most rows in a shard.")
    shard_size: str = Field(
        "", description="Most bytes of text in a shard, before compression: 500MB, 2GB."
    )
    compression: Literal["auto", "none", "snappy", "gzip", "zstd"] = Field(
        "auto", description="Of shards; auto: zstd for Parquet, none for JSON lines."
    )
    license: Annotated[tuple[str, ...], Runtime()] = Field(
        (), description="For the data card: NAME or DATASET=NAME; more than once for several."
    )
    push_to_hub: Annotated[str, Runtime()] = Field(
        "", description="Also upload it all to this dataset on the hub: OWNER/NAME; see HF_TOKEN."
    )
    private: Annotated[bool, Runtime()] = Field(
        True, description="Whether a new dataset on the hub is for its owner alone."
    )
