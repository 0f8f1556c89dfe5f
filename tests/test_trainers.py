"""Every format is read by its trainer: the same rows, in our order, and one step where it can.

Trainers live in virtual environments of their own, which scripts/trainer_venvs.sh makes and
GPTE_TRAINERS names; the scripts in tests/trainers run there and know nothing of gpte-data.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from collection import NEGATIVES, Collection, make
from conftest import ROOT
from tiny_models import tiny_cross_encoder, tiny_embedder, tiny_yes_no

from gpte_data import io
from gpte_data.formats import FORMATS, open_format

VENVS = Path(os.environ.get("GPTE_TRAINERS", ROOT / ".venv-trainers"))
SCRIPTS = Path(__file__).parent / "trainers"
Row = dict[str, Any]


@dataclass(frozen=True)
class Trainer:
    """Who reads a format.

    Attributes:
        venv: Where it is installed.
        script: What has it read.
        package: What reads.
        model: Which tiny model it trains, or None where there is no step.
    """

    venv: str
    script: str
    package: str
    model: str | None = None


TRAINERS = {
    "sentence-transformers": Trainer("current", "st", "sentence-transformers", "embedder"),
    "st-labeled-pair": Trainer("current", "st", "sentence-transformers", "embedder"),
    "st-labeled-list": Trainer("current", "st", "sentence-transformers", "cross"),
    "st-margin-mse": Trainer("current", "st", "sentence-transformers", "embedder"),
    "st-kldiv": Trainer("current", "st", "sentence-transformers", "embedder"),
    "flagembedding": Trainer("current", "flagembedding", "FlagEmbedding", "embedder"),
    "tevatron": Trainer("older", "train_tevatron", "tevatron", "cross"),
    "tevatron-v2": Trainer("current", "read_tevatron_v2", "datasets"),
    "pylate": Trainer("older", "train_pylate", "pylate", "cross"),
    "pylate-kd": Trainer("older", "train_pylate", "pylate", "cross"),
    "ms-swift": Trainer("swift", "train_swift", "ms-swift", "qwen"),
    "ms-swift-3.8": Trainer("older", "train_swift_3_8", "ms-swift", "qwen-4"),
    "contrastors": Trainer("current", "read_contrastors", "braceexpand"),
    "nemo": Trainer("swift", "train_nemo", "nemo-automodel", "cross"),
    "nemo-corpus": Trainer("swift", "train_nemo", "nemo-automodel", "cross"),
    "gpl": Trainer("older", "train_gpl", "gpl", "cross"),
    "beir": Trainer("current", "load_beir", "beir"),
    "mteb": Trainer("current", "load_mteb", "mteb"),
    "webdataset": Trainer("current", "load_webdataset", "webdataset"),
    "ids": Trainer("current", "load_ids", "datasets"),
}
SCORED = {"st-kldiv", "flagembedding", "tevatron", "pylate-kd", "contrastors", "webdataset", "ids"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return make(tmp_path_factory.mktemp("collection"), scifact=26)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("models")

    def model(name: str) -> Path:
        if name == "embedder":
            return tiny_embedder(folder / name)
        if name == "cross":
            return tiny_cross_encoder(folder / name)
        tiny_yes_no(folder / name)
        config = folder / name / "tokenizer_config.json"
        if name == "qwen-4":  # as transformers 4 calls its tokenizer
            text = config.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast")
            config.write_text(text)
        return folder / name

    return model


def test_every_format_has_a_trainer() -> None:
    of_examples = [name for name in FORMATS if open_format(name).of.of == "examples"]
    assert sorted(TRAINERS) == sorted(of_examples)


@pytest.mark.parametrize("name", TRAINERS)
def test_its_trainer_reads_what_was_emitted(
    name: str, collection: Collection, models: Callable[[str], Path], tmp_path: Path
) -> None:
    trainer = TRAINERS[name]
    out = collection.emit(tmp_path / "run" / "train", name)
    model = models(trainer.model) if trainer.model else "none"
    said = told(trainer, name, out, model, tmp_path)
    assert said["package"] == trainer.package
    assert (said["loss"] is None) == (trainer.model is None)
    seen, expected = said["seen"], wanted(name, collection, tmp_path / "order")
    assert len(seen) == said["rows"] == len(expected) > 10
    if name == "flagembedding":
        seen, expected = put_in_order(seen, expected)
    if name == "tevatron":  # a text without a title begins with the blank between both
        seen = [stripped(one) for one in seen]
    assert [one["query"] for one in seen] == [one["query"] for one in expected]
    for one, other in zip(seen, expected, strict=True):
        assert [*one] == [*other]
        assert one | {"scores": 0} == other | {"scores": 0}
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)


def test_a_student_learns_vectors(models: Callable[[str], Path], tmp_path: Path) -> None:
    """LEAF's files: a text and its teacher's vector, which MSELoss takes as a label."""
    texts = ["Sand und Kies", "河", "Bread", "Rye"]
    vectors = [[n / 8, 0.5, -0.25, 1.0] for n in range(len(texts))]
    rows = [{"sentence": one, "label": v} for one, v in zip(texts, vectors, strict=True)]
    io.write(tmp_path / "leaf" / "00000.parquet", rows)
    trainer = Trainer("current", "st", "sentence-transformers", "embedder")
    said = told(trainer, "leaf", tmp_path / "leaf", models("embedder"), tmp_path)
    assert said["loss"] > 0
    assert [one["query"] for one in said["seen"]] == texts
    assert [one["scores"] for one in said["seen"]] == vectors
    assert {tuple(one["positives"] + one["negatives"]) for one in said["seen"]} == {()}


def told(trainer: Trainer, name: str, out: Path, model: object, tmp_path: Path) -> Row:
    """Run a trainer's script and return what it says."""
    python = VENVS / trainer.venv / "bin" / "python"
    if not python.exists():
        pytest.skip(
            f"no {trainer.venv} in {VENVS}: make it with scripts/trainer_venvs.sh, or name another "
            "folder in GPTE_TRAINERS"
        )
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0", "WANDB_DISABLED": "true",
    }  # fmt: skip
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, SCRIPTS / f"{trainer.script}.py", name, out, str(model)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    said: Row = json.loads(done.stdout.splitlines()[-1])
    return said


