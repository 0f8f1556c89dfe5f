"""Tests of the test server itself."""

import asyncio
import base64
import json
import math
import operator
import resource
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import BadStatusLine, HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import aiohttp
import openai
import pytest
from pydantic import BaseModel, Field, ValidationError
from server import Server, serve


class Part(BaseModel):
    """A nested object, which pydantic puts under $defs."""

    name: str


class Answer(BaseModel, extra="forbid"):
    """One field for each kind of JSON schema the server can satisfy."""

    title: str = Field(min_length=40, max_length=50)
    kind: Literal["a", "b"]
    count: int = Field(ge=3, le=5)
    share: float = Field(ge=-0.5, le=0.5)
    sure: bool
    note: Annotated[str, Field(max_length=7)] | None
    parts: list[Part] = Field(min_length=2, max_length=4)


SCHEMA = Answer.model_json_schema()


def chat(text: str, schema: dict[str, Any] | None = SCHEMA) -> dict[str, Any]:
    """Return the body of a chat request."""
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": text}]}
    if schema is not None:
        form = {"name": "answer", "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def post(
    server: Server, path: str, body: object, timeout: float = 30, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send one request on a connection of its own; return status, headers and body."""
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def ask(server: Server, text: str) -> dict[str, Any]:
    """Send a chat request that must succeed at HTTP level; return the parsed body."""
    status, _, payload = post(server, "/v1/chat/completions", chat(text))
    assert status == 200, payload
    reply: dict[str, Any] = json.loads(payload)
    return reply


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; fail after 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server without faults for all tests that need no other."""
    with serve(tmp_path_factory.mktemp("plain") / "log.jsonl") as server:
        yield server


def test_answers_depend_on_the_request_alone(plain: Server, tmp_path: Path) -> None:
    """Equal requests get equal answers, from any server, in any order."""
    first, other = ask(plain, "red green blue"), ask(plain, "green blue red")
    assert ask(plain, "red green blue") == first
    assert first["choices"] != other["choices"]
    assert first["usage"]["prompt_tokens"] == 3
    with serve(tmp_path / "log.jsonl", fault_seed=9, latency=0.01) as second:
        assert ask(second, "red green blue") == first


def test_answers_satisfy_the_schema(plain: Server) -> None:
    """Answers satisfy the schema asked for, in words of the user message."""
    for number in range(50):
        content = ask(plain, f"apples and pears {number}")["choices"][0]["message"]["content"]
        words = set(Answer.model_validate_json(content, strict=True).parts[0].name.lower().split())
        assert words and words <= {"apples", "and", "pears", str(number)}


def test_unknown_schema_keyword_is_refused(plain: Server) -> None:
    """A schema the server cannot satisfy gets a 400 rather than a wrong answer."""
    body = chat("hello", {"type": "string", "pattern": "^a+$"})
    status, _, payload = post(plain, "/v1/chat/completions", body)
    assert status == 400 and b"pattern" in payload


def test_openai_client_reads_chat_embeddings_and_models(plain: Server) -> None:
    """The OpenAI client can use each endpoint it has a method for."""
    with openai.OpenAI(base_url=plain.url, api_key="none") as client:
        reply = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "say something about rivers"}]
        )
        assert reply.choices[0].message.content
        assert [model.id for model in client.models.list()] == ["test-model"]
        texts = ["data deletion request", "deletion of data requested", "sourdough bread"]
        packed = client.embeddings.create(model="m", input=texts)
        floats = client.embeddings.create(model="m", input=texts, encoding_format="float")
    vectors = [item.embedding for item in packed.data]
    for vector, exact in zip(vectors, floats.data, strict=True):
        assert vector == pytest.approx(exact.embedding, abs=1e-6)
        assert len(vector) == 32 and math.hypot(*vector) == pytest.approx(1)
    near, far = (sum(map(operator.mul, vectors[0], other)) for other in vectors[1:])
    assert near > far + 0.2


