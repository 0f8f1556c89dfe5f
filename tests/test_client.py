"""The engine of the client: how much is asked of servers, of which, and what a bad answer costs."""

import asyncio
import heapq
import random
import socket
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from server import Server, serve

from gpte_data.backends import Completion, Options, Request
from gpte_data.backends.answers import parse_answer, repair
from gpte_data.backends.embedded import embed
from gpte_data.backends.openai_client import HELD, Caller
from gpte_data.backends.openai_embedder import OpenAIEmbedder
from gpte_data.backends.openai_errors import Failure, StatusError, refused
from gpte_data.backends.openai_llm import OpenAILLM
from gpte_data.backends.openai_pace import START, Bucket, Limits, Pace
from gpte_data.backends.openai_transport import Server as Endpoint
from gpte_data.errors import BadOption, EndpointError

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 3}},
    "required": ["query"],
}


def asked(text: object) -> Request:
    return Request("openai:m", [{"role": "user", "content": f"word{text} one two"}], SCHEMA, {})


def no_keep(request: Request, completion: Completion) -> None:
    """Keep nothing."""


@contextmanager
def opened(*servers: Server | str, **options: Any) -> Iterator[OpenAILLM]:
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    llm = OpenAILLM("m", Options(base_urls=urls, **{"concurrency": 32, **options}))
    with closing(llm.caller):
        yield llm


def limit(llm: OpenAILLM) -> float:
    return sum(member.pace.limit for member in llm.caller._engine.fleet.members)


# The window


def simulated(
    pace: Pace, seconds: int, refuses: Callable[[int, float], bool], at_once: bool = True
) -> list[float]:
    """Send as much as the window takes; `refuses(at work, now)`; return the window each second.

    An answer takes half a second, a refusal no time at all, or as long.
    """
    now, working, ends = 0.0, 0, list[tuple[float, int, bool]]()
    limits = list[float]()
    while now < seconds:
        while pace.load < 1:
            epoch, refusal = pace.send(), refuses(working, now)
            working += not refusal
            heapq.heappush(ends, (now + (0.002 if refusal and at_once else 0.5), epoch, refusal))
        limits += [pace.limit] * (int(now) + 1 - len(limits))
        now, epoch, refusal = heapq.heappop(ends)
        if refusal:
            pace.refuse(epoch)
        else:
            working -= 1
            pace.end(answered=True)
    return limits


@pytest.mark.parametrize("at_once", [True, False])
def test_the_window_opens_fully_in_spite_of_random_refusals(at_once: bool) -> None:
    dice = random.Random(3)
    limits = simulated(Pace(1024), 60, lambda working, now: dice.random() < 0.12, at_once)
    assert limits[0] >= START and limits[5] == limits[-1] == 1024
    assert limits == sorted(limits), "never cut"


@pytest.mark.parametrize("most", [8, 50, 300])
def test_the_window_settles_near_what_a_server_takes(most: int) -> None:
    limits = simulated(Pace(1024), 90, lambda working, now: working >= most)
    settled = limits[20:]
    assert 0.75 * most <= sum(settled) / len(settled) <= 1.15 * most
    assert 0.6 * most <= min(settled) and max(settled) <= 1.4 * most


def test_the_window_grows_again() -> None:
    limits = simulated(Pace(512), 60, lambda working, now: now < 30 and working >= 20)
    assert limits[29] < 30 and limits[-1] == 512


def test_a_window_that_is_not_full_does_not_grow() -> None:
    pace = Pace(512)
    for _ in range(1000):
        pace.send()
        pace.end(answered=True)
    assert pace.limit == START


def test_a_real_server_that_takes_so_many_at_a_time(tmp_path: Path) -> None:
    """Every row is answered, few are refused once it has settled, and it grows again."""
    log = tmp_path / "log.jsonl"
    with (
        serve(log, latency=0.05, max_in_flight=16, relax_after=900) as server,
        opened(server, concurrency=128) as llm,
    ):
        found = llm.complete((asked(n) for n in range(2500)), no_keep)
        limits = [limit(llm) for done in found if done.answer]
        statuses = [line["status"] for line in server.requests()]
        peak = max(line["in_flight"] for line in server.requests()[-500:])
    assert len(limits) == 2500, "every row is answered"
    refusals = [status == 429 for status in statuses]
    assert sum(refusals[-1500:]) < 0.3 * 1500
    assert sum(limits[400:700]) / 300 < 40 and limits[-1] > 60 and peak > 40


