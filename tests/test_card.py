"""The data card: what it says is what is there, and the loaders of others read it."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import cli, files, ok
from test_emit import emit, make

from gpte_data import io, manifest
from gpte_data.cards import facts as kept
from gpte_data.cards import rendering
from gpte_data.cards.features import features
from gpte_data.cards.layout import layout
from gpte_data.cards.plain import plain
from gpte_data.cards.rendering import card_files
from gpte_data.cards.tables import cell, code, table
from gpte_data.emission.told import plain_type
from gpte_data.files import atomic, sha256_file
from gpte_data.table_files import TableFile, write_file

pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")


def head(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
    return found


def numbers(text: str) -> list[int]:
    return [int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", text)]


def line(text: str, start: str) -> str:
    return next(one for one in text.splitlines() if one.startswith(start))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of several stages in folders side by side, on the sample."""
    folder = tmp_path_factory.mktemp("run")
    sample = Path(__file__).parent.parent / "data" / "sample"
    ok("ingest", sample, "-o", folder / "corpus", "--shard-rows", 30, "--limit", 80)
    ok("synth", folder / "corpus", "-o", folder / "pairs", "--llm", "extractive", "--limit", 40)
    ok("dedup", folder / "pairs", "-o", folder / "distinct")
    corpus = ("--corpus", folder / "corpus")
    ok("mine-negatives", folder / "distinct", "-o", folder / "mined", *corpus)
    ok("filter-negatives", folder / "mined", "-o", folder / "filtered", *corpus, "--depth", 10)
    ok("emit", folder / "filtered", "-o", folder / "train", *corpus, "--num-negatives", 3)
    return folder


def test_every_step_stands_in_the_card_with_its_books(run: Path) -> None:
    card = (run / "train" / "README.md").read_text()
    stages = {"corpus": "ingest", "pairs": "synth", "distinct": "dedup", "mined": "mine-negatives",
              "filtered": "filter-negatives"}  # fmt: skip
    for name, stage in stages.items():
        marks = manifest.marks(run / name)
        one = marks.get(manifest.ALL)
        books = [one.ledger] if one is not None else [mark.ledger for mark in marks.values()]
        lost = sum(b.dropped.total() + b.failed.total() for b in books)
        row = line(card, f"| `{name}` | `{stage}`")
        cells = [cell.strip() for cell in row.split("|")][3:6]
        ours = [sum(b.rows_in for b in books), sum(b.rows_out for b in books), lost]
        assert [int(cell.replace(",", "")) for cell in cells] == ours
        for reason in {reason for b in books for reason in b.dropped}:
            count = sum(b.dropped[reason] for b in books)
            assert f"| `{name}` | {reason} | {count:,} |" in card
    order = [card.index(f"| `{name}` | `{stage}`") for name, stage in stages.items()]
    assert order == sorted(order)
    assert "not whole" not in card


def test_every_number_of_the_head_is_counted(run: Path) -> None:
    """Held against the shards, the rows that they come from, and the books."""
    out, card = run / "train", (run / "train" / "README.md").read_text()
    shards = [pq.read_table(path) for path in io.shards(out)]
    rows = sum(table.num_rows for table in shards)
    rejected = out / manifest.REJECTED / "_all.jsonl"
    gone = {row["query_id"] for row in io.read(rejected)} if rejected.exists() else set()
    left = [row for row in io.read_all(run / "filtered") if row["query_id"] not in gone]
    used: set[str] = set()
    estimates: list[float] = []
    for row in left:
        taken = sorted(
            (hit for hit in row["candidates"] if hit.get("verdict") != "drop"),
            key=lambda hit: hit.get("choice") or 0,
        )[:3]
        used |= {*row["positives"], *(hit["doc_id"] for hit in taken)}
        estimates += [hit["false_negative"] for hit in taken]
    corpus = sum(io.count(path) for path in io.shards(run / "corpus"))
    assert numbers(line(card, "| examples")) == [rows]
    assert numbers(line(card, "| queries")) == [len(left)]
    assert numbers(line(card, "| documents")) == [len(used), corpus]
    assert numbers(line(card, "| positives")) == [rows]
    assert numbers(line(card, "| negatives per")) == [3]
    assert f"- {3 * rows:,} negatives were found by machine" in card
    share = sum(estimates) / len(estimates)
    assert f"{len(estimates):,} that have an estimate, {share:.1%} are" in card
    assert f"| wrote queries | `extractive` | {rows:,} |" in card
    hits = (hit for row in io.read_all(run / "filtered") for hit in row["candidates"])
    removed = Counter(hit["reason"] for hit in hits if hit.get("verdict") == "drop")
    lines = [one.split("|") for one in card.splitlines() if one.startswith("| candidates for")]
    assert {one[2].strip(): numbers(one[3])[0] for one in lines} == removed
    assert removed


