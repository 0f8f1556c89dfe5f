"""Near-duplicates among real abstracts: recall, precision, time and memory, ours and others'.

    python benchmarks/dedup.py ROWS.jsonl.gz [--peers FOLDER] [--rounds 3] [--planted 1000]

ROWS has `_id` or `doc_id`, `title`, `text`, one abstract a line (acl-anthology: 40,687). Planted
among them are copies, copies in capitals, and texts with words changed here and there, whose
Jaccard similarity of 5-word shingles to the original is .8 to .9 by a count of our own, made of
sets of strings. A pair counts as found when one of the two is gone. `right` is the share of what
went that has another row at .8 or more by the same count.

In each round every tool runs once, in turn, as a command of its own, from two .jsonl files to the
rows that stay; the table gives medians. Memory is the most that a command and its children had at
one time. datatrove and semhash from FOLDER (scripts/peer_venvs.sh), with the defaults of their own;
semhash and our --by semantic with MiniLM's word vectors as a static model, at the same cosine.
"""

import argparse
import gzip
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Meter

HERE = Path(__file__).parent
OURS = [sys.executable, "-m", "gpte_data", "dedup"]
COSINE = "0.95"
Text = dict[str, str]


def shingles(text: str) -> set[str]:
    """Return the runs of five words."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[n : n + 5]) for n in range(max(1, len(words) - 4))}


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the share that two sets have in common."""
    return len(one & other) / len(one | other)


def changed(text: str, dice: random.Random) -> str | None:
    """Return a text with words changed until it is about as similar as drawn, or None."""
    original, wanted, found = shingles(text), dice.uniform(0.8, 0.9), None
    words = text.split()
    for _ in range(60):
        tried = list(words)
        tried[dice.randrange(len(tried))] = f"zq{dice.randrange(10**6)}"
        similarity = jaccard(original, shingles(" ".join(tried)))
        if similarity < 0.8:
            return found
        words, found = tried, " ".join(tried)
        if similarity <= wanted:
            return found
    return found