def test_random_faults_don_t_slow_it_down(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "log.jsonl", latency=0.1, p429=0.1, preset=0.02) as server,
        opened(server, concurrency=64) as llm,
    ):
        found = list(llm.complete((asked(n) for n in range(1500)), no_keep))
        assert limit(llm) == 64
        assert sum(line["status"] != 200 for line in server.requests()) > 100
    assert all(done.answer for done in found)


def test_who_waits_for_another_try_holds_no_place(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "log.jsonl", p429=0.2, retry_after=1.5) as server,
        opened(server, concurrency=2) as llm,
    ):
        began = time.monotonic()
        assert all(done.answer for done in llm.complete((asked(n) for n in range(30)), no_keep))
        took = time.monotonic() - began
        waits = sum(line["status"] == 429 for line in server.requests()) * 1.5
    assert waits > 7 and took < waits / 2 * 0.9, "two places would have been held for half of it"


# Requests and tokens a minute


def test_a_bucket() -> None:
    now = 0.0
    bucket = Bucket(600, lambda: now)
    sent = 0
    while now < 30:
        while not bucket.wait():
            bucket.take(1)
            sent += 1
        now += bucket.wait()
    assert 300 <= sent <= 312, "ten a second, and a second's worth at first"
    bucket.take(100)
    assert 9 < bucket.wait() < 11.1, "more than there is may be taken, and is waited for"
    bucket.take(-100)
    assert bucket.wait() < 0.2


def test_tokens_are_counted_as_the_server_counts_them() -> None:
    limits = Limits(None, 60_000)
    taken = limits.send(100)
    assert taken == 100 and limits.wait() == 0
    limits.correct(taken, 300, 5_000)
    assert 3 < limits.wait() < 5
    assert limits.send(100) == 100 + 500, "from then on answers are expected to have some"


def starts(server: Server) -> list[float]:
    return sorted(line["t_start"] for line in server.requests())


def test_requests_a_minute_over_all_servers(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "1.jsonl") as first,
        serve(tmp_path / "2.jsonl") as second,
        opened(first, second, rpm=1200) as llm,
    ):
        assert all(done.answer for done in llm.complete((asked(n) for n in range(70)), no_keep))
        sent = sorted(starts(first) + starts(second))
    assert len(sent) == 70 and sent[-1] - sent[0] > (70 - 22) / 20 * 0.9