def test_embeddings_are_base64_on_the_wire(plain: Server) -> None:
    """Asked for base64, the server packs little-endian floats."""
    body = {"model": "m", "input": "one text", "encoding_format": "base64", "dimensions": 8}
    item = json.loads(post(plain, "/v1/embeddings", body)[2])["data"][0]
    vector = struct.unpack("<8f", base64.b64decode(item["embedding"]))
    assert math.hypot(*vector) == pytest.approx(1)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_rerank_and_score(plain: Server, prefix: str) -> None:
    """Both rank by overlap of words, under /v1 and without it."""
    texts = ["nothing alike", "how to delete my data", "delete it"]
    body = {"model": "m", "query": "delete my data", "documents": texts}
    results = json.loads(post(plain, f"{prefix}/rerank", body | {"top_n": 2})[2])["results"]
    assert [result["index"] for result in results] == [1, 2]
    assert results[0]["document"] == {"text": texts[1]}
    body = {"model": "m", "text_1": "delete my data", "text_2": texts}
    data = json.loads(post(plain, f"{prefix}/score", body)[2])["data"]
    assert [item["index"] for item in data] == [0, 1, 2]
    assert 0 < data[0]["score"] < data[2]["score"] < data[1]["score"] < 1
    assert data[1]["score"] == results[0]["relevance_score"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_http_errors(tmp_path: Path, status: int) -> None:
    """A fault with an HTTP status reaches the client as that status."""
    options: dict[str, float] = {f"p{status}": 1, "retry_after": 1.5}
    with serve(tmp_path / "log.jsonl", **options) as server:
        got, headers, payload = post(server, "/v1/embeddings", {"model": "m", "input": "x"})
        assert got == status and "message" in json.loads(payload)["error"]
        assert headers.get("Retry-After") == ("1.5" if status == 429 else None)
        assert [line["status"] for line in server.requests()] == [status]


@pytest.mark.parametrize(
    ("option", "status", "seen"),
    [
        ("preset", "reset", ConnectionResetError),
        ("ptruncate", "truncated", IncompleteRead),
        ("ptimeout", "timeout", TimeoutError),
    ],
)
def test_broken_connections(
    tmp_path: Path, option: str, status: str, seen: type[Exception]
) -> None:
    """A broken connection breaks in the way its option says."""
    with serve(tmp_path / "log.jsonl", **{option: 1.0}) as server:
        with pytest.raises(seen) as caught:
            post(server, "/v1/chat/completions", chat("hello"), timeout=0.5)
        assert not isinstance(caught.value, BadStatusLine)  # an RST, not an orderly close
        lines = server.requests()
    assert [(line["status"], line["delivered"]) for line in lines] == [(status, False)]


def test_malformed_body(tmp_path: Path) -> None:
    """A malformed answer is a 200 whose body is not JSON."""
    with serve(tmp_path / "log.jsonl", pmalformed=1) as server:
        status, _, payload = post(server, "/v1/chat/completions", chat("hello"))
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(payload)


def test_bad_and_empty_answers(tmp_path: Path) -> None:
    """All four ways of giving a useless chat answer occur, and are logged."""
    seen: Counter[str] = Counter()
    with serve(tmp_path / "log.jsonl", pbadanswer=0.5, pempty=0.5) as server:
        for number in range(40):
            choices = ask(server, f"some words {number}")["choices"]
            content = choices[0]["message"]["content"] if choices else None
            if not choices or content is None:
                seen["null" if choices else "no choices"] += 1
                continue
            with pytest.raises(ValidationError) as caught:
                Answer.model_validate_json(content)
            seen[caught.value.errors()[0]["type"]] += 1
        logged = Counter(line["status"] for line in server.requests())
    assert set(seen) == {"null", "no choices", "model_type", "json_invalid"}
    assert logged == {
        "empty": seen["null"] + seen["no choices"],
        "badanswer": seen["model_type"] + seen["json_invalid"],
    }


def test_refusals(tmp_path: Path) -> None:
    """What is wrong with a request is always refused, in the words of the OpenAI API."""
    options: dict[str, str | float] = {"api_key": "k", "bad_substring": "FAIL", "max_model_len": 4}
    with serve(tmp_path / "log.jsonl", **options) as server:
        for path, body, key, status, message in [
            ("/v1/chat/completions", chat("hello"), "k", 200, "chatcmpl"),
            ("/v1/chat/completions", chat("hello"), "wrong", 401, "API key"),
            ("/v1/chat/completions", chat("a FAIL"), "k", 400, "refuses"),
            ("/v1/rerank", {"query": "q", "documents": ["a", "FAIL"]}, "k", 400, "refuses"),
            ("/v1/embeddings", {"input": ["x", "a b c d e"]}, "k", 400, "maximum context length"),
            ("/v1/embeddings", {"input": 3, "model": "m"}, "k", 400, "Invalid"),
            ("/v1/nothing", {}, "k", 404, "nothing"),
        ]:
            got, _, payload = post(server, path, body, Authorization=f"Bearer {key}")
            assert got == status and message in payload.decode()
        assert [line["status"] for line in server.requests()] == [200, 401, 400, 400, 400, 400, 404]


def test_retries_succeed_and_the_log_tells_all(tmp_path: Path) -> None:
    """At a share of one half each request succeeds in the end."""
    begin = time.time()
    with serve(tmp_path / "log.jsonl", p500=0.5) as server:
        for number in range(30):
            while post(server, "/v1/chat/completions", chat(f"text {number}"))[0] != 200:
                pass
        lines = server.requests()
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    attempts = Counter(line["key"] for line in lines)
    assert len(attempts) == 30 and 40 < len(lines) < 90
    for line in lines:
        last = line["attempt"] == attempts[line["key"]]
        assert line["status"] == (200 if last else 500) and line["delivered"] is last
        assert line["path"] == "/v1/chat/completions" and line["in_flight"] == 1
        assert begin <= line["t_start"] <= line["t_end"] <= time.time()


def test_faults_repeat_with_the_seed(tmp_path: Path) -> None:
    """The same seed gives the same faults, another seed others."""
    runs = []
    for run, seed in enumerate([1, 1, 2]):
        with serve(tmp_path / f"{run}.jsonl", p503=0.5, fault_seed=seed) as server:
            for number in range(20):
                post(server, "/v1/embeddings", {"model": "m", "input": f"text {number}"})
            runs.append([line["status"] for line in server.requests()])
    assert runs[0] == runs[1] != runs[2]


def test_answer_to_a_client_that_left_is_not_delivered(tmp_path: Path) -> None:
    """A client gone before its answer is seen in the log."""
    with serve(tmp_path / "log.jsonl", latency=30) as server:
        with pytest.raises(TimeoutError):
            post(server, "/v1/chat/completions", chat("hello"), timeout=0.2)
        wait_until(lambda: bool(server.requests()))
        assert [(line["status"], line["delivered"]) for line in server.requests()] == [(200, False)]


def test_answer_that_is_not_read_is_not_delivered(plain: Server) -> None:
    """An answer stuck on its way does not count as delivered."""

    def lines() -> list[Any]:
        return [line for line in plain.requests() if line["n"] > before]

    before = len(plain.requests())
    connection = HTTPConnection(urlsplit(plain.url).netloc)
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    body = {"model": "m", "query": "x", "documents": ["x" * 2**25]}  # comes back in the answer
    connection.request("POST", "/rerank", json.dumps(body))
    response = connection.getresponse()  # reads the headers; the kernel cannot hold the rest
    response.close()
    connection.close()
    wait_until(lambda: bool(lines()))
    assert [(line["status"], line["delivered"]) for line in lines()] == [(200, False)]


def test_many_requests_in_flight(tmp_path: Path) -> None:
    """More than 1,024 requests can wait at the same time."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def flood(url: str) -> list[int]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(number: int) -> int:
                body = chat(f"text {number}")
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.read()
                    return response.status

            return await asyncio.gather(*(one(number) for number in range(1100)))

    with serve(tmp_path / "log.jsonl", latency=4) as server:
        assert set(asyncio.run(flood(server.url))) == {200}
        lines = server.requests()
    assert len(lines) == 1100 and all(line["delivered"] for line in lines)
    assert max(line["in_flight"] for line in lines) >= 1024


def test_server_ends(tmp_path: Path) -> None:
    """A stopped server refuses connections; one that cannot start says so."""
    with serve(tmp_path / "log.jsonl") as server:
        server.stop()
        assert not server.alive()
        with pytest.raises(ConnectionRefusedError):
            post(server, "/v1/embeddings", {})
    with pytest.raises(RuntimeError), serve(tmp_path / "log.jsonl", p500=0.9, p503=0.9):
        pass


def test_server_ends_with_its_parent(tmp_path: Path) -> None:
    """A server does not outlive a killed test run."""
    script = (
        "import pathlib, time, server\n"
        "with server.serve(pathlib.Path('/dev/null')) as running:\n"
        "    print(running.url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command, here = [sys.executable, "-c", script], Path(__file__).parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as parent:
        assert parent.stdout is not None
        orphan = Server(parent.stdout.readline().strip(), Path("/dev/null"), parent)
        assert orphan.alive()
        parent.kill()
    wait_until(lambda: not orphan.alive())
