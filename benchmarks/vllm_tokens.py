"""Tokens a second of `--llm vllm:MODEL` beside vLLM's own `LLM.chat`, and the prefix cache.

    python benchmarks/vllm_tokens.py [MODEL] [--corpus FOLDER] [--passages N] [--rounds N]
        [--engine-args JSON] [--server]

Run it with a Python that has vLLM; MODEL is a folder or a hub's name, the tests' tiny model if
none. Every way writes the same queries for the same passages of CORPUS (data/sample), with the same
sampling and schema, in turn, after one round that does not count and with an empty prefix cache:

    LLM.chat     vLLM, with all conversations at once, on the engine that gpte-data opened
    complete()   gpte-data's model: the same requests, one by one, answers in order
    synth        the whole command in this process: rows, journal, checks, Parquet

Medians of the rounds; the ratio is to `LLM.chat` of the same round. The engine has a process of its
own in all three, as it has in vLLM by default.

--server starts a vLLM server, has `gpte-data synth` write 10 queries a passage on it, and prints
the server's own count of prompt tokens found in its prefix cache. Exits 1 if synth's ratio is below
0.9, or the cache's share below 0.6.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpte_data.backends import Options, Request, open_llm, vllm_engine, vllm_llm
from gpte_data.plan import RunOptions
from gpte_data.run import run
from gpte_data.stages import load

ROOT = Path(__file__).parent.parent
SEED_SAMPLING = {"temperature": 0.7, "max_tokens": 256}
ON_CPU = ("--enforce-eager", "--no-enable-chunked-prefill")
GOAL, CACHE_GOAL = 0.9, 0.6
say = sys.stdout.write


def main() -> None:
    """Print the tables."""
    told = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a server that was started is stopped
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told.model = told.model or tiny_model(folder / "tiny")
        corpus = ingested(told.corpus, folder / "corpus", told.passages)
        good = not told.server or cache_share(told, corpus, folder) >= CACHE_GOAL
        good &= compare(told, corpus, folder) >= GOAL
    sys.stdout.flush()
    raise SystemExit(not good)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--corpus", type=Path, default=ROOT / "data" / "sample")
    parser.add_argument("--passages", type=int, default=240)
    parser.add_argument("--per-passage", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine-args", default="")
    parser.add_argument("--tensor-parallel", type=int, default=1)
    parser.add_argument("--server", action="store_true")
    return parser.parse_args()


def tiny_model(folder: Path) -> str:
    """Make the tests' two-layer Llama."""
    sys.path.insert(0, str(ROOT / "tests"))
    import tiny_models

    return str(tiny_models.tiny_llama(folder))


def ingested(source: Path, corpus: Path, passages: int) -> Path:
    """Return the collection as a corpus."""
    cfg = load("ingest").config.of({"source": str(source)})
    run(load("ingest"), cfg, str(source), corpus, RunOptions(limit=passages))
    return corpus


def compare(told: argparse.Namespace, corpus: Path, folder: Path) -> float:
    """Measure every way in turn, print the table, and return synth's ratio."""
    options = Options(engine_args=told.engine_args, tensor_parallel=told.tensor_parallel)
    requests = recorded(told, corpus, folder)
    engine = vllm_engine.engine(told.model, "generate", options)
    model = open_llm(f"vllm:{told.model}", options)
    ways: dict[str, Callable[[], float]] = {
        "LLM.chat": lambda: chat(engine.llm, requests),
        "complete()": lambda: completed(model, requests),
        "synth": lambda: synth(told, corpus, folder),
    }
    rounds: list[dict[str, float]] = []
    for _ in range(told.rounds + 1):
        rounds.append({})
        for name, measure in ways.items():
            engine.llm.reset_prefix_cache()
            rounds[-1][name] = measure()
    return table(rounds[1:], len(requests))


def table(rounds: list[dict[str, float]], requests: int) -> float:
    """Print the medians of tokens a second, and return synth's ratio."""
    say(f"{requests:,} requests, {len(rounds)} rounds\n")
    say(f"{'':12}{'tokens/s':>10}{'ratio':>8}  ratio of each round\n")
    ratios = {}
    for name in rounds[0]:
        each = [rates[name] / rates["LLM.chat"] for rates in rounds]
        ratios[name] = statistics.median(each)
        tokens = statistics.median(rates[name] for rates in rounds)
        spread = " ".join(f"{ratio:.2f}" for ratio in each)
        say(f"{name:12}{tokens:>10,.0f}{ratios[name]:>8.2f}  {spread}\n")
    return ratios["synth"]


