"""semhash's deduplication of a folder of .jsonl files, with a static model from a folder.

    python run_semhash.py ROWS MODEL THRESHOLD

Prints the ids that stay, one a line.
"""

import json
import sys
from pathlib import Path

from model2vec import StaticModel
from semhash import SemHash


def main() -> None:
    """Deduplicate."""
    paths = sorted(Path(sys.argv[1]).glob("*.jsonl"))
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    model = StaticModel.from_pretrained(sys.argv[2])
    found = SemHash.from_records(rows, columns=["text"], model=model).self_deduplicate(
        threshold=float(sys.argv[3])
    )
    for row in found.selected:
        sys.stdout.write(row["doc_id"] + "\n")


if __name__ == "__main__":
    main()
