"""The same prompts through distilabel, with its own interpreter.

    …/distilabel/bin/python benchmarks/peers/run_distilabel.py --base-url URL …

A batch is as large as what may be in flight (two replicas with half of it each were slower); its
own OpenAI client, no cache.
"""

import json
import os
import tempfile

from told import arguments, tell

OFF = {"OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1", "DISTILABEL_LOG_LEVEL": "WARNING"}


def main() -> None:
    """Ask, and print how many answers there were."""
    options = arguments()
    os.environ.update(OFF)
    from distilabel.models import OpenAILLM  # type: ignore[import-not-found]
    from distilabel.pipeline import Pipeline  # type: ignore[import-not-found]
    from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found]
    from distilabel.steps.tasks import TextGeneration  # type: ignore[import-not-found]

    lines = [json.loads(line) for line in options.prompts.read_text().splitlines()]
    rows = [{"system_prompt": row["system"], "instruction": row["user"]} for row in lines]
    with tempfile.TemporaryDirectory() as folder:
        with Pipeline(name="bench", cache_dir=folder) as pipeline:
            load = LoadDataFromDicts(data=rows, batch_size=options.in_flight)
            write = TextGeneration(
                llm=OpenAILLM(
                    model="bench",
                    base_url=options.base_url,
                    generation_kwargs={"temperature": 0.7, "max_new_tokens": 256},
                ),
                input_batch_size=options.in_flight,
            )
            load >> write
        made = pipeline.run(use_cache=False)["default"]["train"]
        answered = sum(text is not None for text in made["generation"])
    tell(answered)


if __name__ == "__main__":
    main()
