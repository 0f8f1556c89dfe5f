"""The data card of emitted shards: README.md with the YAML that the hub and `datasets` read."""

from collections.abc import Mapping, Sequence
from typing import Any

from gpte_data import __version__
from gpte_data.emission.dropped import BELOW
from gpte_data.formats import FORMATS, Format, open_format
from gpte_data.ledger import Ledger
from gpte_data.manifest import fingerprint

_SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
_MINED = "Negatives come from automatic mining: some may answer the query all the same.\n"


def data_card(
    format_: str, suffix: str, negatives: int, ledger: Ledger, facts: Mapping[str, Any]
) -> str:
    """Return the card as Markdown."""
    size = next((name for limit, name in _SIZES if ledger.rows_out < limit), "1M<n<10M")
    queries = ledger.rows_in - ledger.dropped.total() + ledger.dropped[BELOW]
    loader = "parquet" if suffix == ".parquet" else "json"
    return f"""---
configs:
{_configs(open_format(format_).of, suffix)}
size_categories:
- {size}
task_categories:
- sentence-similarity
- feature-extraction
tags:
- embeddings
- gpte-data
---
# Training data for a text embedding model

{_opening(ledger.rows_out, queries, negatives, facts.get("vectors"))}, in
the format `{format_}`. {FORMATS[format_]}

```python
from datasets import load_dataset

dataset = load_dataset("{loader}", data_files="*{suffix}", split="train")
```

or `load_dataset` with the path of this folder.

## How it was made

| | |
|---|---|
| queries by recipe | {_counts(facts.get("recipe"))} |
| queries by generator | {_counts(facts.get("generator"))} |
| negatives mined with (queries) | {_counts(facts.get("teacher"))} |
| left out | {_counts(ledger.dropped)} |
| made by | gpte-data {__version__} |
| fingerprint | `{fingerprint(facts["identity"])}` |

{_MINED if negatives and "vectors" not in facts else ""}Synthetic queries were not read by a person.
The licence is that of the documents and of the models named above.
"""


def _opening(rows: int, queries: int, negatives: int, vectors: Mapping[str, Any] | None) -> str:
    """Say what the rows are."""
    if vectors is None:
        return f"{rows:,} examples from {queries:,} queries, {_content(negatives)}"
    return (
        f"{rows:,} texts, {vectors['documents']:,} documents and {vectors['queries']:,} queries, "
        f"with vectors of {vectors['dimension']:,} numbers ({vectors['dtype']}) by "
        f"`{vectors['teacher']}`"
    )


def _configs(of: Format, suffix: str, splits: Sequence[str] = ("train",)) -> str:
    """Return what `load_dataset` is to find in the folder, as YAML."""
    found = []
    for name, files in (of.configs or {"default": f"*{suffix}"}).items():
        found += [f"- config_name: {name}", "  data_files:"]
        each = splits if "{split}" in files else ["train"]
        for split in each:
            found += [f"  - split: {split}", f'    path: "{files.format(split=split)}"']
    return "\n".join(found)


def _content(negatives: int) -> str:
    """Say what stands beside a query and its positive."""
    return f"with {negatives} negatives each" if negatives else "pairs without negatives"


def _counts(counts: Mapping[str, int] | None) -> str:
    """Return counts by name on one line."""
    return ", ".join(f"{name}: {n:,}" for name, n in (counts or {}).items()) or "nothing"
