"""What synthesis promises: equal rows for one seed, and a change re-asks only what it changes."""

from pathlib import Path

import pytest
from conftest import cli, files, ok
from server import Server, serve

from gpte_data.io import read_all


def chats(server: Server) -> set[str]:
    """Return the keys of what was asked."""
    return {line["key"] for line in server.requests() if line["path"] == "/v1/chat/completions"}


def synth(few: Path, out: Path, server: Server, *more: object) -> tuple[object, ...]:
    return ("synth", few, "-o", out, "--llm", "openai:m", "--base-url", server.url, *more)


def test_equal_rows_whatever_the_concurrency(few: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log", latency_jitter=0.05, p429=0.05, retry_after=0.05) as server:
        for name, more in {
            "one": ("--concurrency", 1),
            "many": ("--concurrency", 64),
            "workers": ("--workers", 2),
            "limited": ("--rpm", 6000, "--tpm", 9_000_000),
        }.items():
            ok(*synth(few, tmp_path / name, server, *more))
        assert len(chats(server)) == 90
    one = files(tmp_path / "one", "*.parquet")
    assert one and len(one) == 3
    assert all(
        files(tmp_path / name, "*.parquet") == one for name in ("many", "workers", "limited")
    )


def test_a_seed_changes_what_is_drawn(few: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log") as server:
        for seed in (1, 2):
            ok(*synth(few, tmp_path / str(seed), server, "--seed", seed))
    one, two = (list(read_all(tmp_path / str(seed))) for seed in (1, 2))
    assert [row["query_type"] for row in one] != [row["query_type"] for row in two]
    assert {row["seed"] for row in one} == {1} and {row["seed"] for row in two} == {2}


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        (("--per-passage", 3), ("--per-passage", 5), 60),
        (("--per-passage", 3), ("--per-passage", 2), 0),
        ((), ("--copied-words", 5), 0),
        ((), ("--min-words", 2), 0),
        ((), ("--temperature", 0.1), 90),
        ((), ("--language", "de"), 90),
    ],
)
def test_a_change_asks_only_for_what_it_changes(
    few: Path, tmp_path: Path, before: tuple[object, ...], after: tuple[object, ...], new: int
) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        ok(*synth(few, out, server, *before))
        asked = chats(server)
        refused = cli(*synth(few, out, server, *after))
        assert str(after[0]).strip("-").replace("-", "_") in refused.sentence()
        assert chats(server) == asked, "a refused run asks nothing"
        ok(*synth(few, out, server, *after, "--force"))
        assert len(chats(server) - asked) == new


def test_languages_by_weight_change_only_the_rows_that_change(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serve(tmp_path / "log") as server:
        ok(*synth(few, out, server, "--query-languages", "de,fr"))
        before, asked = list(read_all(out)), chats(server)
        assert {row["language"] for row in before} == {"de", "fr"}
        ok(*synth(few, out, server, "--query-languages", "de:0.9,fr:0.1", "--force"))
        after = {row["query_id"]: row["language"] for row in read_all(out)}
        changed = sum(row["language"] != after.get(row["query_id"]) for row in before)
        assert 0 < changed < 60
        assert len(chats(server) - asked) >= changed


def test_every_row_tells_how_it_was_made(few: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log") as server:
        ok(*synth(few, tmp_path / "out", server, "--language", "de", "--no-check-language"))
    for row in read_all(tmp_path / "out"):
        wanted = {"recipe", "prompt_version", "generator", "task", "instruction", "language"}
        assert wanted | {"query_type", "seed", "query_id", "positives"} <= row.keys()
