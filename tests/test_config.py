"""--config: options from a file, flags over them, and what is wrong with it in one sentence."""

import json
from pathlib import Path

import pytest
from conftest import cli, files, ok

from gpte_data.errors import BadOption
from gpte_data.io import read_all
from gpte_data.stages import load


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.yaml", "per-passage: 1\nlimit: 5\n"),
        ("c.yml", "per_passage: 1\nlimit: 5\n"),
        ("c.toml", "per_passage = 1\nlimit = 5\n"),
        ("c.json", '{"per-passage": 1, "limit": 5}'),
    ],
)
def test_options_come_from_a_file_and_flags_win(
    tmp_path: Path, sample: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    ok("synth", sample, "-o", tmp_path / "a", "--config", tmp_path / name)
    assert len(list(read_all(tmp_path / "a"))) == 5
    ok("synth", sample, "-o", tmp_path / "b", "--config", tmp_path / name, "--limit", 3)
    assert len(list(read_all(tmp_path / "b"))) == 3


def test_source_output_and_run_options_can_stand_in_the_file(tmp_path: Path, sample: Path) -> None:
    told = {
        "source": str(sample), "output": str(tmp_path / "out"), "workers": 2, "limit": 80,
        "rejected": str(tmp_path / "rejected.jsonl"), "corpus": [str(sample)],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(told))
    ok("synth", "--config", tmp_path / "c.json")
    assert len(files(tmp_path / "out", "*.parquet")) == 2
    assert (tmp_path / "rejected.jsonl").is_file()


def test_one_path_is_a_list_of_one() -> None:
    config = load("emit").config
    assert config.of({"corpus": "c5"}) == config.of({"corpus": Path("c5")})
    assert config.of({"corpus": "c5"}) == config.of({"corpus": ["c5"]})
    with pytest.raises(BadOption, match="--corpus"):
        config.of({"corpus": 5})
    clean = load("decontaminate").config
    assert clean.of({"against": Path("a")}) == clean.of({"against": ["a"]})
    assert clean.of({"against": [Path("a"), "b=c"]}) == clean.of({"against": ["a", "b=c"]})


def test_a_mark_given_back_makes_the_same_again(tmp_path: Path, sample: Path) -> None:
    synth = ("synth", sample, "-o", tmp_path / "a")
    ok(*synth, "--per-passage", 2, "--seed", 3)
    mark = tmp_path / "a" / "_done" / "00000.json"
    ok("synth", sample, "-o", tmp_path / "b", "--config", mark)
    assert files(tmp_path / "b", "*.parquet") == files(tmp_path / "a", "*.parquet")
    assert "nothing to do" in ok(*synth, "--config", mark)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("c.txt", "limit: 5", "takes a .json, .toml or .yaml file, found 'c.txt'"),
        ("c", "limit: 5", "takes a .json, .toml or .yaml file"),
        ("c.yaml", "a: [\n", "is not valid yaml"),
        ("c.yaml", "- a\n", "must hold options by name, found list"),
        ("c.yaml", "", "must hold options by name"),
        ("c.yaml", "1: 2\n", "must hold options by name"),
        ("c.yaml", "limits: 5\n", "there is no option --limits here"),
        ("c.yaml", "temperature: hot\n", "--temperature 'hot' won't do"),
        ("c.yaml", "workers: two\n", "--workers takes a whole number of at least 1, found 'two'"),
        ("c.yaml", "workers: 0\n", "--workers takes a whole number of at least 1, found 0"),
        ("c.yaml", "limit: 1.5\n", "--limit takes a whole number"),
        ("c.yaml", "force: 'no'\n", "--force takes true or false, found 'no'"),
        ("c.yaml", "engine: slurm\n", "--engine takes local or ray"),
        ("c.yaml", "config: other.yaml\n", "--config"),
        ("c.yaml", "config: 5\n", "can't name a config file itself"),
        ("c.yaml", "source: 5\n", "source takes a path, found 5"),
        ("c.yaml", "output: 5\n", "output takes a path, found 5"),
        ("c.yaml", "output: [a]\n", "output takes a path, found ['a']"),
        ("c.yaml", "rejected: false\n", "rejected takes a path, found False"),
        ("c.yaml", "limit: 5\nyes: 1\n", "must hold options by name, found other keys"),
        ("c.json", '{"limit": ', "is not valid json"),
        ("c.json", '{"fingerprint": "0", "options": null}', "must hold options by name"),
        ("c.toml", "limit = \n", "is not valid toml"),
        ("c.toml", "limit = 5 # \udcff", "is not valid toml"),
    ],
)
def test_a_config_that_is_none(
    tmp_path: Path, sample: Path, name: str, content: str, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode(errors="surrogateescape"))
    ended = cli("synth", sample, "-o", tmp_path / "out", "--config", path)
    assert told in ended.sentence()
    assert not (tmp_path / "out").exists()


def test_a_config_that_can_not_be_read(tmp_path: Path, sample: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        ended = cli("synth", sample, "-o", tmp_path / "out", "--config", path)
        assert f"--config {path}" in ended.sentence()