def recorded(told: argparse.Namespace, corpus: Path, folder: Path) -> list[Request]:
    """Run the command once and return what it asked."""
    asked: list[Request] = []
    complete = vllm_llm.VLLMLLM.complete

    def recording(self: Any, requests: Any, keep: Any) -> Any:
        def seen() -> Iterator[Request]:
            for request in requests:
                asked.append(request)
                yield request

        return complete(self, seen(), keep)

    vllm_llm.VLLMLLM.complete = recording  # type: ignore[method-assign]
    synth(told, corpus, folder)
    vllm_llm.VLLMLLM.complete = complete  # type: ignore[method-assign]
    return asked


def synth(told: argparse.Namespace, corpus: Path, folder: Path) -> float:
    """Run the whole command into a new folder."""
    stage = load("synth")
    given = {"llm": f"vllm:{told.model}", "per_passage": told.per_passage, **SEED_SAMPLING}
    engine = {"engine_args": told.engine_args, "tensor_parallel": told.tensor_parallel}
    cfg = stage.config.of(given | {k: v for k, v in engine.items() if v not in ("", 1)})
    output = Path(tempfile.mkdtemp(dir=folder)) / "pairs"
    started = time.perf_counter()
    result = run(stage, cfg, str(corpus), output, RunOptions())
    return int(result.ledger.notes["completion tokens"]) / (time.perf_counter() - started)


def completed(model: Any, requests: Sequence[Request]) -> float:
    """Ask gpte-data's model."""
    started = time.perf_counter()
    answers = list(model.complete(iter(requests), lambda request, completion: None))
    seconds = time.perf_counter() - started
    written: int = sum(answer.completion_tokens for answer in answers)
    return written / seconds


def chat(llm: Any, requests: Sequence[Request]) -> float:
    """Ask vLLM, all at once."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    defaults = llm.model_config.get_diff_sampling_param()
    started = time.perf_counter()
    params = [
        SamplingParams(
            **(defaults | dict(request.sampling)),
            structured_outputs=StructuredOutputsParams(json=dict(request.schema)),
        )
        for request in requests
    ]
    outputs = llm.chat([list(request.messages) for request in requests], params, use_tqdm=False)
    seconds = time.perf_counter() - started
    written: int = sum(len(output.outputs[0].token_ids) for output in outputs)
    return written / seconds


def cache_share(told: argparse.Namespace, corpus: Path, folder: Path) -> float:
    """Have a server write 10 queries a passage; return the share of tokens that it had read."""
    with server(told, folder) as url:
        synth = ["synth", str(corpus), "-o", str(folder / "served"), "--llm", "openai:model"]
        synth += ["--base-url", f"{url}/v1", "--per-passage", "10", "--max-errors", "100000"]
        command = [sys.executable, "-m", "gpte_data", *synth]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(ended.stderr)
        asked, found = counted(url, "queries"), counted(url, "hits")
    share = found / asked
    say(f"server: 10 queries a passage, {asked:,.0f} prompt tokens, ")
    say(f"{share:.2f} of them from the prefix cache\n{ended.stderr.strip().splitlines()[-1]}\n")
    return share


def counted(url: str, what: str) -> float:
    """Return a counter of the server's prefix cache, in tokens."""
    with urllib.request.urlopen(f"{url}/metrics") as page:
        lines = page.read().decode().splitlines()
    wanted = f"vllm:prefix_cache_{what}_total"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted))


@contextmanager
def server(told: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Start a vLLM server for the model, wait until it answers, and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", told.model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "model"]
    command += ["--enable-prefix-caching", "--tensor-parallel-size", str(told.tensor_parallel)]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1"} | dict(os.environ)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *(ON_CPU if no_gpu() else ())], env=environment,
                                   stdout=log, stderr=subprocess.STDOUT)  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        while not healthy(url):
            if process.poll() is not None:
                raise SystemExit((folder / "server.log").read_text()[-2000:])
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def no_gpu() -> bool:
    """Tell whether this machine has no GPU."""
    import torch

    return not torch.cuda.is_available()


def healthy(url: str) -> bool:
    """Tell whether the server is up."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
