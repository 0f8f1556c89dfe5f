"""What must not be lost by a slip of the hand: corpora, other stages' outputs, rejected rows."""

from pathlib import Path

import pytest

from gpte_data import io
from gpte_data.errors import BadInput, BadOption, Changed
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stages import load

FORCE = RunOptions(force=True)


def corpus(folder: Path, shard_rows: int = 10) -> Path:
    docs = [{"doc_id": f"d{i}", "text": f"stone river light {i}"} for i in range(30)]
    io.write(folder / "docs.jsonl", docs)
    ingest = load("ingest")
    cfg = ingest.config.of({"source": str(folder / "docs.jsonl"), "shard_rows": shard_rows})
    run(ingest, cfg, cfg.source, folder / "corpus", RunOptions())  # type: ignore[attr-defined]
    return folder / "corpus"


def synth(source: Path, output: Path, options: RunOptions, **changes: object) -> None:
    stage = load("synth")
    run(stage, stage.config.of({"per_passage": 1, **changes}), str(source), output, options)


def test_a_corpus_is_not_overwritten_by_what_reads_it(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    synth(source, tmp_path / "pairs", RunOptions())
    mine = load("mine-negatives")
    cfg = mine.config.of({"corpus": (source,)})
    with pytest.raises(BadOption, match="is the folder that is read"):
        run(mine, cfg, str(tmp_path / "pairs"), source, FORCE)
    assert len(list(io.read_all(source))) == 30


def test_force_does_not_replace_another_stage(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    synth(source, tmp_path / "pairs", RunOptions())
    other = corpus(tmp_path / "other")
    with pytest.raises(Changed, match="stage: ingest -> synth"):
        synth(source, other, FORCE)
    assert len(list(io.read_all(other))) == 30


def test_a_lost_shard_is_missed(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    (source / "00001.parquet").unlink()
    with pytest.raises(BadInput, match=r"lacks 00001\.parquet"):
        synth(source, tmp_path / "pairs", RunOptions())


def test_a_shard_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    io.write(tmp_path / "00000.jsonl", [{"doc_id": "a", "text": "x"}])
    io.write(tmp_path / "00000.parquet", [{"doc_id": "b", "text": "y"}])
    with pytest.raises(BadInput, match="the same shard twice"):
        list(io.read_all(tmp_path))


def test_rejected_rows_do_not_lie_among_shards(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    for folder in (source, tmp_path / "pairs"):
        options = RunOptions(rejected=folder / "rejected.jsonl")
        with pytest.raises(BadOption, match="would lie among shards"):
            synth(source, tmp_path / "pairs", options)
    assert not (tmp_path / "pairs").exists()


def test_a_copy_of_a_prompt_under_another_name_is_another_recipe(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    text = (Path(__file__).parent.parent / "prompts" / "query.md").read_text()
    for name in ("one.md", "two.md"):
        (tmp_path / name).write_text(text)
    synth(source, tmp_path / "pairs", RunOptions(), recipe=str(tmp_path / "one.md"))
    with pytest.raises(Changed, match=r"recipe\.name: one -> two"):
        synth(source, tmp_path / "pairs", RunOptions(), recipe=str(tmp_path / "two.md"))


def test_force_with_fewer_shards_forgets_what_the_others_rejected(tmp_path: Path) -> None:
    for count, name in ((3, "three"), (1, "one")):
        for shard in range(count):
            text = "only words" if name == "three" or shard else "other words"
            rows = [{"doc_id": f"{shard}{i}", "text": text} for i in range(2)]
            io.write(tmp_path / name / f"{shard:05d}.parquet", rows)
    out, kept = tmp_path / "out", tmp_path / "rejected.jsonl"
    synth(tmp_path / "three", out, RunOptions(rejected=kept), per_passage=3)
    assert len(kept.read_bytes().splitlines()) == 18
    synth(tmp_path / "one", out, RunOptions(force=True, rejected=kept), per_passage=3)
    assert len(kept.read_bytes().splitlines()) == 6
