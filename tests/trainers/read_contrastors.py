"""contrastors, which is in no package index: a reader of its documented files, written here.

As its text_text_loader.py does: shards by the pattern of a YAML file, named by the last parts of
their path; a shard's rows are read by seeking to byte offsets of its uncompressed stream.
"""

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml
from braceexpand import braceexpand
from seen import row, tell


def name_of(url: str) -> str:
    """Return what a shard is called in counts and offsets."""
    parts = url.split("/")
    return "/".join(parts[-4:] if len(parts) >= 6 else parts[-3:])


def shards(spec: dict[str, Any]) -> Any:
    """Yield the rows of a data config, those of each shard last first: by seeking."""
    bucket = spec["bucket"].rsplit("/", 1)[0]
    counts = json.loads(Path(bucket, "counts.json").read_text())
    offsets = json.loads(gzip.decompress(Path(bucket, "offsets.json.gz").read_bytes()))
    total = 0
    for url in braceexpand(spec["bucket"]):
        places = offsets[name_of(url)]
        count = counts["count_per_file"][name_of(url)]
        assert count == len(places)
        total += count
        found = {}
        with gzip.open(url, "rb") as stream:
            for number in reversed(range(count)):
                start, end = places[str(number)]
                stream.seek(start)
                found[number] = json.loads(stream.read(end - start).decode())
            stream.seek(places[str(count - 1)][1])
            assert not stream.read(1)
        yield from (found[number] for number in range(count))
    assert total == counts["total_count"]


def main(_: str, folder: str, model: str) -> None:
    """Load and tell."""
    del model
    os.chdir(Path(folder).resolve().parents[1])
    config = yaml.safe_load((Path(folder) / "data.yaml").read_text())
    rows = []
    for spec in config["datasets"]:
        way = spec["objective"]
        for one in shards(spec):
            assert way["columns"] in one["metadata"]["objective"][way["type"]]
            values = [one[column] for column in way["columns"]]
            negatives = values[2] if len(values) == 3 else []
            scores = [one["document_score"], *one["negatives_scores"]]
            rows.append(row(values[0], [values[1]], negatives, scores))
    tell("braceexpand", rows, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