def test_tokens_a_minute(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl") as server, opened(server, tpm=6000, concurrency=4) as llm:
        began = time.monotonic()
        found = list(llm.complete((asked(n) for n in range(40)), no_keep))
        took = time.monotonic() - began
    tokens = sum(done.prompt_tokens + done.completion_tokens for done in found)
    assert all(done.answer for done in found) and tokens > 250
    assert took > (tokens - 180) / 100 * 0.8, "a hundred a second, a second's worth at first"


# Several servers


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_servers_share_by_load(tmp_path: Path) -> None:
    with (
        serve(tmp_path / "slow.jsonl", latency=0.3) as slow,
        serve(tmp_path / "fast.jsonl", latency=0.05) as fast,
        opened(slow, fast, concurrency=16) as llm,
    ):
        assert all(done.answer for done in llm.complete((asked(n) for n in range(400)), no_keep))
        shares = len(slow.requests()), len(fast.requests())
        peak = max(line["in_flight"] for line in slow.requests() + fast.requests())
    assert sum(shares) == 400 and shares[1] > 2 * shares[0] > 40 and peak <= 16


def test_a_server_that_goes_and_comes_back(tmp_path: Path) -> None:
    port = unused_port()
    with (
        ExitStack() as later,
        serve(tmp_path / "stays.jsonl", latency=0.05) as stays,
        serve(tmp_path / "goes.jsonl", latency=0.05, port=port) as goes,
        opened(stays, goes, concurrency=16) as llm,
    ):
        members = llm.caller._engine.fleet.members
        found, back = 0, list[Server]()

        def questions() -> Iterator[Request]:
            """Ask until the server has been gone, and back, for a while."""
            rest = 400
            for n in range(10_000):
                yield asked(n)
                rest -= bool(back) and not members[1].away
                if not rest:
                    return

        for done in llm.complete(questions(), no_keep):
            assert done.answer, done.error
            found += 1
            if found == 100:
                goes.stop()
            if found == 300:
                assert [member.away for member in members] == [False, True], "it is set aside"
                back.append(
                    later.enter_context(serve(tmp_path / "b.jsonl", latency=0.05, port=port))
                )
        assert len(back[0].requests()) > 100
    assert 500 < len(stays.log.read_text().splitlines()) < found


def test_no_server_is_left(tmp_path: Path) -> None:
    with serve(tmp_path / "1.jsonl") as first, serve(tmp_path / "2.jsonl") as second:
        with opened(first, second, retries=1) as llm:
            given = 0
            with pytest.raises(EndpointError, match="does not answer"):
                for _ in llm.complete((asked(n) for n in range(100_000)), no_keep):
                    given += 1
                    if given == 50:
                        first.stop()
                        second.stop()
            assert given < 50 + 2000
        with opened(first, second) as llm, pytest.raises(EndpointError, match="does not answer"):
            llm.caller.check()


def test_a_check_with_one_server_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = f"http://127.0.0.1:{unused_port()}/v1"
    with serve(tmp_path / "log.jsonl") as server, opened(server, gone) as llm:
        llm.caller.check()
        assert gone in capsys.readouterr().err
        assert all(done.answer for done in llm.complete(map(asked, range(40)), no_keep))


# Iterators


@pytest.mark.parametrize("concurrency", [1, 16])
def test_iterators_may_be_nested(tmp_path: Path, concurrency: int) -> None:
    """The questions of one come from the answers of another: both are in flight at a time."""
    with (
        serve(tmp_path / "log.jsonl", latency=0.1) as server,
        opened(server, concurrency=concurrency) as llm,
    ):
        count = 10 * concurrency

        def second(first: Iterator[Completion]) -> Iterator[Request]:
            for done in first:
                assert done.answer is not None
                yield asked(done.answer["query"])

        inner = llm.complete((asked(n) for n in range(count)), no_keep)
        found = list(llm.complete(second(inner), no_keep))
        log = server.requests()
    assert len(found) == count and all(done.answer for done in found) and len(log) == 2 * count
    busy = sum(line["in_flight"] for line in log) / len(log)
    assert busy > 0.5 * concurrency, "throughput is kept"


def test_what_is_held_behind_a_late_answer_is_bounded() -> None:
    """Others are answered meanwhile, but not without end; and it goes on from there."""
    read = 0
    free = threading.Event()
    full = HELD * 4

    def items() -> Iterator[int]:
        nonlocal read
        for n in range(1000):
            read += 1
            yield n

    async def ask(client: Any, item: int) -> int:
        while item == 0 and not free.is_set():
            await asyncio.sleep(0.01)
        return item

    def open_later() -> None:
        deadline = time.monotonic() + 20
        while read < full and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        seen.append(read)
        free.set()

    seen = list[int]()
    with closing(Caller(Options(base_urls=("http://127.0.0.1:1/v1",), concurrency=4))) as caller:
        thread = threading.Thread(target=open_later)
        thread.start()
        assert list(caller.map(items(), ask)) == list(range(1000))
        thread.join()
    assert seen == [full]


# Bad answers


def replies(monkeypatch: pytest.MonkeyPatch, *contents: Mapping[str, Any]) -> list[Any]:
    """Answer with these messages, one after the other; return the bodies that were sent."""
    sent, left = list[Any](), deque(contents)

    async def post(self: Endpoint, path: str, body: Mapping[str, Any]) -> Any:
        sent.append(orjson.loads(orjson.dumps(body)))
        said = left.popleft()
        choice = {"message": said, "finish_reason": said.get("finish_reason", "stop")}
        return {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 4}}

    monkeypatch.setattr(Endpoint, "post", post)
    return sent


def one() -> Completion:
    request = Request("m", asked(1).messages, SCHEMA, {"seed": 7, "max_tokens": 50})
    with opened("http://127.0.0.1:1/v1") as llm:
        (found,) = llm.complete([request], no_keep)
    return found


