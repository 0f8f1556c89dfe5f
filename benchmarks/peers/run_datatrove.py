"""datatrove's MinHash deduplication of a folder of .jsonl files, with its own defaults.

    python run_datatrove.py ROWS WORK TASKS

Four steps as in its examples, a file to each of TASKS processes; prints the ids that stay, one a
line.
"""

import json
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def main() -> None:
    """Run the steps."""
    rows, work, tasks = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    config = MinhashConfig()
    source = JsonlReader(str(rows), id_key="doc_id")
    signatures, buckets, clusters = (str(work / name) for name in ("sig", "buckets", "clusters"))
    steps = [
        (tasks, [source, MinhashDedupSignature(output_folder=signatures, config=config)]),
        (
            config.num_buckets,
            [MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config)],
        ),
        (1, [MinhashDedupCluster(input_folder=buckets, output_folder=clusters, config=config)]),
        (
            tasks,
            [
                source,
                MinhashDedupFilter(input_folder=clusters),
                JsonlWriter(str(work / "out"), compression=None),
            ],
        ),
    ]
    for number, (count, pipeline) in enumerate(steps):
        logs = str(work / f"logs{number}")
        LocalPipelineExecutor(
            pipeline, tasks=count, workers=min(tasks, count), logging_dir=logs
        ).run()
    for path in sorted((work / "out").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            sys.stdout.write(json.loads(line)["id"] + "\n")


if __name__ == "__main__":
    main()
