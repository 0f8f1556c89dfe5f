"""What the tests share: a clean environment, a sample corpus, the command line as it is used."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample"
"""240 documents in BEIR's layout."""
FOLK = [
    "A tax accountant who prepares returns for family farms",
    "A nurse who works nights on a children's ward",
    "A beekeeper who sells honey at country markets",
    "A geologist who maps landslides in the Alps",
    "A chess coach at a primary school",
    "A lorry driver who listens to history podcasts",
    "An auditor who checks the accounts of charities",
    "A marine biologist who counts fish on coral reefs",
    "A central bank economist who studies inflation",
    "A midwife in a mountain village",
    "A football referee in a regional league",
    "A luthier who repairs violins for an orchestra",
]
"""Personas, no two of them alike."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    rc: int
    stdout: str
    stderr: str

    def sentence(self) -> str:
        """Return the one sentence on stderr that tells the user what to mend; fail otherwise."""
        assert "Traceback" not in self.stderr, self.stderr
        told = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert len(told) == 1, self.stderr
        assert self.rc == 2, (self.rc, self.stderr)
        return told[0]


def cli(
    *args: object,
    input: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run `gpte-data` in a process of its own."""
    command = [sys.executable, "-m", "gpte_data", *map(str, args)]
    done = subprocess.run(
        command,
        input=input.encode() if isinstance(input, str) else input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        env={**os.environ, **(env or {})},
        cwd=cwd or ROOT,
        timeout=900,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def ok(*args: object, input: str | bytes | None = None) -> str:
    """Run `gpte-data`, which must succeed; return what it said on stderr."""
    ended = cli(*args, input=input)
    assert ended.rc == 0, ended.stderr
    return ended.stderr


def files(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Return name -> content of the files of a folder, those with the patterns or all below it."""
    found = (path for pattern in patterns or ("**/*",) for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the user's keys and servers away, and the model hub."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a corpus of six shards; to be read only."""
    corpus = tmp_path_factory.mktemp("sample") / "corpus"
    ok("ingest", SAMPLE, "-o", corpus, "--shard-rows", 40)
    return corpus


@pytest.fixture
def few(sample: Path, tmp_path: Path) -> Path:
    """Thirty passages in three shards."""
    folder = tmp_path / "few"
    ok("ingest", sample / "00000.parquet", "-o", folder, "--shard-rows", 10, "--limit", 30)
    return folder
