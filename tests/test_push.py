"""Uploading to the hub, held against a small local server: what goes there, and what goes wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Ended, cli, files
from hub_server import READER, TOKEN, Hub, serve_hub
from test_emit import make

from gpte_data import io


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as found:
        yield found


def push(folder: Path, hub: Hub, *options: object, token: str = TOKEN, **env: str) -> Ended:
    if not (folder / "corpus").exists():
        make(folder, 20)
    around = {
        "HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder / "home"), **env,
    }  # fmt: skip
    return cli(
        "emit", folder / "rows", "--corpus", folder / "corpus", "-o", folder / "out",
        "--num-negatives", 2, "--shard-rows", 8, "--push-to-hub", "me/data", *options, env=around,
    )  # fmt: skip


def test_what_was_written_is_there_and_nothing_else(tmp_path: Path, hub: Hub) -> None:
    ended = push(tmp_path, hub)
    assert ended.rc == 0, ended.stderr
    assert "me/data has it all now" in ended.stderr
    assert hub.private is True
    out = tmp_path / "out"
    mine = files(out, "*.parquet", "README.md", "croissant.jsonld")
    assert len(mine) == 5
    assert hub.files == mine
    assert TOKEN not in ended.stderr + "".join(p.read_text() for p in out.rglob("*.json"))


def test_the_same_command_again_uploads_what_is_missing(tmp_path: Path, hub: Hub) -> None:
    hub.broken = 1
    ended = push(tmp_path, hub)
    assert "run the same command again to upload it" in ended.sentence()
    assert "400" in ended.sentence()
    assert not hub.files
    assert len(hub.uploads) == 3
    out = tmp_path / "out"
    before = files(out)
    assert push(tmp_path, hub).rc == 0
    assert len(hub.uploads) == len(set(hub.uploads)) == 3
    assert len(hub.files) == 5
    commits = len(hub.commits)
    again = push(tmp_path, hub)
    assert "nothing to do" in again.stderr
    assert len(hub.commits) == commits
    assert files(out) == before


def test_old_shards_go_and_files_of_others_stay(tmp_path: Path, hub: Hub) -> None:
    assert push(tmp_path, hub).rc == 0
    hub.files |= {
        "00007.parquet": b"old",
        "qrels/dev.tsv": b"old",
        "figure.png": b"png",
        ".gitattributes": b"a",
    }
    secret = tmp_path / "out" / ".env"
    secret.write_text("KEY=secret")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert push(tmp_path, hub, "--license", "mit").rc == 0
    assert not {"00007.parquet", "qrels/dev.tsv"} & hub.files.keys()
    assert {"figure.png", ".gitattributes"} <= hub.files.keys()
    assert not {".env", "notes.txt"} & hub.files.keys()
    assert b"license: mit" in hub.files["README.md"]


def test_what_is_private_does_not_become_public(tmp_path: Path, hub: Hub) -> None:
    hub.private = False
    assert "everybody can read it" in push(tmp_path, hub).sentence()
    assert not hub.files
    assert push(tmp_path, hub, "--no-private").rc == 0
    assert hub.files


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"token": ""}, "needs a token: set HF_TOKEN"),
        ({"token": "hf_wrong"}, "does not accept the token"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "can't reach the hub"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_who_may_not_upload_is_told_before_anything_is_written(
    tmp_path: Path, hub: Hub, env: dict[str, str], said: str
) -> None:
    ended = push(tmp_path, hub, **env)
    assert said in ended.sentence()
    assert "hf_" not in ended.stderr.replace("hf auth", "")
    assert not io.shard_files(tmp_path / "out")


def test_a_token_that_may_only_read_is_told_when_all_is_written(tmp_path: Path, hub: Hub) -> None:
    ended = push(tmp_path, hub, token=READER)
    assert "refuses to write me/data" in ended.sentence()
    assert len(io.shard_files(tmp_path / "out")) == 3
    mark = json.loads((tmp_path / "out" / "_done" / "_all.json").read_text())
    assert READER not in json.dumps(mark)
    assert "push" not in json.dumps(mark["identity"])


@pytest.mark.parametrize("name", ["data", "me/", "me/a b", "../x/y"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, hub: Hub, name: str) -> None:
    assert "expected OWNER/NAME" in push(tmp_path, hub, "--push-to-hub", name).sentence()


def test_a_pipe_can_not_be_pushed(tmp_path: Path, hub: Hub) -> None:
    assert "needs a folder" in push(tmp_path, hub, "-o", "-").sentence()