def wanted(name: str, collection: Collection, folder: Path) -> list[Row]:
    """Return the examples that a trainer is to see, from the rows that were emitted.

    Their order is that of `ids`, or, where each positive is an example of its own, of the n-tuples.
    """
    rows = {row["query_id"]: row for row in io.read_all(collection.rows)}
    of = open_format(name).of
    if of.one_positive:
        examples = tuples(collection, rows, folder)
    else:
        emitted = io.read_all(collection.emit(folder, "ids"))
        examples = [(rows[row["query_id"]], row["positives"]) for row in emitted]
    found = [example(name, row, positives, collection) for row, positives in examples]
    return shaped(name, found)


def tuples(
    collection: Collection, rows: dict[str, Row], folder: Path
) -> list[tuple[Row, list[str]]]:
    """Return row and positive of each n-tuple, in order."""
    by_texts = {
        (query(row, in_front=True), collection.texts[positive]): (row, [positive])
        for row in rows.values()
        for positive in row["positives"]
    }
    emitted = io.read_all(collection.emit(folder, "sentence-transformers"))
    return [by_texts[row["anchor"], row["positive"]] for row in emitted]


def query(row: Row, *, in_front: bool) -> str:
    """Return the query of a row, with its instruction in front as models of today want it."""
    said, text = row.get("instruction"), str(row["query"])
    return f"Instruct: {said}\nQuery: {text}" if said and in_front else text


def example(name: str, row: Row, positives: list[str], collection: Collection) -> Row:
    """Return an example as it should be, before a format's own ways."""
    scores = dict(zip(row["positives"], row["positive_scores"], strict=True))
    kept = [hit for hit in row["candidates"] if hit["verdict"] == "keep"]
    kept.sort(key=lambda hit: hit.get("choice") or 0)
    negatives = kept[:NEGATIVES]
    in_field = open_format(name).of.place == "field"
    found = {
        "query": query(row, in_front=not in_field),
        "positives": [collection.texts[doc_id] for doc_id in positives],
        "negatives": [collection.texts[hit["doc_id"]] for hit in negatives],
        "scores": [*map(scores.get, positives), *(hit["score"] for hit in negatives)],
    }
    if name == "ids":
        found |= {"positives": positives, "negatives": [hit["doc_id"] for hit in negatives]}
    return found | {"instruction": row.get("instruction") or ""}


