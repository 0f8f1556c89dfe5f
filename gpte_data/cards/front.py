"""The YAML at the head of README.md: what the hub shows, and what `load_dataset` goes by.

(https://huggingface.co/docs/hub/datasets-cards, datasets-manual-configuration)
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from gpte_data.cards import licences
from gpte_data.cards.features import features
from gpte_data.cards.layout import Config, Layout

_SIZES = [
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"),
]  # fmt: skip
EVALUATION = ("beir", "mteb")
"""Formats that are for evaluation."""
_CODE = re.compile(r"^[a-z]{2,3}$")
NO_MODEL = "no model"


def front(facts: Mapping[str, Any], layout: Layout, said: Mapping[str, str]) -> str:
    """Return the YAML block, its fences included."""
    datasets = [one["name"] for one in facts["sources"]] or [""]
    head: dict[str, Any] = {"pretty_name": title(facts)}
    if languages := codes(facts):
        head["language"] = languages
        head["multilinguality"] = ["multilingual" if len(languages) > 1 else "monolingual"]
    head |= licences.head(dict(said), datasets)
    head |= {"size_categories": [size(facts["books"]["out"])], "task_categories": _tasks(facts)}
    head |= {"tags": _tags(facts)}
    if layout.configs:
        head["configs"] = [_config(one, layout) for one in layout.configs]
        head["dataset_info"] = [_info(one, layout, facts) for one in layout.configs]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n"


def title(facts: Mapping[str, Any]) -> str:
    """Return a name that people read: that of the datasets, or of where their chain began."""
    named = [one["name"] for one in facts["sources"] if one["name"]]
    steps = [step for step in facts["steps"] if step["stage"].startswith("ingest")]
    begun = [str(step["options"].get("source", "")) for step in steps]
    names = named or list(dict.fromkeys(filter(None, begun)))
    names = names or [one["folder"] for one in facts["sources"]]
    what = "evaluation" if facts["options"]["format"] in EVALUATION else "training"
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown}: {what} data for embeddings" if shown else f"{what} data for embeddings"


def codes(facts: Mapping[str, Any]) -> list[str]:
    """Return the languages that are said with a code, the most frequent first."""
    found = [name.lower() for name in facts.get("language", {})]
    return list(dict.fromkeys(name for name in found if _CODE.match(name)))


def size(rows: int) -> str:
    """Return the hub's word for so many rows."""
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


def _tasks(facts: Mapping[str, Any]) -> list[str]:
    found = ["sentence-similarity", "feature-extraction"]
    return ["text-retrieval"] if facts["options"]["format"] in EVALUATION else found


def _tags(facts: Mapping[str, Any]) -> list[str]:
    """Return words to be found by."""
    found = ["embeddings", "retrieval"]
    if set(facts["negatives"]) - {"0"}:
        found.append("hard-negatives")
    if set(facts.get("generator", {})) - {NO_MODEL}:
        found.append("synthetic")
    return [*found, facts["options"]["format"], "gpte-data"]


def _config(config: Config, layout: Layout) -> dict[str, Any]:
    """Return which files a config loads."""
    files = [
        {"split": split, "path": _one_or_all(layout.patterns(files))}
        for split, files in config.splits.items()
    ]
    sep = {"sep": "\t"} if layout.builder == "csv" else {}
    return {"config_name": config.name, "data_files": files, **sep}


def _one_or_all(patterns: list[str]) -> str | list[str]:
    return patterns[0] if len(patterns) == 1 else patterns


def _info(config: Config, layout: Layout, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return features and sizes.

    The rows of splits can't be said without their size in memory, which nobody has measured.
    """
    info: dict[str, Any] = {"config_name": config.name}
    schema = schema_of(config, facts)
    if schema is not None and layout.builder in ("parquet", "json"):
        info |= {"features": found} if (found := features(schema)) is not None else {}
    return info | {"download_size": config.size}


def schema_of(config: Config, facts: Mapping[str, Any]) -> Any:
    """Return names and types of a config's columns: those of the first file that was looked at."""
    known = [facts["schemas"][file.name] for file in config.files if file.name in facts["schemas"]]
    if known:
        return known[0]
    first = next((p["shards"][0] for p in facts["parts"] if p["shards"]), None)
    return facts["schemas"].get(first) if config.counted else None


def query_licences(facts: Mapping[str, Any]) -> Mapping[str, int]:
    """Return the licences that rows name, where any does."""
    found: Mapping[str, int] = facts.get("license", {})
    return found if set(found) - {"not said"} else {}


def is_synthetic(facts: Mapping[str, Any]) -> bool:
    """Tell whether a model wrote some of the queries."""
    return bool(set(facts.get("generator", {})) - {NO_MODEL})