def plant(
    path: Path, folder: Path, count: int
) -> tuple[list[Text], dict[str, list[tuple[str, str]]]]:
    """Write rows with what is planted, in two files; return them, and the pairs of each kind."""
    dice = random.Random(1)
    with gzip.open(path, "rt") as lines:
        given = [json.loads(line) for line in lines]
    rows = [
        {
            "doc_id": str(row.get("_id", row.get("doc_id"))),
            "text": f"{row.get('title') or ''} {row['text']}".strip(),
        }
        for row in given
    ]
    long = [row for row in rows if len(row["text"].split()) >= 60]
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    ways: dict[str, Callable[[str], str | None]] = {
        "copies": lambda text: text,
        "capitals": lambda text: text.upper().replace(". ", " .  "),
        "changed": lambda text: changed(text, dice),
    }
    for kind, way in ways.items():
        for row in dice.sample(long, count if kind == "changed" else count // 3):
            if (text := way(row["text"])) is not None:
                name = f"{kind}-{len(pairs[kind])}"
                rows.append({"doc_id": name, "text": text})
                pairs[kind].append((row["doc_id"], name))
    dice.shuffle(rows)
    folder.mkdir()
    for number in range(2):
        text = "".join(json.dumps(row) + "\n" for row in rows[number::2])
        (folder / f"{number:05d}.jsonl").write_text(text)
    return rows, pairs


@dataclass
class Run:
    """What a command took, and which rows it left."""

    seconds: float
    megabytes: float
    stays: set[str]


def run(command: Sequence[object], stays: Callable[[str], Iterator[str]]) -> Run:
    """Run a command; `stays` reads what it printed."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=said, text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        meter, ended = Meter(process.pid), threading.Event()
        thread = threading.Thread(target=meter.run, args=(ended,))
        thread.start()
        out, _ = process.communicate()
        seconds = time.monotonic() - started
        ended.set()
        thread.join()
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{command[0]} failed:\n{said.read()[-3000:]}")
    return Run(seconds, meter.peak_rss, set(stays(out)))


def tools(rows: Path, work: Path, peers: Path | None) -> dict[str, Callable[[], Run]]:
    """Return what is compared, by name."""
    model = static_model(work / "static")

    def ours(*options: str) -> Run:
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(rows / "_vectors", ignore_errors=True)
        return run([*OURS, rows, "-o", out, *options], lambda _: ids(out))

    found = {
        "gpte-data exact,minhash": ours,
        "gpte-data exact,semantic": lambda: ours(
            "--by", "exact,semantic", "--cosine", COSINE, "--teacher", f"model2vec:{model}"
        ),
    }
    for name in ("datatrove", "semhash") if peers else ():
        assert peers is not None
        python = peers / name / "bin" / "python"
        if python.exists():
            found[name] = peer(python, name, rows, work, model)
    return found


def peer(python: Path, name: str, rows: Path, work: Path, model: Path) -> Callable[[], Run]:
    """Return what runs a peer."""

    def go() -> Run:
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        told: list[object] = [folder, "2"] if name == "datatrove" else [model, COSINE]
        script = HERE / "peers" / f"run_{name}.py"
        return run([python, script, rows, *told], lambda out: iter(out.split("\n")))

    return go


def ids(folder: Path) -> Iterator[str]:
    """Yield the ids of a dataset."""
    from gpte_data import io

    for row in io.read_all(folder, ("doc_id",)):
        yield row["doc_id"]


def static_model(folder: Path) -> Path:
    """Write MiniLM's word vectors as a static model."""
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    from gpte_data.backends.models import model_path

    minilm = SentenceTransformer(model_path("all-MiniLM-L6-v2"))
    words = minilm[0].auto_model.embeddings.word_embeddings.weight.detach().numpy()
    StaticModel(words, minilm.tokenizer.backend_tokenizer).save_pretrained(str(folder))
    return folder


def justified(rows: Sequence[Text], gone: set[str]) -> set[str]:
    """Return those of what went that have another row at .8 or more."""
    sets = {row["doc_id"]: shingles(row["text"]) for row in rows if row["doc_id"] in gone}
    where: dict[str, list[str]] = defaultdict(list)
    for name, found in sets.items():
        for shingle in found:
            where[shingle].append(name)
    right = set[str]()
    for row in rows:
        mine = shingles(row["text"])
        common = Counter(name for shingle in mine for name in where.get(shingle, ()))
        for name, both in common.items():
            if name != row["doc_id"] and both / (len(mine) + len(sets[name]) - both) >= 0.8:
                right.add(name)
    return right


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planted", type=int, default=1000)
    options = parser.parse_args()
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        rows, pairs = plant(options.rows, work / "rows", options.planted)
        told = ", ".join(f"{len(found):,} {kind}" for kind, found in pairs.items())
        say(f"{len(rows):,} rows; planted: {told}\n")
        say(f"{'tool':26}{'s':>7}{'MB':>7}" + "".join(f"{kind:>10}" for kind in pairs))
        say(f"{'went':>8}{'right':>8}\n")
        taken = defaultdict(list)
        for _ in range(options.rounds):
            for name, tool in tools(work / "rows", work, options.peers).items():
                taken[name].append(tool())
        every = {row["doc_id"] for row in rows}
        for name, runs in taken.items():
            seconds, memory = (
                statistics.median(getattr(one, what) for one in runs)
                for what in ("seconds", "megabytes")
            )
            say(f"{name:26}{seconds:>7.1f}{memory:>7.0f}")
            gone = every - runs[-1].stays
            for found in pairs.values():
                share = sum(bool(gone & set(pair)) for pair in found) / len(found)
                say(f"{share:>10.4f}")
            say(f"{len(gone):>8,}{len(justified(rows, gone)) / max(len(gone), 1):>8.4f}\n")


if __name__ == "__main__":
    main()
