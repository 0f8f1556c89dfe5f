"""contrastors: gzip shards that are read by seeking, with counts and offsets beside them.

Its loader names a shard by the last three parts of its path, of a path of six parts and more by
four; ours are named by three, and `data.yaml` leads to them from the folder above the output's
parent. Offsets are of bytes in the uncompressed stream
(https://github.com/nomic-ai/contrastors, dataset/text_text_loader.py).
"""

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from gpte_data.formats import Emitted, Format
from gpte_data.formats.beside import beside_file, lines
from gpte_data.formats.block import Block, Columns
from gpte_data.table_files import TableFile, json_lines

FORMAT = Format(
    "jsonl", one_positive=True, equal=True, stem="shard-{number:05d}", compression="gzip"
)
_WAYS = {"self": [], "paired": [["query", "document"]]}
_TRIPLET = {"triplet": [["query", "document", "negatives"]]}
_METADATA = pa.struct(
    [("objective", pa.struct([(k, pa.list_(pa.list_(pa.string()))) for k in [*_WAYS, *_TRIPLET]]))]
)


def columns(block: Block) -> Columns:
    """Return query, document, negatives, document_score, negatives_scores and metadata."""
    ways = _WAYS | (_TRIPLET if block.width else {"triplet": []})
    return {
        "query": block.query,
        "document": block.positives.full,
        "negatives": block.negatives.lists(block.negatives.full),
        "document_score": block.positives.scored(),
        "negatives_scores": block.negatives.lists(block.negatives.scored()),
        "metadata": pa.repeat(pa.scalar({"objective": ways}, _METADATA), len(block)),
    }


def beside(parts: Sequence[Emitted]) -> Iterator[TableFile]:
    """Yield counts.json, offsets.json.gz and data.yaml."""
    for part in parts:
        if part.shards:
            yield from _beside(part)


def _beside(part: Emitted) -> Iterator[TableFile]:
    counts = {_key(part, shard): shard.rows for shard in part.shards}
    text = json.dumps({"count_per_file": counts, "total_count": sum(counts.values())}, indent=1)
    yield beside_file(f"{part.path}counts.json", lambda: iter([lines(iter([text]))]))
    yield beside_file(f"{part.path}offsets.json.gz", lambda: _offsets(part))
    yield beside_file(f"{part.path}data.yaml", lambda: iter([lines(_yaml(part))]))


def _key(emitted: Emitted, shard: TableFile) -> str:
    """Return the last three parts of a shard's path."""
    return "/".join((emitted.output.resolve() / shard.name).parts[-3:])


def _offsets(emitted: Emitted) -> Iterator[pa.Table]:
    """Yield the lines of a JSON object: shard -> row -> where its line starts and ends."""
    for number, shard in enumerate(emitted.shards):
        opening = "{" if number == 0 else "},"
        yield lines(iter([f"{opening}{json.dumps(_key(emitted, shard))}:{{"]))
        row, start = 0, 0
        for table in shard.tables():
            found = []
            for one in table.to_pylist():
                end = start + len(json_lines([one]))
                found.append(f'{"," if row else ""}"{row}":[{start},{end}]')
                row, start = row + 1, end
            yield lines(iter(found))
    yield lines(iter(["}}"]))


def _yaml(emitted: Emitted) -> Iterator[str]:
    """Yield the lines of a data config, to be read in the folder above the output's parent."""
    keys = [_key(emitted, shard) for shard in emitted.shards]
    numbers = f"{{00000..{len(keys) - 1:05d}}}"
    bucket = f"{keys[0].rsplit('/', 1)[0]}/shard-{numbers}.jsonl.gz"
    negatives = next(emitted.blocks()).width
    way = {"type": "paired", "columns": ["query", "document"]}
    if negatives:
        way = {"type": "triplet", "columns": ["query", "document", "negatives"]}
    yield "datasets:"
    yield f"- name: {json.dumps(emitted.output.resolve().name)}"
    yield f"  bucket: {json.dumps(bucket)}"
    yield f"  objective: {json.dumps(way)}"
