"""What each recipe asks for a thousand rows written: calls and tokens, by rendering every prompt.

    python benchmarks/recipe_costs.py [RECIPE …]

The rows are those of data/: passages, pairs, classes, topics and personas of the sample. Prompt
tokens are counted by Mistral's Tekken where mistral_common is installed (it comes with vLLM), else
estimated. What a model would answer is not known here: answers are made up, of middling length for
their schema; `synth --dry-run --probe` measures them with the model at hand.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpte_data.forecast import Counting
from gpte_data.io import read_all
from gpte_data.plan import RunOptions
from gpte_data.recipes import load_recipe, mixed
from gpte_data.run import run
from gpte_data.stage import Context
from gpte_data.stages import load
from gpte_data.tokens import PER_ANSWER, PER_MESSAGE, counter

ROOT = Path(__file__).parent.parent
ROWS = 40
Count = Callable[[Sequence[Mapping[str, str]]], int]


def tekken() -> tuple[Count, str]:
    """Return a counter of tokens, and what it is."""
    try:
        import mistral_common
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    except ImportError:
        return counter("openai:model")
    (path,) = sorted(Path(mistral_common.__file__).parent.rglob("tekken_*.json"))[-1:]
    tokenizer = Tekkenizer.from_file(path)

    def count(messages: Sequence[Mapping[str, str]]) -> int:
        sizes = [len(tokenizer.encode(m["content"], bos=False, eos=False)) for m in messages]
        return sum(sizes) + PER_MESSAGE * len(sizes) + PER_ANSWER

    return count, f"Mistral's {path.stem}"


def sources(folder: Path) -> dict[str, Path]:
    """Make the sample's datasets; return input kind -> dataset."""
    ingest = load("ingest")
    told = {"source": str(ROOT / "data" / "sample"), "pairs": str(folder / "pairs")}
    cfg = ingest.config.of({**told, "chunk_words": 40} | {"pairs": ""})
    run(ingest, cfg, told["source"], folder / "passage", RunOptions())
    cfg = ingest.config.of(told)
    run(ingest, cfg, told["source"], folder / "whole", RunOptions())
    assert ingest.hooks.also is not None
    also = ingest.hooks.also(cfg)
    assert also is not None
    run(also[0], also[1], told["source"], Path(also[2]), RunOptions())
    data = ROOT / "data"
    return {
        "passage": folder / "passage", "pair": folder / "pairs", "query": folder / "pairs",
        "label": data / "requests.jsonl", "topic": data / "topics.jsonl",
        "persona": data / "personas.jsonl", "corpus": folder / "whole",
    }  # fmt: skip


def cost(name: str, found: Mapping[str, Path], count: Count) -> tuple[float, float, float]:
    """Return calls, prompt tokens and completion tokens for a thousand rows written."""
    recipe = load_recipe(name)
    inputs = {one.input for one in mixed(recipe).values()}
    writes = set().union(*(one.writes for one in mixed(recipe).values()))
    stage = load("personas" if "persona" in writes else "synth")
    options: dict[str, Any] = {"llm": "openai:model", "recipe": name, "corpus": (found["corpus"],)}
    if name == "promptagator":
        lines = (ROOT / "data" / "examples.jsonl").read_text().splitlines()[:8]
        options["examples"] = found["corpus"].parent / "examples.jsonl"
        options["examples"].write_text("\n".join(lines))
    if name == "persona-query":
        options["personas"] = found["persona"]
    if "domain_floor" in stage.config.model_fields:
        options["domain_floor"] = -1
    known = stage.config.model_fields
    cfg = stage.config.of({k: v for k, v in options.items() if k in known})
    model = Counting(count)
    ctx = Context(llm=model)
    rows = [row for _, row in zip(range(ROWS), read_all(found[inputs.pop()]), strict=False)]
    for _ in stage.run(rows, cfg, ctx):
        pass
    thousand = 1000 / (ctx.ledger.rows_in + ctx.ledger.expanded - met(ctx))
    return model.calls * thousand, model.prompt_tokens * thousand, model.answers * thousand


def met(ctx: Context) -> int:
    """Return how many rows were left out before anything was asked: labels met before."""
    return sum(count for reason, count in ctx.ledger.dropped.items() if "met before" in reason)


def main(names: list[str]) -> None:
    """Print a table."""
    count, named = tekken()
    print(f"prompt tokens by {named}; answers of middling length for their schema")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        found = sources(Path(folder))
        ours = sorted(path.stem for path in (ROOT / "prompts").glob("*.md"))
        for name in names or [name for name in ours if not name.startswith("judge")]:
            calls, asked, written = cost(name, found, count)
            print(f"| `{name}` | {calls:,.0f} | {asked:,.0f} | {written:,.0f} |")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
