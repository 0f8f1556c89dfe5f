"""The same prompts through NeMo Data Designer, with its own interpreter.

    …/data-designer/bin/python benchmarks/peers/run_data_designer.py --base-url URL …

One text column over a seed of the prompts, `max_parallel_requests` what is in flight, row groups
large enough to fill it, the faster of its template engines, no telemetry, no metrics port.
"""

import os
import tempfile

from told import arguments, tell

OFF = {"NEMO_TELEMETRY_ENABLED": "false", "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"}


def main() -> None:
    """Ask, and print how many answers there were."""
    options = arguments()
    os.environ.update(OFF)
    import data_designer.config as dd  # type: ignore[import-not-found]
    import pandas
    from data_designer.interface import DataDesigner  # type: ignore[import-not-found]

    seed = pandas.read_json(options.prompts, lines=True)
    model = dd.ModelConfig(
        alias="writer",
        model="bench",
        provider="bench",
        inference_parameters=dd.ChatCompletionInferenceParams(
            max_parallel_requests=options.in_flight, temperature=0.7, max_tokens=256, timeout=120
        ),
    )
    provider = dd.ModelProvider(
        name="bench", endpoint=options.base_url, provider_type="openai", api_key="OPENAI_API_KEY"
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=seed))
    builder.add_column(
        dd.LLMTextColumnConfig(
            name="query", model_alias="writer", system_prompt="{{ system }}", prompt="{{ user }}"
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        designer = DataDesigner(artifact_path=folder, model_providers=[provider])
        designer.set_run_config(
            dd.RunConfig(
                buffer_size=max(1000, 2 * options.in_flight),
                max_in_flight_tasks=2 * options.in_flight,
                disable_early_shutdown=True,
                otel_metrics_port=None,
                jinja_rendering_engine="native",
            )
        )
        made = designer.create(builder, num_records=len(seed), dataset_name="bench")
        answered = int(made.load_dataset()["query"].notna().sum())
    tell(answered)


if __name__ == "__main__":
    main()
