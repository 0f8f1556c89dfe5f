"""The same prompts through Bespoke curator, with its own interpreter.

    …/curator/bin/python benchmarks/peers/run_curator.py --base-url URL --in-flight N --prompts FILE

Its `openai` backend, which posts over aiohttp by itself and is faster than the one by litellm; no
rate limits, a fresh cache, no telemetry, no viewer. The name of the model is one whose price it
knows, since looking for an unknown one costs it more.
"""

import json
import os
import tempfile
from typing import Any

from told import arguments, tell

OFF = {
    "TELEMETRY_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_HUB_OFFLINE": "1",
    "OPENAI_API_KEY": "none",
}


def main() -> None:
    """Ask, and print how many answers there were."""
    options = arguments()
    os.environ.update(OFF)
    # first: it points tiktoken to the tokenizer that litellm brings, else one is downloaded
    import litellm.litellm_core_utils.default_encoding  # type: ignore[import-not-found]
    from bespokelabs import curator  # type: ignore[import-not-found]

    class Writer(curator.LLM):  # type: ignore[misc]
        """Sends each row as it is."""

        def prompt(self, row: Any) -> list[dict[str, str]]:
            """Return the messages."""
            return [
                {"role": "system", "content": row["system"]},
                {"role": "user", "content": row["user"]},
            ]

    litellm.suppress_debug_info = True
    rows = [json.loads(line) for line in options.prompts.read_text().splitlines()]
    writer = Writer(
        model_name="gpt-4o-mini",
        backend="openai",
        generation_params={"temperature": 0.7, "max_tokens": 256},
        backend_params={
            "base_url": options.base_url,
            "max_concurrent_requests": options.in_flight,
            "max_requests_per_minute": 10**9,
            "max_tokens_per_minute": 10**12,
            "require_all_responses": False,
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        made = writer(rows, working_dir=folder)
        answered = sum(row["response"] is not None for row in made.dataset)
    tell(answered)


if __name__ == "__main__":
    main()
