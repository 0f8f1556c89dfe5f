"""`emit --format list`: every format with an example, written by the format's own code."""

import json
from pathlib import Path

import pytest
from conftest import cli

from gpte_data.formats import FORMATS, open_format


@pytest.mark.parametrize("width", [80, 160])
def test_every_format_is_listed_with_an_example(width: int) -> None:
    done = cli("emit", "--format", "list", env={"COLUMNS": str(width)})
    assert done.rc == 0 and not done.stderr
    parts = [part.splitlines() for part in done.stdout.strip().split("\n\n")]
    assert [lines[0] for lines in parts] == list(FORMATS)
    for name, *lines in parts:
        assert all(len(line) <= width for line in lines)
        text = " ".join(line.removeprefix("    ") for line in lines)
        about, example = FORMATS[name], text.removeprefix(FORMATS[name]).strip()
        assert text.startswith(about) and example
        if open_format(name).of.kind != "lines":
            assert json.loads(example)
    assert "säuert" in done.stdout


def test_a_config_file_may_ask_for_the_list_too(tmp_path: Path) -> None:

    path = tmp_path / "emit.yaml"
    path.write_text("format: list\n")
    assert cli("emit", "--config", path).stdout.startswith("sentence-transformers\n")