GOOD = {"content": '{"query": "what is it"}'}


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"content": "I'm sorry"}, "answer is not JSON"),
        ({"content": '{"query": 3}'}, "does not fit the schema"),
        ({"content": '{"query": "wh', "finish_reason": "length"}, "more briefly"),
    ],
)
def test_a_bad_answer_is_repaired_once(
    monkeypatch: pytest.MonkeyPatch, bad: Mapping[str, str], word: str
) -> None:
    sent = replies(monkeypatch, bad, GOOD)
    assert one() == Completion({"query": "what is it"}, "", 20, 8)
    first, second = sent
    assert second["messages"][:-2] == first["messages"]
    turn, last = second["messages"][-2:]
    assert turn == {"role": "assistant", "content": bad["content"]}
    assert last["role"] == "user" and word in last["content"]
    names = first.keys() - {"messages"}
    assert {name: first[name] for name in names} == {name: second[name] for name in names}
    assert first["seed"] == 7 and first["response_format"]["json_schema"]["schema"] == SCHEMA


def test_an_empty_answer_is_asked_for_in_the_same_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = replies(monkeypatch, {"content": None}, GOOD)
    assert one().answer
    (turn,) = sent[1]["messages"]
    assert turn["role"] == "user" and turn["content"].startswith("word1 one two\n\n")


def test_what_can_t_be_repaired_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "no " * 5000
    sent = replies(monkeypatch, {"content": "sorry"}, {"content": long})
    assert one() == Completion(None, "answer is not JSON", 20, 8, long[:2000])
    assert len(sent) == 2
    shown = repair([{"role": "user", "content": "q"}], long, "answer is not JSON")[1]["content"]
    assert len(shown) == 1500


def test_a_repair_that_fails_for_another_reason(tmp_path: Path) -> None:
    """What was bought counts, and what was written is kept; a retry asks only what is missing."""
    faults = {"pbadanswer": 0.5, "p500": 0.3}
    with serve(tmp_path / "log.jsonl", **faults) as server:
        with opened(server, retries=1) as llm:
            found = list(llm.complete((asked(n) for n in range(150)), no_keep))
        log = server.requests()
    statuses = [line["status"] for line in log]
    bought = statuses.count(200) + statuses.count("badanswer")
    assert sum(done.prompt_tokens for done in found) == 3 * bought
    lost = [done for done in found if done.error == "status 500"]
    assert any(done.raw and done.prompt_tokens == 3 for done in lost)


@pytest.mark.parametrize(
    ("content", "thought", "expected"),
    [
        ('<think>\n{"query": "no"}</think>\n{"query": "yes"}', None, {"query": "yes"}),
        ('well, {"query": "no"}\n</think>{"query": "yes"}', None, {"query": "yes"}),
        ('<think>a</think>```json\n{"query": "yes"}\n```', None, {"query": "yes"}),
        ('{"query": "is <think>x</think> XML"}', None, {"query": "is <think>x</think> XML"}),
        ("<think>so long", None, "answer is not JSON"),
        ("<think>that is it</think>", None, "empty answer"),
        (None, '{"query": "yes"}', {"query": "yes"}),
        ("", "the user wants", "empty answer"),
        ('{"query": "yes"}', '{"query": "no"}', {"query": "yes"}),
    ],
)
def test_thinking_is_no_part_of_an_answer(
    content: str | None, thought: str | None, expected: object
) -> None:
    assert parse_answer(content, SCHEMA, thought) == expected


