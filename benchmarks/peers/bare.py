"""The least that a good client does: N workers over one iterator, aiohttp, JSON in and out.

    python benchmarks/peers/bare.py --base-url URL --in-flight 512 --prompts FILE

Nothing is tried again, nothing is checked, nothing is kept.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from told import arguments, tell

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 3, "maxLength": 300}},
    "required": ["query"],
    "additionalProperties": False,
}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}


def bodies(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a chat completion's body for each prompt."""
    with path.open() as lines:
        for number, line in enumerate(lines):
            prompt = json.loads(line)
            yield {
                "model": "bench",
                "messages": [
                    {"role": "system", "content": prompt["system"]},
                    {"role": "user", "content": prompt["user"]},
                ],
                "response_format": FORMAT,
                "temperature": 0.7,
                "max_tokens": 256,
                "seed": number,
            }


async def ask_all(url: str, in_flight: int, path: Path) -> int:
    """Return how many answers there were."""
    source = bodies(path)
    answered = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for body in source:
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                content = (await reply.json())["choices"][0]["message"]["content"]
                answered += "query" in json.loads(content)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(worker(session) for _ in range(in_flight)))
    return answered


def main() -> None:
    """Ask, and print how many answers there were."""
    options = arguments()
    answered = asyncio.run(ask_all(options.base_url, options.in_flight, options.prompts))
    tell(answered)


if __name__ == "__main__":
    main()
