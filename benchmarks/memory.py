"""Peak memory of `gpte-data synth`: 5,000 prompts against 200,000.

    python benchmarks/memory.py [--prompts 5000 200001] [--in-flight 512]

Three queries a passage, from one .jsonl file and from a folder of shards of 1,000 passages, against
bench_server.py with 0.05 s an answer; then again with --force, when every answer comes from the
journal. RSS is the kernel's count of the most that the process ever had; wanted are 100 MB at most
between the few prompts and the many.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bench_prompts import write_corpus
from measure import Run, books, measured, server, synth

SHARD = 1000
PER_PASSAGE = 3
KINDS = ("one file", "shards of 1,000")


def corpus(folder: Path, kind: str, passages: int) -> Path:
    """Write a corpus as one file, or as a folder of shards."""
    if kind == KINDS[0]:
        return write_corpus(folder / f"{passages}.jsonl", passages)
    shards = folder / f"shards{passages}"
    shards.mkdir()
    for number, start in enumerate(range(0, passages, SHARD)):
        path = shards / f"{number:05}.jsonl"
        write_corpus(path, min(SHARD, passages - start), start)
    return shards


def take(source: Path, output: Path, in_flight: int, *more: str) -> Run:
    """Run once; raise SystemExit unless every prompt was answered."""
    with server("--latency", "0.05") as url:
        run = measured([*synth(source, output, url, in_flight), *more], url, limit=1200)
    if run.code or books(output)["failed"]:
        raise SystemExit(f"gpte-data synth ended with {run.code}:\n{run.said[-3000:]}")
    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=int, nargs=2, default=[5000, 200_001])
    parser.add_argument("--in-flight", type=int, default=512)
    options = parser.parse_args()
    say = sys.stdout.write
    say(f"{'input':18}{'prompts':>9}{'asked MB':>10}{'journal MB':>12}{'req/s':>8}\n")
    with tempfile.TemporaryDirectory() as temporary:
        for kind in KINDS:
            peaks = []
            for prompts in options.prompts:
                source = corpus(Path(temporary), kind, prompts // PER_PASSAGE)
                output = Path(tempfile.mkdtemp(dir=temporary)) / "pairs"
                asked = take(source, output, options.in_flight)
                known = take(source, output, options.in_flight, "--force")
                peaks.append((asked.max_rss, known.max_rss))
                say(f"{kind:18}{prompts:>9,}{asked.max_rss:>10.0f}{known.max_rss:>12.0f}")
                say(f"{asked.rate:>8.0f}\n")
                sys.stdout.flush()
            more = [many - few for few, many in zip(*peaks, strict=True)]
            say(f"{'  difference':27}{more[0]:>+10.0f}{more[1]:>+12.0f}   (wanted 100 at most)\n")


if __name__ == "__main__":
    main()