def test_no_way_on_this_machine_stands_in_what_is_published(run: Path) -> None:
    for name in ("README.md", "croissant.jsonld", kept.KEPT):
        text = (run / "train" / name).read_text()
        assert str(run) not in text
        assert "/tmp" not in text
        assert str(Path(__file__).parent.parent) not in text
        assert "sample" in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("st:/models/secret/a", "st:a"), ("/home/me/data", "data"), ("../x/y", "y"),
        ("openai:Qwen/Qwen3-4B", "openai:Qwen/Qwen3-4B"), ("minhash,exact", "minhash,exact"),
        ("~/models/b", "b"), (["/a/b", 3], ["b", 3]), ({"a": "/b/c"}, {"a": "c"}),
        ("st:/m/a,st:/m/b", "st:a,st:b"), ("a=/home/me/x", "a=x"),
        ('{"download_dir": "/home/me/hub"}', '{"download_dir": "hub"}'),
        ("is it and/or, <b>1</b> / 2?", "is it and/or, <b>1</b> / 2?"),
    ],
)  # fmt: skip
def test_ways_become_names(given: Any, told: Any) -> None:
    assert plain(given) == told


def test_a_broken_chain_is_said_to_be_broken(run: Path, tmp_path: Path) -> None:
    """The folder that a stage has read is no longer there."""
    alone = tmp_path / "alone"
    for name in ("filtered", "corpus"):
        shutil.copytree(run / name, alone / name)
    ok("emit", alone / "filtered", "-o", alone / "train", "--corpus", alone / "corpus")
    card = (alone / "train" / "README.md").read_text()
    assert "The chain of steps is not whole" in card
    assert "what is no longer beside it" in line(card, "| `filtered` | `filter-negatives`")
    assert "| `mined`" not in card


def test_rows_of_somebody_else_begin_the_chain(tmp_path: Path) -> None:
    out, result = emit(tmp_path, num_negatives=2)
    card = (out / "README.md").read_text()
    assert "| `rows` | not made by gpte-data |" in card
    assert numbers(line(card, "| examples")) == [result.ledger.rows_out]
    assert numbers(line(card, "| queries")) == [60]


def test_what_emission_drops_is_in_the_card(tmp_path: Path) -> None:
    out, result = emit(tmp_path, num_negatives=5)
    card = (out / "README.md").read_text()
    [(reason, count)] = result.ledger.dropped.items()
    assert f"| this dataset | {reason} | {count} |" in card
    own = line(card, "| this dataset | `emit`")
    assert numbers(own) == [60, result.ledger.rows_out, count]


def test_the_card_is_the_same_when_it_is_made_again(tmp_path: Path) -> None:
    out, _ = emit(tmp_path, num_negatives=2, shard_rows=20)
    before = files(out, "README.md", "croissant.jsonld", kept.KEPT)
    manifest.mark_path(out, manifest.ALL).unlink()
    (out / "README.md").unlink()
    (out / "00001.parquet").unlink()
    manifest.mark_path(out, "00001").unlink()
    emit(tmp_path, num_negatives=2, shard_rows=20)
    assert files(out, "README.md", "croissant.jsonld", kept.KEPT) == before


