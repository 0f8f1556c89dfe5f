"""The recipes of test_written_recipes.py with real vLLM on the CPU, by a server and in process.

The model's weights are random: rows are valid and mean nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_vllm import WITH_VLLM, gpte, models, pytestmark, vllm_server  # noqa: F401
from test_written_recipes import INPUTS, PASSAGES, RECIPES, check_pairs, jsonl

from gpte_data.recipes import load_recipe

OPTIONS = (
    "--max-tokens", 640, "--no-check-language", "--copied-words", 0, "--domain-floor", -1,
    "--max-words", 0,
)  # fmt: skip
"""What a model of 2,048 positions takes beside a prompt."""


@pytest.fixture(scope="module")
def url(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    with vllm_server(log, models / "tiny", "--max-model-len", "2048") as running:
        yield running


def command(recipe: str, folder: Path, *model: object) -> tuple[object, ...]:
    first = next(iter(load_recipe(recipe).mix), recipe)
    rows = jsonl(folder / "rows.jsonl", INPUTS[load_recipe(first).input][:2])
    corpus = jsonl(folder / "corpus.jsonl", PASSAGES)
    more = ("--per-passage", 3 if recipe == "e5" else 1)
    return (
        "synth", rows, "-o", folder / "pairs", "--recipe", recipe, "--corpus", corpus,
        *model, *more, *OPTIONS,
    )  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_whole(recipe: str, url: str, tmp_path: Path) -> None:
    gpte(*command(recipe, tmp_path, "--llm", "openai:tiny", "--base-url", url))
    check_pairs(recipe, tmp_path / "pairs")


@pytest.mark.parametrize("recipe", ["e5-short-short", "hard-negative"])
def test_in_process_too(recipe: str, models: Path, tmp_path: Path) -> None:  # noqa: F811
    gpte(*command(recipe, tmp_path, "--llm", f"vllm:{models / 'tiny'}"), program=WITH_VLLM)
    check_pairs(recipe, tmp_path / "pairs")
    journal = (tmp_path / "pairs" / "_journal" / "00000.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in journal)