def shaped(name: str, examples: list[Row]) -> list[Row]:
    """Return examples as a trainer sees them."""
    shape = SHAPES.get(name)
    if shape is None:
        if name not in SCORED:
            examples = [one | {"scores": None} for one in examples]
        extra = {"instruction"} if name not in ("ids", "webdataset") else set()
        return [{k: v for k, v in one.items() if k not in extra} for one in examples]
    return shape(examples)


def row(text: str, positives: list[str], negatives: list[str], scores: list[float] | None) -> Row:
    return {"query": text, "positives": positives, "negatives": negatives, "scores": scores}


def pairs(examples: list[Row]) -> list[Row]:
    """A row for each document, with 1 or 0."""
    return [
        row(one["query"], [text], [], [float(text in one["positives"])])
        for one in examples
        for text in one["positives"] + one["negatives"]
    ]


def margins(examples: list[Row]) -> list[Row]:
    """By how much the positive is better than each negative."""
    return [
        row(one["query"], one["positives"], one["negatives"],
            [one["scores"][0] - score for score in one["scores"][1:]])
        for one in examples
    ]  # fmt: skip


def drawn(examples: list[Row]) -> list[Row]:
    """FlagEmbedding: a prompt in front, the first positive (drawn, where there are several)."""
    return [
        row(one["instruction"] + one["query"], one["positives"], one["negatives"], one["scores"])
        for one in examples
    ]


def turns(examples: list[Row]) -> list[Row]:
    """GPL: the first negatives of all, with margins, then the second ones."""
    return [
        row(one["query"], [text], [one["negatives"][n]],
            [one["scores"][p] - one["scores"][len(one["positives"]) + n]])
        for n in range(NEGATIVES)
        for one in examples
        for p, text in enumerate(one["positives"])
    ]  # fmt: skip


def judged(examples: list[Row]) -> list[Row]:
    """Judgements: positives with 1."""
    return [row(one["query"], one["positives"], [], [1.0] * len(one["positives"]))
            for one in examples]  # fmt: skip


def chat(examples: list[Row]) -> list[Row]:
    """The template of Qwen3-Embedding: system, query, end; nothing but its end after a document."""
    end = "<|endoftext|>"
    return [
        row(f"{one['instruction']} {one['query']}{end}" if one["instruction"]
            else f"{one['query']}{end}",
            [text + end for text in one["positives"]], [text + end for text in one["negatives"]],
            None)
        for one in examples
    ]  # fmt: skip


def chat_in_front(examples: list[Row]) -> list[Row]:
    return chat([one | {"instruction": ""} for one in examples])


SHAPES: dict[str, Callable[[list[Row]], list[Row]]] = {
    "st-labeled-pair": pairs,
    "st-margin-mse": margins,
    "flagembedding": drawn,
    "gpl": turns,
    "beir": judged,
    "mteb": judged,
    "ms-swift": chat,
    "ms-swift-3.8": chat_in_front,
}


def stripped(one: Row) -> Row:
    texts = {name: [text.strip() for text in one[name]] for name in ("positives", "negatives")}
    return one | texts


def put_in_order(seen: list[Row], expected: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return both as they compare: FlagEmbedding draws positives, and what comes first."""
    drawn = {one["query"]: one["positives"][0] for one in seen}
    kept = []
    for one in expected:
        place = one["positives"].index(drawn[one["query"]])
        scores = [one["scores"][place], *one["scores"][len(one["positives"]) :]]
        kept.append(one | {"positives": [one["positives"][place]], "scores": scores})
    return ordered(seen), ordered(kept)


def ordered(rows: list[Row]) -> list[Row]:
    """Return examples by their queries, their negatives by text, with scores going along."""
    found = []
    for one in rows:
        both = sorted(zip(one["negatives"], one["scores"][1:], strict=True))
        texts, scores = zip(*both, strict=True)
        found.append(one | {"negatives": list(texts), "scores": [one["scores"][0], *scores]})
    return sorted(found, key=lambda one: str(one["query"]))
