"""Scores on disk: never a wrong one, never a lost one, whoever writes and however it ends."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpte_data.errors import BadInput, UserError
from gpte_data.scoring import segments, store
from gpte_data.scoring.logs import RECORD
from gpte_data.scoring.store import Store


def keys_of(numbers: Any) -> Any:
    """Return a key for each number, no two alike, many with the same first half."""
    numbers = np.asarray(numbers, dtype=np.uint64)
    return np.stack([numbers // 3 * 7919, numbers], axis=1)


def scores_of(numbers: Any) -> Any:
    return (np.asarray(numbers) % 1009 / 1009).astype(np.float32)


def add(folder: Path, *parts: Any) -> None:
    with Store(folder) as opened:
        for part in parts:
            opened.add(keys_of(part), scores_of(part))


def assert_there(folder: Path, numbers: Any) -> None:
    with Store(folder) as opened:
        assert (opened.find(keys_of(numbers)) == scores_of(numbers)).all()
        absent = keys_of(numbers) + np.array([0, 10**6], dtype=np.uint64)
        assert np.isnan(opened.find(absent)).all()


def test_found_at_once_and_by_the_next(tmp_path: Path) -> None:
    mixed = np.random.default_rng(0).permutation(1000)
    with Store(tmp_path / "s") as opened:
        assert np.isnan(opened.find(keys_of(mixed))).all() and not (tmp_path / "s").exists()
        for part in np.array_split(mixed, 40):
            opened.add(keys_of(part), scores_of(part))
            assert (opened.find(keys_of(part)) == scores_of(part)).all()
        assert (opened.find(keys_of(mixed)) == scores_of(mixed)).all()
    assert [path.suffix for path in (tmp_path / "s").iterdir()] == [".log"]
    assert_there(tmp_path / "s", np.arange(1000))
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["00000.npy"]


def test_segments_fill_up_and_logs_roll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST", 500)
    monkeypatch.setattr(store, "ROLL", 120)
    numbers = np.arange(2000)
    add(tmp_path, *np.array_split(numbers[:1000], 50))
    add(tmp_path, *np.array_split(numbers[1000:], 50))
    assert_there(tmp_path, numbers)
    sizes = [len(segments.load(path)) for path in sorted(tmp_path.glob("*.npy"))]
    assert sum(sizes) == 2000 and max(sizes) <= 500 and len(sizes) <= 6


@pytest.mark.parametrize("cut", [1, 7, 23])
def test_a_torn_tail_is_left_out(tmp_path: Path, cut: int) -> None:
    add(tmp_path, np.arange(10))
    (log,) = tmp_path.glob("*.log")
    os.truncate(log, log.stat().st_size - cut)
    assert_there(tmp_path, np.arange(9))
    with Store(tmp_path) as opened:
        assert np.isnan(opened.find(keys_of([9]))).all()


def test_what_a_power_failure_leaves_is_no_score(tmp_path: Path) -> None:
    """Zeros where pages were never written, and a record whose second half is gone."""
    add(tmp_path, np.arange(10))
    (log,) = tmp_path.glob("*.log")
    content = bytearray(log.read_bytes())
    content[5 * RECORD.itemsize + 16 : 6 * RECORD.itemsize] = bytes(8)
    content[6 * RECORD.itemsize : 7 * RECORD.itemsize] = bytes(RECORD.itemsize)
    log.write_bytes(bytes(content) + bytes(5 * RECORD.itemsize))
    assert_there(tmp_path, [0, 1, 2, 3, 4, 7, 8, 9])
    with Store(tmp_path) as opened:
        assert np.isnan(opened.find(keys_of([5, 6]))).all()


def test_a_log_that_is_held_is_left_alone(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.add(keys_of(range(5)), scores_of(range(5)))
    second = Store(tmp_path)
    assert np.isnan(second.find(keys_of(range(5)))).all()
    second.add(keys_of(range(3, 8)), scores_of(range(3, 8)))
    assert len(list(tmp_path.glob("*.log"))) == 2
    first.close()
    third = Store(tmp_path)
    assert (third.find(keys_of(range(5))) == scores_of(range(5))).all()
    assert len(list(tmp_path.glob("*.log"))) == 1
    second.close()
    assert_there(tmp_path, range(8))


def test_killed_between_segment_and_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores are there twice for a moment, and once in the end."""
    add(tmp_path, np.arange(10))
    monkeypatch.setattr(Path, "unlink", lambda *args, **how: None)
    assert_there(tmp_path, np.arange(10))
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 2
    assert_there(tmp_path, np.arange(10))
    (path,) = tmp_path.iterdir()
    assert len(segments.load(path)) == 10


def test_the_first_score_of_a_key_stays(tmp_path: Path) -> None:
    add(tmp_path, np.arange(5))
    with Store(tmp_path) as opened:
        opened.add(keys_of([2]), np.array([0.75], dtype=np.float32))
        assert opened.find(keys_of([2])) == scores_of([2])
    assert_there(tmp_path, np.arange(5))


def test_a_damaged_segment_and_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "00000.npy").write_bytes(b"\x93NUMPY no more")
    with pytest.raises(BadInput, match=r"00000\.npy holds no scores: delete it"):
        Store(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="give --score-cache a folder that can be written"):
        Store(tmp_path / "file" / "s").ready()


def test_a_full_disk_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Store(tmp_path)
    opened.add(keys_of(range(5)), scores_of(range(5)))
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) > 50:
            return write(file, data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        opened.add(keys_of(range(5, 10)), scores_of(range(5, 10)))
    monkeypatch.undo()
    opened.add(keys_of(range(10, 15)), scores_of(range(10, 15)))
    opened.close()
    assert_there(tmp_path, [*range(5), *range(10, 15)])


WRITER = """
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_score_store import keys_of, scores_of
from gpte_data.scoring import store
store.MOST, store.ROLL = 2000, 300
opened = store.Store(Path(sys.argv[2]))
first, last = int(sys.argv[3]), int(sys.argv[4])
for start in range(first, last, 20):
    part = np.arange(start, min(start + 20, last))
    new = part[np.isnan(opened.find(keys_of(part)))]
    if len(new):
        opened.add(keys_of(new), scores_of(new))
    print(start, flush=True)
"""


def writer(folder: Path, first: int, last: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(folder)]
    return subprocess.Popen([*command, str(first), str(last)], stdout=subprocess.PIPE, text=True)


def test_killed_again_and_again_with_another_beside_it(tmp_path: Path) -> None:
    """What a writer has told of is there after its kill -9, while others put logs together."""
    dice = np.random.default_rng(1)
    kept = 0
    for _ in range(6):
        one, other = writer(tmp_path, 0, 60_000), writer(tmp_path, 60_000, 120_000)
        time.sleep(0.6 + dice.random() * 0.8)
        told = []
        for process in (one, other):
            process.send_signal(signal.SIGKILL)
            lines = process.communicate()[0].split("\n")[:-1]
            told.append(int(lines[-1]) + 20 if lines else 0)
        numbers = [*range(told[0]), *range(60_000, max(told[1], 60_000))]
        kept = max(kept, len(numbers))
        assert_there(tmp_path, numbers)
    assert kept > 1000
    assert not list(tmp_path.glob("*.log"))


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is taken for another's until nobody has touched it for a day."""

    def none(*args: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    add(tmp_path, np.arange(10))
    with Store(tmp_path) as opened:
        assert np.isnan(opened.find(keys_of(range(10)))).all()
    (log,) = tmp_path.glob("*.log")
    os.utime(log, (time.time() - 10**6,) * 2)
    assert_there(tmp_path, np.arange(10))