def test_a_server_that_knows_no_schemas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told so once, and asked for an object, with the schema in words."""
    with serve(tmp_path / "log.jsonl", no_schemas=1) as server, opened(server) as llm:
        found = list(llm.complete(map(asked, range(50)), no_keep))
        statuses = [line["status"] for line in server.requests()]
    assert {done.error for done in found} == {"answer does not fit the schema"}, "as it ignores it"
    assert all(done.raw.startswith("{") for done in found)
    assert 1 <= statuses.count(400) <= 32 and statuses.count(200) == 100
    told = capsys.readouterr().err
    assert told.count("json_schema") == 1 and server.url in told
    body = StatusError(400, b'{"error": {"message": "json_schema is not supported"}}', {})
    sent = replies(monkeypatch, GOOD)
    answered = Endpoint.post

    async def post(self: Endpoint, path: str, asked: Mapping[str, Any]) -> Any:
        if asked["response_format"]["type"] == "json_schema":
            raise body
        return await answered(self, path, asked)

    monkeypatch.setattr(Endpoint, "post", post)
    assert one().answer and "minLength" in sent[0]["messages"][-1]["content"]


def test_a_schema_that_is_wrong_is_no_server_without_schemas(plain: Server) -> None:
    words = b'{"error": {"message": "Invalid schema for response_format: \'x\' must be an object"}}'
    with closing(Caller(Options(base_urls=(plain.url,)))) as caller:
        assert refused(caller.url, StatusError(400, words, {})) is not None
    from gpte_data.backends.openai_llm import refuses_schemas

    assert not refuses_schemas(StatusError(400, words, {}))


# What goes over the wire


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("plain") / "log.jsonl") as server:
        yield server


@contextmanager
def mirror(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, Mapping[str, str]]]]]:
    """Run a server that gives one reply to all; yield its address and what it was asked."""
    seen = list[tuple[str, Mapping[str, str]]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            seen.append((self.path, dict(self.headers)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


REPLY = orjson.dumps({"choices": [{"message": GOOD}]})


def test_headers_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-key")
    monkeypatch.setenv("OPENAI_ORG_ID", "an-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "a-project")
    with mirror(200, REPLY) as (host, seen):
        for url in (f"http://{host}/v1/", f"http://us%40er:pw@{host}/v1?version=3"):
            with opened(url) as llm:
                assert [done.answer for done in llm.complete([asked(1)], no_keep)]
    (path, headers), (other_path, other) = seen
    assert path == "/v1/chat/completions" and other_path == "/v1/chat/completions?version=3"
    assert headers["Authorization"] == "Bearer sk-key"
    assert other["Authorization"] == "Basic " + b64encode(b"us@er:pw").decode()
    assert headers["OpenAI-Organization"] == "an-org" and headers["OpenAI-Project"] == "a-project"
    assert headers["Content-Type"] == "application/json"


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(200, REPLY) as (host, seen):
        monkeypatch.setenv("http_proxy", f"http://{host}")
        with opened("http://model.invalid:8000/v1") as llm:
            assert [done.answer for done in llm.complete([asked(1)], no_keep)]
        assert seen[0][0] == "http://model.invalid:8000/v1/chat/completions"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with opened(f"http://{host}/v1") as llm:
            assert [done.answer for done in llm.complete([asked(1)], no_keep)]
        assert seen[1][0] == "/v1/chat/completions"
    monkeypatch.setenv("http_proxy", "socks5://user:secret@h:1")
    with pytest.raises(BadOption, match="socks5://h:1 is not spoken"):
        Caller(Options(base_urls=("http://model.invalid/v1",)))


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://h/v1", "http://", "http://h:x/v1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BadOption, match="is no address: expected an address like"):
        Caller(Options(base_urls=(url,)))


def test_the_key_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for status, said in ((400, "{}"), (404, "{}"), (401, "refuses the key")):
        body = b'{"error": {"message": "what is sk-secret?"}}'
        with mirror(status, body) as (host, _), opened(f"http://me:pw1234@{host}/v1") as llm:
            try:
                (done,) = llm.complete([asked(1)], no_keep)
                told = done.error
            except EndpointError as error:
                told = str(error)
        assert str(status) in told or "does not have it" in told or said in told
        assert "secret" not in told and "pw1234" not in told


def test_an_empty_purse_ends_the_run() -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    with mirror(429, body) as (host, seen), opened(f"http://{host}/v1") as llm:
        with pytest.raises(EndpointError, match="no quota left"):
            list(llm.complete([asked(1)], no_keep))
        assert len(seen) == 1


def test_long_bodies(plain: Server) -> None:
    """Longer than aiohttp takes as bytes without a warning."""
    embedder = OpenAIEmbedder("m", Options(base_urls=(plain.url,)))
    with closing(embedder.caller):
        assert embed(embedder, ["word " * 20_000] * 32).vectors.shape == (32, 32)


def test_errors_of_all_shapes_have_words() -> None:
    for body, words in (
        (b'{"error": {"message": "a\\n b"}}', "a b"),
        (b'{"message": "a", "code": 400}', "a"),
        (b'{"detail": "a"}', "a"),
        (b'{"error": "a"}', "a"),
        (b"<html>", "<html>"),
        (b"[]", "no reason given"),
        (b"", "no reason given"),
    ):
        assert StatusError(400, body, {}).message == words
        assert refused("u", StatusError(422, body, {})) == Failure(f"refused (422): {words}")
