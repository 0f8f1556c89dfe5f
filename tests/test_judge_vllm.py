"""judge-negatives with real vLLM on the CPU, in process and by a server.

The model's weights are random: verdicts fit the schema and mean nothing.
"""

from collections import Counter
from pathlib import Path

from judged_rows import documents, jsonl, row_of
from test_vllm import (  # noqa: F401
    WITH_VLLM,
    contents,
    gpte,
    journal,
    models,
    pytestmark,
    rows,
    vllm_server,
)

WORDS = {f"q{n}": ["wood"] * (3 + n % 5) for n in range(12)}


def command(folder: Path, out: str, *more: object) -> tuple[object, ...]:
    mined = jsonl(folder / "mined.jsonl", [row_of(name, words) for name, words in WORDS.items()])
    corpus = jsonl(folder / "corpus.jsonl", documents(WORDS))
    return (
        "judge-negatives", mined, "--corpus", corpus, "-o", folder / out, "--max-words", 10,
        "--max-tokens", 512, "--max-false-negatives", 30, *more,
    )  # fmt: skip


def check(folder: Path) -> Counter[str]:
    """Hold what was judged to what is promised; return the grades."""
    found = rows(folder)
    assert len(found) == len(WORDS)
    grades: Counter[str] = Counter()
    for row in found:
        for hit in row["candidates"]:
            grades[hit["judged"]] += 1
            flagged = hit["judged"] in ("best", "relevant")
            assert ("confirmed" in hit) == flagged
            assert hit["verdict"] in ("keep", "drop") and hit["reason"]
    assert grades.total() == sum(map(len, WORDS.values()))
    return grades


def test_in_process_and_by_a_server(models: Path, tmp_path: Path) -> None:  # noqa: F811
    tiny = f"vllm:{models / 'tiny'}"
    both = ("--judge", tiny, "--confirm", tiny)
    gpte(*command(tmp_path, "inside", *both), program=WITH_VLLM)
    grades = check(tmp_path / "inside")
    assert grades["best"] + grades["relevant"], "some are flagged, even at random"
    kept = journal(tmp_path / "inside")
    gpte(*command(tmp_path, "inside", *both, "--force"), program=WITH_VLLM)
    assert journal(tmp_path / "inside") == kept, "nothing is asked twice"
    with vllm_server(tmp_path / "log", models / "tiny", "--max-model-len", "2048") as url:
        served = ("--judge", "openai:tiny", "--confirm", "openai:tiny", "--base-url", url)
        gpte(*command(tmp_path, "served", *served))
        check(tmp_path / "served")
        assert len(contents(tmp_path / "served")) == 1
        mixed = ("--judge", tiny, "--confirm", "openai:tiny", "--confirm-url", url)
        gpte(*command(tmp_path, "mixed", *mixed), program=WITH_VLLM)
        check(tmp_path / "mixed")
