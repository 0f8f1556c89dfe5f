"""The same prompts through `OpenAILLM.complete`, without recipe, journal or shards.

python benchmarks/peers/api.py --base-url URL --in-flight 512 --prompts FILE
"""

import json
from collections.abc import Iterator
from pathlib import Path

from bare import SCHEMA
from told import arguments, tell

from gpte_data.backends import Options, Request, open_llm


def requests(path: Path) -> Iterator[Request]:
    """Yield a request for each prompt."""
    with path.open() as lines:
        for number, line in enumerate(lines):
            prompt = json.loads(line)
            messages = [
                {"role": "system", "content": prompt["system"]},
                {"role": "user", "content": prompt["user"]},
            ]
            sampling = {"temperature": 0.7, "max_tokens": 256, "seed": number}
            yield Request("bench", messages, SCHEMA, sampling)


def main() -> None:
    """Ask, and print how many answers there were."""
    given = arguments()
    options = Options(base_urls=(given.base_url,), concurrency=given.in_flight)
    completions = open_llm("openai:bench", options).complete(
        requests(given.prompts), lambda request, completion: None
    )
    answered = sum(completion.answer is not None for completion in completions)
    tell(answered)


if __name__ == "__main__":
    main()
