"""What can't do what it says is refused before anything is asked: options, mixtures, rows."""

import http.server
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import cli, ok
from server import serve

from gpte_data import io, parquet
from gpte_data.backends.vllm_running import Engine
from gpte_data.errors import BadInput, UserError
from gpte_data.files import alone
from gpte_data.outcomes import _stands_in
from gpte_data.stage import Row
from gpte_data.stages.synth import SynthConfig

SERVER = ("--llm", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
PAIR = {"query_id": "q", "query": "how is soap made", "positives": ["d"]}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--examples", "EXAMPLES", *SERVER), "--examples changes nothing here"),
        (("--recipe", "OWN", "--aspects", "task,method", *SERVER), "--aspects changes nothing"),
        (("--recipe", "OWN", "--language", "de", *SERVER), "no prompt of the recipe has {{lang"),
        (("--recipe", "OWN", "--query-languages", "de", *SERVER), "--query-languages changes"),
        (("--language", "de", "--query-languages", "en", *SERVER), "give one of the two"),
        (("--engine-args", "{}", *SERVER), "go with --llm vllm:MODEL, not with openai:m"),
        (("--tensor-parallel", 2), "go with --llm vllm:MODEL, not with extractive"),
    ],
)
def test_what_would_change_nothing_is_refused(
    sample: Path, tmp_path: Path, options: tuple[object, ...], says: str
) -> None:
    own, examples = tmp_path / "own.md", tmp_path / "examples.jsonl"
    schema = "{type: object, properties: {query: {type: string}}, required: [query]}"
    own.write_text(f"---\nversion: 1\nanswer: {schema}\n---\n# user\nAsk of {{{{passage}}}}\n")
    examples.write_text('{"text": "a text", "query": "a query"}\n' * 2)
    named = {"OWN": own, "EXAMPLES": examples}
    done = cli("synth", sample, "-o", tmp_path / "out", *(named.get(str(o), o) for o in options))
    assert says in done.sentence()
    assert not (tmp_path / "out").exists()


def test_extractive_counts_words_too(sample: Path, tmp_path: Path) -> None:
    ok("synth", sample, "-o", tmp_path / "out", "--min-words", 4, "--max-words", 6, "--limit", 9)
    counts = {len(row["query"].split()) for row in io.read_all(tmp_path / "out")}
    assert counts and counts <= {4, 5, 6}


@pytest.mark.parametrize("mix", ["paraphrase: 1, hard-negative: 1", "hard-negative: 1, augment: 1"])
def test_new_queries_and_more_passages_are_not_mixed(tmp_path: Path, mix: str) -> None:
    mixture, pairs = tmp_path / "mixture.md", tmp_path / "pairs.jsonl"
    mixture.write_text(f"---\nmix: {{{mix}}}\n---\n")
    pairs.write_bytes(io.to_line(PAIR))
    done = cli("synth", pairs, "-o", tmp_path / "out", "--recipe", mixture, *SERVER)
    assert "run one after the other" in done.sentence()


def test_a_text_that_is_no_text_costs_its_row(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"doc_id": "1", "text": 5},
        {"doc_id": "2", "text": "Soap is made of fat and lye."},
    ]
    (tmp_path / "corpus.jsonl").write_bytes(b"".join(io.to_line(row) for row in rows))
    with serve(tmp_path / "log") as server:
        llm = ("--llm", "openai:m", "--base-url", server.url)
        said = ok("synth", tmp_path / "corpus.jsonl", "-o", tmp_path / "out", *llm)
    assert "text is no text: 1" in said


def test_limits_hold_for_all_workers_together() -> None:
    cfg = SynthConfig.of({"concurrency": 512, "rpm": 100, "tpm": 2})
    assert cfg.share(1) is cfg
    own = cfg.share(3)
    assert (own.concurrency, own.rpm, own.tpm) == (170, 33, 1)
    assert own.identity() == cfg.identity()


def test_workers_together_keep_to_a_limit(sample: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log", latency=0.01) as server:
        started = time.monotonic()
        llm = ("--llm", "openai:m", "--base-url", server.url, "--rpm", 600)
        few = ("--per-passage", 1, "--limit", 120)
        ok("synth", sample, "-o", tmp_path / "out", *llm, *few, "--workers", 3)
        asked = [line for line in server.requests() if line["path"].endswith("completions")]
        # 120 at ten a second, but for what may come at once in the beginning
        assert len(asked) == 120 and time.monotonic() - started > 5


def test_numbers_that_no_column_holds_together(tmp_path: Path) -> None:
    large = [{"doc_id": str(n), "score": 2**60 + n} for n in range(parquet.TABLE)]
    with pytest.raises(BadInput, match="a column holds several types"):
        io.write(tmp_path / "00000.parquet", [*large, {"doc_id": "x", "score": 0.5}])
    assert not list(tmp_path.iterdir())


def test_a_class_in_its_text_is_found_without_spaces() -> None:
    assert _stands_in("card lost", "what if my card lost its stripe")
    assert not _stands_in("art", "a party")
    assert _stands_in("退款", "我怎样申请退款呢")


def test_a_broken_engine_is_one_sentence_wherever_it_shows() -> None:
    class Dead:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("EngineCore is dead\nsee above")

    engine = Engine("vllm:m", Dead(), lambda: None)
    for use in (engine.step, lambda: engine.pooled("embed", ["a"])):
        with pytest.raises(UserError, match=r"^vllm:m broke down: EngineCore is dead; what was"):
            use()


class Circle(http.server.BaseHTTPRequestHandler):
    """A server that sends everyone back to itself."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_key_in_an_address_is_not_shown(sample: Path, tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Circle) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://u:PASSWORD@127.0.0.1:{server.server_port}/v1?key=SECRET"
        done = cli("synth", sample, "-o", tmp_path, "--llm", "openai:m", "--base-url", url)
        server.shutdown()
    assert done.rc == 2 and "does not answer" in done.stderr
    assert "SECRET" not in done.stderr and "PASSWORD" not in done.stderr


def test_a_preview_waits_for_no_run_and_disturbs_none(sample: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log") as server, alone(tmp_path / "out"):
        llm = ("--llm", "openai:m", "--base-url", server.url)
        done = cli("synth", sample, "-o", tmp_path / "out", *llm, "--preview", 2)
        assert "another run is writing" in done.sentence()
        assert not any(line["path"].endswith("completions") for line in server.requests())
