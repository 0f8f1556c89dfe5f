"""How emitted data are loaded, and how a trainer is given them, by format."""

from collections.abc import Mapping
from typing import Any

from gpte_data.cards.layout import DEFAULT, Layout
from gpte_data.cards.tables import code, table

_ST = """from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.losses import {loss}

train = load_dataset("PATH", split="{split}")
model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")
SentenceTransformerTrainer(model=model, train_dataset=train, loss={loss}(model)).train()"""
_SHELL = {
    "flagembedding": "torchrun --nproc_per_node 1 -m FlagEmbedding.finetune.embedder.encoder_only."
    "base \\\n    --model_name_or_path BAAI/bge-small-en-v1.5 --train_data PATH{folder} \\\n"
    "    --train_group_size {group} --output_dir out",
    "tevatron": "python -m tevatron.driver.train --model_name_or_path bert-base-uncased \\\n"
    "    --train_dir PATH{folder} --train_n_passages {group} --output_dir out",
    "ms-swift": "swift sft --model Qwen/Qwen3-Embedding-0.6B --task_type embedding \\\n"
    "    --loss_type infonce --dataset PATH{file} --output_dir out",
}
_WEB = """import webdataset as wds

for example in wds.WebDataset("PATH{file}", shardshuffle=False).decode():
    print(example["json"]["query"])"""
_LOSSES = {
    "sentence-transformers": "MultipleNegativesRankingLoss", "st-margin-mse": "MarginMSELoss",
    "st-kldiv": "DistillKLDivLoss", "st-labeled-pair": "CosineSimilarityLoss",
}  # fmt: skip


def load(layout: Layout) -> str:
    """Return how the files are loaded; "" where `datasets` reads none of them."""
    if not layout.configs:
        return ""
    lines = ["from datasets import load_dataset", ""]
    for config in layout.configs:
        if config.name == DEFAULT:
            lines += [f'{_name(s)} = load_dataset("PATH", split="{s}")' for s in config.splits]
        else:
            split = next(iter(config.splits))
            of = f'"{config.name}", split="{split}"'
            lines.append(f'{_name(config.name)} = load_dataset("PATH", {of})')
    if any(file.name.endswith(".zst") for file in layout.files):
        lines.insert(0, "# pip install zstandard")
    return "\n".join(lines)


def _name(text: str) -> str:
    """Return a name for a variable."""
    name = "".join(c if c.isalnum() else "_" for c in text)
    return name if name.isidentifier() else f"_{name}"


def train(facts: Mapping[str, Any], layout: Layout) -> tuple[str, str]:
    """Return the language and the lines of a small training run; "" where there is none to show."""
    name = facts["options"]["format"]
    shards = [file for file in layout.files if file.rows]
    split = next((file.split for file in shards if file.split == "train"), "train")
    if name in _LOSSES:
        return "python", _ST.format(loss=_LOSSES[name], split=split)
    if not shards:
        return "", ""
    first = next((file for file in shards if file.split == split), shards[0]).name
    folder = f"/{first.rpartition('/')[0]}" if "/" in first else ""
    group = max(map(int, facts["negatives"]), default=0) + 1
    if name == "webdataset":
        return "python", _WEB.format(file=f"/{first}")
    if name in _SHELL:
        return "bash", _SHELL[name].format(folder=folder, file=f"/{first}", group=group)
    return "", ""


def files(layout: Layout) -> str:
    """Return a table of what is loaded by which name."""
    rows = [
        (
            code(config.name), split, len(found),
            f"{config.rows(split):,}" if config.counted else "beside", _size(found),
        )
        for config in layout.configs
        for split, found in config.splits.items()
    ]  # fmt: skip
    loaded = {file.name for config in layout.configs for file in config.files}
    others = [file for file in layout.files if file.name not in loaded]
    rows += [
        (code(file.name), file.split, 1, f"{file.rows:,}" if file.rows else "beside", _size([file]))
        for file in others
    ]
    return table(["config or file", "split", "files", "examples", "size"], rows)


def _size(found: Any) -> str:
    """Return how large files are: `1.2 MB`."""
    size = float(sum(file.size for file in found))
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
