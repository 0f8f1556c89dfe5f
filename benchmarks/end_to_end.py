"""A whole collection through pipelines/own_queries.sh, twice: seconds by stage, and the books.

    python benchmarks/end_to_end.py COLLECTION        (a BEIR folder with train qrels, e.g. scifact)

The first run does everything; the second must do nothing and say so. Exits 1 if it does something,
or if at any stage in + expanded is not out + dropped + failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpte_data.inspection import survey

RECIPE = Path(__file__).parent.parent / "pipelines" / "own_queries.sh"


def recipe(collection: str, folder: Path) -> tuple[float, str]:
    """Run the recipe; return its seconds and what it said."""
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "DOCS": collection,
        "RUN": str(folder),
    }
    started = time.perf_counter()
    ended = subprocess.run(
        ["bash", str(RECIPE)], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"{RECIPE.name} ended with {ended.returncode}:\n{ended.stderr}")
    return time.perf_counter() - started, ended.stderr


def main() -> None:
    """Print the table."""
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        first, _ = recipe(sys.argv[1], folder)
        second, said = recipe(sys.argv[1], folder)
        idle = all("nothing to do" in line for line in said.splitlines() if line)
        closed = True
        for dataset in survey(folder)["datasets"]:
            books = dataset["ledger"]
            gone = sum(books["dropped"].values()) + sum(books["failed"].values())
            closed &= books["in"] + books["expanded"] == books["out"] + gone
            name = f"{Path(dataset['folder']).name} ({dataset['stage']})"
            say(f"{name:34} {books['in']:>6,} in {books['out']:>6,} out {gone:>6,} gone")
            say(f" {dataset['seconds']:7.1f} s\n")
    say(f"first run {first:.1f} s, second run {second:.1f} s\n")
    say(f"second run did {'nothing' if idle else 'something'}; ")
    say(f"the books {'close' if closed else 'do not close'}\n")
    if not (idle and closed):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