def test_a_licence_is_unknown_until_it_is_said(tmp_path: Path) -> None:
    out, _ = emit(tmp_path, num_negatives=2)
    assert head(out)["license"] == "unknown"
    assert "The licence is not known" in (out / "README.md").read_text()
    shard = (out / "00000.parquet").stat().st_mtime_ns
    emit(tmp_path, num_negatives=2, license=("CC-BY-4.0",))
    assert head(out)["license"] == "cc-by-4.0"
    found = json.loads((out / "croissant.jsonld").read_text())
    assert found["license"] == ["https://creativecommons.org/licenses/by/4.0/"]
    assert (out / "00000.parquet").stat().st_mtime_ns == shard
    (out / "README.md").write_text("mine")
    emit(tmp_path, num_negatives=2, license=("CC-BY-4.0",))
    assert (out / "README.md").read_text() == "mine"
    emit(tmp_path, num_negatives=2, license=("Terms of My House",))
    assert head(out)["license"] == "other"
    assert head(out)["license_name"] == "terms-of-my-house"


def test_a_licence_that_was_half_written_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two files, the same command ends with both."""
    out, _ = emit(tmp_path, num_negatives=2)
    names: list[str] = []

    @contextlib.contextmanager
    def dying(path: Path) -> Iterator[Any]:
        names.append(path.name)
        if len(names) == 2:
            raise KeyboardInterrupt
        with atomic(path) as target:
            yield target

    monkeypatch.setattr("gpte_data.cards.rendering.atomic", dying)
    with pytest.raises(KeyboardInterrupt):
        rendering.renew(out, ["mit"])
    monkeypatch.undo()
    assert rendering.renew(out, ["mit"])
    assert head(out)["license"] == "mit"
    assert "opensource.org/license/mit" in (out / "croissant.jsonld").read_text()
    assert not rendering.renew(out, ["mit"])


def test_licences_of_several_datasets_and_of_passages(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, 20)
    passages = list(io.read_all(tmp_path / "two" / "corpus"))
    for n, passage in enumerate(passages):
        passage["license"] = "CC BY 4.0" if n % 2 else "CC0 | a"
    (tmp_path / "two" / "corpus" / "00001.parquet").unlink()
    io.write(tmp_path / "two" / "corpus" / "00000.parquet", passages)
    spec = ",".join(f"{name}={tmp_path / name / 'rows'}" for name in ("one", "two"))
    corpora = [f"--corpus={name}={tmp_path / name / 'corpus'}" for name in ("one", "two")]
    out = tmp_path / "out"
    command = ("emit", spec, *corpora, "-o", out, "--num-negatives", 2)
    ok(*command, "--license", "one=mit")
    card, facts = (out / "README.md").read_text(), kept.read(out)
    assert facts is not None
    assert head(out)["license"] == ["mit", "unknown"]
    assert "not known for all datasets" in card
    assert "`CC0 \\| a`" in card
    assert sum(facts["licences"].values()) == facts["documents"]
    assert "| `one` | `rows`, not made by gpte-data | `corpus` | 22 | 50.0% |" in card
    wrong = cli(*command, "--license", "three=mit")
    assert "there is no dataset 'three', found one, two" in wrong.sentence()


LAYOUTS = {
    "one": [("", "")],
    "splits": [("train", ""), ("dev", ""), ("test", "")],
    "datasets": [("one", "one"), ("two", "two")],
    "both": [("train/one", "one"), ("train/two", "two"), ("dev/one", "one")],
}
ENDINGS = [
    ("parquet", "zstd", ".parquet"), ("jsonl", "none", ".jsonl"), ("jsonl", "gzip", ".jsonl.gz"),
    ("jsonl", "zstd", ".jsonl.zst"),
]  # fmt: skip
ROWS = pa.table(
    {
        "query": ["a", "b", "c"], "pos": [["x"], ["y"], ["z", "w"]], "neg": [[], [], ["v"]],
        "scores": pa.array([[1.0], [0.5], [None, 2]], pa.list_(pa.float32())),
        "image": pa.nulls(3),
        "messages": [[{"role": "user", "content": "c"}], [], []],
    }
)  # fmt: skip


def written(out: Path, parts: list[tuple[str, str]], kind: tuple[str, str, str]) -> dict[str, Any]:
    """Write two shards and a corpus for each part; return the facts of such a run."""
    found, told = [], []
    corpus = pa.table({"doc_id": ["d1", "d2"], "text": ["t", "u"]})
    for folder, dataset in parts:
        path = f"{folder}/" if folder else ""
        shards = [f"{path}{n:05d}{kind[2]}" for n in range(2)]
        split = folder.split("/")[0] if folder.startswith(("train", "dev", "test")) else ""
        beside = (f"{path}corpus/corpus{kind[2]}", f"{path}counts.json", f"{path}ids{kind[2]}.txt")
        for name in (*shards, *beside):
            table = ROWS if name in shards else corpus
            file = TableFile(name, lambda t=table: iter([t]), len(table), kind[0], kind[1])  # type: ignore[misc, arg-type]
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            with (out / name).open("wb") as target:
                write_file(target, file)
            size = (out / name).stat().st_size
            rows = len(table) if name in shards else 0
            found.append(
                {"name": name, "size": size, "sha256": sha256_file(out / name), "rows": rows}
            )
        told.append({"split": split, "dataset": dataset, "folder": folder, "shards": shards})
    names = list(dict.fromkeys(dataset for _, dataset in parts))
    step = {"stage": "", "rows": {"shards": 1}, "options": {}, "identity": {}, "made_from": [],
            "missing": False}  # fmt: skip
    return {
        "format": "x", "files": found, "parts": told, "example": ROWS.slice(0, 1).to_pylist()[0],
        "schemas": {
            told[0]["shards"][0]: [[f.name, plain_type(f.type)] for f in ROWS.schema],
            found[2]["name"]: [[f.name, plain_type(f.type)] for f in corpus.schema],
        },
        "options": {"format": "flagembedding", "num_negatives": 1}, "fingerprint": "f" * 64,
        "gpte_data": "0.1.0", "limit": None, "queries": 3, "documents": 3, "corpus_documents": 3,
        "positives": 4, "negatives": {"0": 2, "1": 1}, "licences": {},
        "examples": [
            {"part": n, "dataset": dataset, "examples": 6} for n, (_, dataset) in enumerate(parts)
        ],
        "books": {"in": 3, "out": 6 * len(parts), "dropped": {}, "failed": {}, "notes": {}},
        "sources": [{"name": name, "folder": "rows", "corpora": []} for name in names],
        "steps": [{**step, "folder": "rows"}],
    }  # fmt: skip


def layouts() -> Iterator[Any]:
    for name, parts in LAYOUTS.items():
        for kind in ENDINGS if name in ("one", "both") else ENDINGS[:1]:
            yield pytest.param(parts, kind, id=f"{name}{kind[2]}")


@pytest.mark.parametrize(("parts", "kind"), list(layouts()))
def test_every_layout_is_loaded_by_datasets(
    tmp_path: Path, parts: list[tuple[str, str]], kind: tuple[str, str, str]
) -> None:
    """Only shards of examples, by config and split; the corpora by names of their own."""
    from datasets import get_dataset_config_names, load_dataset
    from huggingface_hub import DatasetCard

    out = tmp_path / "out"
    facts = written(out, parts, kind)
    (out / "_rejected").mkdir()
    (out / "_rejected" / f"_all{kind[2]}").write_text("{}")
    for name, text in card_files(facts, []).items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    assert DatasetCard.load(out / "README.md").data.to_dict() == head(out)
    splits = {part["split"] or "train" for part in facts["parts"]}
    datasets = {dataset for _, dataset in parts if dataset}
    cache = str(tmp_path / "cache")
    loaded = load_dataset(str(out), cache_dir=cache)
    assert set(loaded) == splits
    for split, data in loaded.items():
        here = [part for part in facts["parts"] if (part["split"] or "train") == split]
        assert len(data) == 6 * len(here)
        assert data.column_names == ROWS.column_names
        assert data[2]["neg"] == ["v"]
        assert data[2]["scores"] == [None, 2.0]
    names = set(get_dataset_config_names(str(out)))
    assert datasets <= names
    for dataset in datasets:
        mine = sum(len(part["shards"]) * 3 for part in facts["parts"] if part["dataset"] == dataset)
        own = load_dataset(str(out), dataset, cache_dir=cache)
        assert sum(map(len, own.values())) == mine
    beside = names - datasets - {"default"}
    assert beside == ({f"{name}-corpus" for name in datasets} or {"corpus"})
    for name in beside:
        for data in load_dataset(str(out), name, cache_dir=cache).values():
            assert data.to_list()[:2] == [
                {"doc_id": "d1", "text": "t"},
                {"doc_id": "d2", "text": "u"},
            ]


def test_features_are_those_of_datasets() -> None:
    from datasets import Features

    schema = [[field.name, plain_type(field.type)] for field in ROWS.schema]
    assert features(schema) == Features.from_arrow_schema(ROWS.schema)._to_yaml_list()


@pytest.mark.parametrize("kind", ENDINGS[:3], ids=[kind[2] for kind in ENDINGS[:3]])
@pytest.mark.parametrize("parts", LAYOUTS.values(), ids=list(LAYOUTS))
@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_its_records_are_the_rows(
    tmp_path: Path, parts: list[tuple[str, str]], kind: tuple[str, str, str]
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    out = tmp_path / "out"
    facts = written(out, parts, kind)
    for name, text in card_files(facts, ["mit"]).items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
    dataset = mlcroissant.Dataset(str(out / "croissant.jsonld"))
    assert not dataset.metadata.ctx.issues.errors
    hashes = {o.name: o.sha256 for o in dataset.metadata.file_objects}
    assert hashes == {one["name"]: one["sha256"] for one in facts["files"]}
    for records in dataset.metadata.record_sets:
        found = list(dataset.records(records.id))
        config, _, split = records.id.rpartition("-")
        dataset_of = config.removesuffix("-corpus")
        mine = [
            part for part in facts["parts"]
            if (part["split"] or "train") == split
            and (config in ("default", "corpus") or dataset_of == part["dataset"])
        ]  # fmt: skip
        each = 2 if config.endswith("corpus") else 6
        assert len(found) == each * len(mine)
        column = f"{records.id}/{'text' if config.endswith('corpus') else 'query'}"
        assert found[0][column] == (b"t" if config.endswith("corpus") else b"a")


@pytest.mark.parametrize("format_", ["ms-swift", "contrastors", "tevatron"])
@pytest.mark.filterwarnings("ignore")
def test_croissant_reads_rows_with_objects_in_them(tmp_path: Path, format_: str) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    make(tmp_path, 8)
    out, result = emit(tmp_path, format=format_, num_negatives=2)
    dataset = mlcroissant.Dataset(str(out / "croissant.jsonld"))
    (records,) = dataset.metadata.record_sets
    found = list(dataset.records(records.id))
    assert len(found) == result.ledger.rows_out
    assert all(one for row in found for one in row.values())
    assert ("left out: positive_messages" in records.description) == (format_ == "ms-swift")


def config_paths(files_: dict[str, int], shards: list[str]) -> dict[str, Any]:
    part = {"split": "", "dataset": "", "folder": "", "shards": shards}
    found = [{"name": n, "rows": rows, "size": 1, "sha256": "0"} for n, rows in files_.items()]
    made = layout({"parts": [part], "files": found})
    return {
        one.name: [made.patterns(files) for files in one.splits.values()] for one in made.configs
    }


def test_names_of_configs_are_fit_for_ids_and_no_two_alike() -> None:
    """Croissant knows no ids with blanks."""
    parts: list[dict[str, Any]] = [
        {"split": "", "dataset": name, "folder": f"f{n}", "shards": [f"f{n}/0.parquet"]}
        for n, name in enumerate(("my set", "a/b", "a_b", "Default"))
    ]
    found = [{"name": p["shards"][0], "rows": 1, "size": 1, "sha256": "0"} for p in parts]
    names = [one.name for one in layout({"parts": parts, "files": found}).configs]
    assert names == ["default", "my_set", "a_b", "a_b-2", "Default-2"]


@pytest.mark.parametrize(
    ("files_", "shards", "told"),
    [
        ({"s-0.jsonl.gz": 3, "s-1.jsonl.gz": 3, "offsets.json.gz": 0, "data.yaml": 0}, 2,
         {"default": [["*.jsonl.gz"]]}),
        ({"0.jsonl": 3, "1.jsonl": 3, "corpus.jsonl": 0}, 2,
         {"default": [["0.jsonl", "1.jsonl"]], "corpus": [["corpus.jsonl"]]}),
        ({"qrels/test.tsv": 3, "queries.jsonl": 0, "corpus.jsonl": 0}, 0,
         {"corpus": [["corpus.jsonl"]], "queries": [["queries.jsonl"]]}),
        ({"train.json": 3, "corpus/train.parquet": 0, "corpus/about.json": 0}, 0,
         {"corpus": [["corpus/train.parquet"]]}),
        ({"0.tar": 3, "1.tar": 4}, 2, {"default": [["*.tar"]]}),
        ({"train/0.parquet": 3, "queries/0.parquet": 0, "documents/0.parquet": 0}, 1,
         {"default": [["train/0.parquet"]], "queries": [["queries/0.parquet"]],
          "documents": [["documents/0.parquet"]]}),
        ({"one.txt": 3}, 1, {}),
    ],
)  # fmt: skip
def test_only_what_can_be_loaded_is_a_config(
    files_: dict[str, int], shards: int, told: dict[str, Any]
) -> None:
    assert config_paths(files_, list(files_)[:shards]) == told


@pytest.mark.filterwarnings("ignore")
def test_the_training_run_in_the_card_runs(tmp_path: Path) -> None:
    """As it stands there, with a tiny model in place of one from the hub."""
    from tiny_models import tiny_embedder

    out, _ = emit(tmp_path, num_negatives=2)
    blocks = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(), re.S)
    model = tiny_embedder(tmp_path / "model")
    script = blocks[1].replace('"PATH"', repr(str(out)))
    script = script.replace('"sentence-transformers/all-MiniLM-L6-v2"', repr(str(model)))
    assert script.count(str(tmp_path)) == 2
    around = {"HF_HOME": str(tmp_path / "home"), "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **around}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert b"train_loss" in done.stdout + done.stderr


def test_rows_from_a_pipe_name_no_temporary_folder(tmp_path: Path) -> None:
    corpus, rows = make(tmp_path, 20)
    lines = b"".join(map(io.to_line, io.read_all(rows)))
    command = ("emit", "-", "--corpus", corpus, "--num-negatives", 2)
    for name in ("one", "two"):
        ok(*command, "-o", tmp_path / name, input=lines)
    cards = [(tmp_path / name / "README.md").read_text() for name in ("one", "two")]
    assert cards[0] == cards[1]
    assert "| `stdin.jsonl` | not made by gpte-data |" in cards[0]
    assert "gpte-data-" not in cards[0]


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "a\\\\|b", "||"])
def test_a_pipe_is_escaped_once(text: str) -> None:
    """Behind two backslashes it would end its cell."""
    row = table(["x", "y"], [(cell(text), code(text))]).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3


def test_texts_can_not_break_out_of_the_card(tmp_path: Path) -> None:
    """Not from an example, not from a licence."""
    _, rows = make(tmp_path, 20)
    every = [row | {"query": "```\n# a <script> |"} for row in io.read_all(rows)]
    (rows / "00001.parquet").unlink()
    io.write(rows / "00000.parquet", every)
    out, _ = emit(tmp_path, num_negatives=2, license=("<script> a|b",))
    text = (out / "README.md").read_text().split("---\n", 2)[2]
    outside = re.sub(r"```json\n.*?\n```\n", "", text, flags=re.S)
    assert "<script>" not in outside
    assert not re.search(r"^# a", text, re.M)
    fences = [one for one in text.splitlines() if one.lstrip().startswith("```")]
    assert len(fences) == 2 * text.count("```json") + 2 * text.count("```python") + 2
