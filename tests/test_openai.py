"""The client of OpenAI-compatible servers, against a server with faults on demand."""

import base64
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server import Server, serve
from server_answers import embed as server_vector
from server_answers import overlap

from gpte_data.backends import Completion, Options, Request, embedded
from gpte_data.backends.answers import parse_answer
from gpte_data.backends.journal import Journal, complete
from gpte_data.backends.openai_client import HELD, Caller
from gpte_data.backends.openai_embedder import OpenAIEmbedder, _vector
from gpte_data.backends.openai_embedder import check as check_embedder
from gpte_data.backends.openai_errors import Failure, StatusError, without_secrets
from gpte_data.backends.openai_llm import OpenAILLM
from gpte_data.backends.openai_llm import check as check_llm
from gpte_data.backends.openai_reranker import OpenAIReranker
from gpte_data.backends.openai_transport import Server as Endpoint
from gpte_data.backends.reranking import Reranking
from gpte_data.backends.unit import unit
from gpte_data.errors import EndpointError

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 3, "maxLength": 300}},
    "required": ["query"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server without faults for all tests that need no other."""
    with serve(tmp_path_factory.mktemp("plain") / "log.jsonl") as server:
        yield server


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a tenth as long as a user does before another try."""
    pause = Caller._pause
    monkeypatch.setattr(Caller, "_pause", lambda *args: pause(*args) / 10)


def asked(text: object, **sampling: Any) -> Request:
    return Request(
        "openai:m", [{"role": "user", "content": f"word{text} one two"}], SCHEMA, sampling
    )


def no_keep(request: Request, completion: Completion) -> None:
    """Keep nothing."""


def answers(
    server: Server | str, questions: list[Request], keep: Any = no_keep, **options: Any
) -> list[Completion]:
    url = server if isinstance(server, str) else server.url
    llm = OpenAILLM("m", Options(base_urls=(url,), **{"concurrency": 32, **options}))
    with closing(llm.caller):
        return list(llm.complete(questions, keep))


def is_about(completion: Completion, text: object) -> bool:
    """Tell whether an answer was written to this question: the server uses its words."""
    words = set(str((completion.answer or {})["query"]).lower().split())
    return words <= {f"word{text}", "one", "two"}


# Answers


def test_answers_come_in_order_with_their_tokens(plain: Server) -> None:
    found = answers(plain, [asked(n, seed=n, temperature=0.5, max_tokens=99) for n in range(200)])
    assert all(is_about(done, n) for n, done in enumerate(found))
    assert all(done.prompt_tokens == 3 and done.completion_tokens > 0 for done in found)
    assert len({str(done.answer) for done in found}) > 150


def test_kept_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """Answers behind a slow one are kept before it comes."""
    with serve(tmp_path / "log.jsonl", latency_jitter=0.5) as server:
        kept: list[str] = []
        given: list[int] = []

        def keep(request: Request, completion: Completion) -> None:
            assert is_about(completion, request.sampling["seed"])
            kept.append(request.key)

        questions = [asked(n, seed=n) for n in range(64)]
        llm = OpenAILLM("m", Options(base_urls=(server.url,)))
        with closing(llm.caller):
            for _ in llm.complete(questions, keep):
                given.append(len(kept))
    assert set(kept) == {request.key for request in questions} and given[0] > 1
    assert kept != [request.key for request in questions]


FAULTS = {
    "retry-after": {"p429": 0.1, "retry_after": 0.2, "p500": 0.05, "preset": 0.02},
    "no retry-after": {"p429": 0.1, "p503": 0.05},
    "broken bodies": {"ptruncate": 0.1, "pmalformed": 0.1},
    "bad answers": {"pbadanswer": 0.1},
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_every_question_is_answered_in_spite_of_faults(
    tmp_path: Path, plain: Server, faults: Mapping[str, float]
) -> None:
    questions = [asked(n) for n in range(250)]
    with serve(tmp_path / "log.jsonl", **faults) as server:
        found = answers(server, questions)
        log = server.requests()
    assert {line["status"] for line in log} >= {200}
    assert sum(line["status"] != 200 for line in log) > 20, "there were faults"
    clean = [done.answer for done in answers(plain, questions)]
    wrong = sum(done.answer != good for done, good in zip(found, clean, strict=True))
    most = 250 * faults.get("pbadanswer", 0) ** 2 * 3  # one more try for an answer that is none
    assert wrong <= most, "and none of them is seen in the answers"
    assert all(done.answer is not None or done.raw for done in found)


REASONS = {
    "p429": "status 429",
    "p500": "status 500",
    "p503": "status 503",
    "pmalformed": "malformed reply",
    "pempty": "empty answer",
    "preset": "connection lost",
    "ptruncate": "connection lost",
}


@pytest.mark.parametrize(("fault", "reason"), REASONS.items())
def test_a_question_that_is_never_answered_says_why(
    tmp_path: Path, fault: str, reason: str
) -> None:
    with serve(tmp_path / "log.jsonl", **{fault: 1.0}) as server:
        found = answers(server, [asked(n) for n in range(5)], retries=2)
        assert len(server.requests()) == (10 if fault == "pempty" else 15)
    assert [(done.answer, done.error) for done in found] == [(None, reason)] * 5


def test_bad_answers_say_why(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", pbadanswer=1.0) as server:
        found = answers(server, [asked(n) for n in range(30)], retries=1)
        assert len(server.requests()) == 60, "each is asked for once more"
    assert all(done.raw for done in found)
    assert {done.error for done in found} == {
        "answer is not JSON",
        "answer does not fit the schema",
        "answer cut off at max_tokens",
    }


def test_one_refused_question_costs_itself_alone(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", bad_substring="word7 ") as server:
        found = answers(server, [asked(n) for n in range(40)])
        assert len(server.requests()) == 40, "what is refused is not asked again"
    assert [n for n, done in enumerate(found) if done.answer is None] == [7]
    assert found[7].error.startswith("refused (400): The request contains text")


def test_a_prompt_that_is_too_long_says_so(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", max_model_len=5) as server:
        found = answers(server, [asked(1), asked("x y z a b c"), asked(2)])
    assert [done.error for done in found] == ["", "longer than the model takes", ""]


def test_a_slow_question_is_given_up(tmp_path: Path) -> None:
    """It costs itself alone, even where no other is answered meanwhile."""
    with serve(tmp_path / "log.jsonl", ptimeout=1.0) as server:
        began = time.monotonic()
        found = answers(server, [asked(1)], timeout=1, retries=1, concurrency=1)
    assert found == [Completion(None, "timeout")]
    assert time.monotonic() - began < 60


# Whether the server is there


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{unused_port()}/v1"
    for check in (check_llm, check_embedder):
        with pytest.raises(
            EndpointError, match=r"does not answer \(.*[Cc]onnect.*start the server"
        ):
            check("m", Options(base_urls=(url,)))
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(EndpointError, match=url):
        answers("", [asked(1)], retries=1)


def test_a_server_that_takes_connections_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match="does not answer"):
            check_llm("m", Options(base_urls=(url,), timeout=0.2))
        with pytest.raises(EndpointError, match="does not answer"):
            answers(url, [asked(1)], timeout=0.2, retries=1)


def test_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path / "log.jsonl", api_key="right") as server:
        for key in ("", "wrong"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            with pytest.raises(EndpointError, match=r"refuses the key .*OPENAI_API_KEY"):
                check_llm("m", Options(base_urls=(server.url,)))
            with pytest.raises(EndpointError, match="refuses the key"):
                answers(server, [asked(n) for n in range(9)])
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        check_llm("m", Options(base_urls=(server.url,)))
        assert answers(server, [asked(1)])[0].answer


def test_a_wrong_address(plain: Server) -> None:
    """A server without a list of models is a server; one without the endpoint is none for us."""
    url = plain.url.removesuffix("/v1") + "/elsewhere"
    check_llm("m", Options(base_urls=(url,)))
    with pytest.raises(EndpointError, match="does not have it"):
        answers(url, [asked(1)])


def test_a_server_that_dies(tmp_path: Path) -> None:
    """The run ends soon, in one sentence, and what was answered is in the journal."""
    with serve(tmp_path / "log.jsonl", latency=0.02) as server:
        path = tmp_path / "journal.jsonl"
        llm = OpenAILLM("m", Options(base_urls=(server.url,), concurrency=8, retries=2))
        journal, given = Journal(path), list[Completion]()
        with closing(llm.caller), pytest.raises(EndpointError, match="does not answer"):
            for done in complete(llm, (asked(n) for n in range(5000)), journal):
                given.append(done)
                if len(given) == 100:
                    server.stop()
        journal.close()
    assert 100 <= len(given) < 200 and all(done.answer for done in given)
    known = Journal(path).known
    assert all(known[asked(n).key] == done for n, done in enumerate(given))
    with serve(tmp_path / "again.jsonl") as server:
        llm = OpenAILLM("m", Options(base_urls=(server.url,)))
        journal = Journal(path)
        with closing(llm.caller):
            found = list(complete(llm, (asked(n) for n in range(300)), journal))
        journal.close()
        assert len(server.requests()) == 300 - len([n for n in range(300) if asked(n).key in known])
    assert found[: len(given)] == given


def test_a_server_that_answers_nothing_ends_the_run(tmp_path: Path) -> None:
    """As with an empty quota: a hundred thousand rows do not fail one after the other."""
    with serve(tmp_path / "log.jsonl", p429=1.0, retry_after=0) as server:
        with pytest.raises(EndpointError, match=r"none of the last \d+ requests.*status 429"):
            answers(server, [asked(n) for n in range(2000)], retries=1)
        assert len(server.requests()) < 500


# In order, bounded, and left clean


def test_the_input_is_not_read_far_ahead(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", latency_jitter=0.05) as server:
        read = given = 0
        most = 0

        def items() -> Iterator[Request]:
            nonlocal read
            for n in range(300):
                read += 1
                yield asked(n)

        llm = OpenAILLM("m", Options(base_urls=(server.url,), concurrency=8))
        with closing(llm.caller):
            for done in llm.complete(items(), no_keep):
                assert is_about(done, given)
                most = max(most, read - given)
                given += 1
        assert given == 300 and 8 < most <= HELD * 8 + 1
        assert max(line["in_flight"] for line in server.requests()) <= 8


def test_many_in_flight_take_no_longer_than_they_must(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", latency=0.2) as server:
        answers(server, [asked("warm")])
        began = time.monotonic()
        found = answers(server, [asked(n) for n in range(640)], concurrency=64)
        took = time.monotonic() - began
        assert max(line["in_flight"] for line in server.requests()) > 48
    assert all(done.answer for done in found)
    assert took < 3 * 640 / 64 * 0.2


def call(
    server: Server, ask: Callable[[Any, int], Any], items: Any = range(5), **options: Any
) -> list[Any]:
    with closing(Caller(Options(base_urls=(server.url,), **options))) as caller:
        return list(caller.map(items, ask))


def test_replies_of_another_shape_are_malformed(plain: Server) -> None:
    tries = count()

    async def odd(client: Any, item: int) -> Any:
        error = [KeyError("index"), TypeError("None"), AttributeError("data"), ValueError("x")][
            item
        ]
        if next(tries) >= 0:
            raise error

    assert call(plain, odd, range(4), retries=1) == [Failure("malformed reply")] * 4
    assert next(tries) == 8


def test_an_unusable_answer_is_asked_for_again(plain: Server) -> None:
    tries = count()

    async def third_time(client: Any, item: int) -> str:
        if next(tries) < 2:
            raise ValueError("not yet")
        return "good"

    assert call(plain, third_time, [1]) == ["good"]


def test_an_error_while_keeping_is_raised(plain: Server) -> None:
    """A full disk is no fault of the question: nothing more is bought."""

    async def ask(client: Any, item: int) -> int:
        return item

    def full(item: int, answer: int) -> None:
        if item == 3:
            raise OSError(28, "No space left on device")

    with closing(Caller(Options(base_urls=(plain.url,), concurrency=2))) as caller:
        given = []
        with pytest.raises(OSError, match="No space"):
            for answer in caller.map(range(100), ask, full):
                given.append(answer)
        assert given == [0, 1, 2]


def test_an_error_of_the_input_is_raised(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", latency=30) as server:
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="the input broke"):
            answers(server, broken_input())  # type: ignore[arg-type]
        assert time.monotonic() - began < 10


def broken_input() -> Iterator[Request]:
    yield asked(1)
    raise RuntimeError("the input broke")


def test_stopping_early_cancels_what_is_asked(tmp_path: Path) -> None:
    """Nothing is kept after the iterator is closed: the journal may be closed by then."""
    with serve(tmp_path / "log.jsonl", latency_jitter=0.2) as server:
        kept: list[str] = []
        llm = OpenAILLM("m", Options(base_urls=(server.url,), concurrency=16))
        with closing(llm.caller):
            found = llm.complete((asked(n) for n in count()), lambda r, c: kept.append(r.key))
            assert next(found).answer
            found.close()  # type: ignore[attr-defined]
            now = len(kept)
            time.sleep(0.4)
            assert len(kept) == now
            assert len(list(llm.complete([asked("later")], no_keep))) == 1, "it can be used again"
        assert any(not line["delivered"] for line in server.requests())


def test_closing_leaves_no_thread(plain: Server) -> None:
    def threads() -> int:
        return sum(thread.name == "openai" for thread in threading.enumerate())

    gc.collect()
    before = threads()
    caller = Caller(Options(base_urls=(plain.url,)))
    caller.check()
    assert threads() == before + 1
    caller.close()
    caller.close()
    assert threads() == before
    caller = Caller(Options(base_urls=(plain.url,)))
    caller.check()
    del caller
    gc.collect()
    assert threads() == before, "one that nobody holds any more closes itself"


PROGRAM = """
import sys
from gpte_data.backends import Options, Request, open_llm
llm = open_llm("openai:m", Options(base_urls=(sys.argv[1],), concurrency=4))
words = [[{"role": "user", "content": str(n)}] for n in range(99)]
asked = (Request("m", messages, {"type": "object"}, {}) for messages in words)
found = llm.complete(asked, lambda request, completion: None)
next(found)
print("one", flush=True)
if sys.argv[2] == "end":
    sys.exit(0)
for _ in found:
    pass
"""


@pytest.mark.parametrize("how", ["end", "interrupt"])
def test_the_program_ends_at_once_and_silently(tmp_path: Path, how: str) -> None:
    """With questions in flight, at the end of the program and at Control-C, no warning is seen."""
    with serve(tmp_path / "log.jsonl", latency=0.3) as server:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, server.url, how]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "one\n"
            if how == "interrupt":
                time.sleep(0.2)  # until it waits for answers, not while it hands out a question
                program.send_signal(2)
            _, told = program.communicate(timeout=20)
    if how == "end":
        assert (program.returncode, told) == (0, "")
    else:
        assert program.returncode in (1, -2, 130)
        assert told.rstrip().endswith("KeyboardInterrupt"), told
        assert "never" not in told and "Warning" not in told and "destroyed" not in told, told


def test_pauses(plain: Server) -> None:
    """What a server says is taken, up to a minute; else pauses double, with jitter."""

    def refused(said: str) -> StatusError:
        return StatusError(429, b"{}", {"retry-after": said})

    with closing(Caller(Options(base_urls=(plain.url,)))) as caller:

        def pause(error: Exception, attempt: int = 0) -> float:
            return 10 * caller._pause(error, attempt)  # the fixture takes a tenth

        for said, least, most in (
            *(("3", 3, 3.1), ("0", 0, 0.1), ("-5", 0, 0.1), ("1e9", 60, 60.1), ("inf", 60, 60.1)),
            *(("nan", 0.075, 0.225), ("soon", 0.075, 0.225), ("", 0.075, 0.225)),
            *((formatdate(time.time() + 9), 7.9, 9.1), (formatdate(0), 0, 0.1)),
        ):
            assert least <= pause(refused(said)) <= most, said
        assert 0.5 <= pause(StatusError(429, b"", {"retry-after-ms": "500"})) <= 0.61
        assert 0.075 <= pause(Exception(), 0) <= 0.225
        assert 1.2 <= pause(Exception(), 4) <= 3.6
        assert pause(Exception(), 50) <= 45
        assert len({pause(Exception()) for _ in range(9)}) > 1


# What an answer must be


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"query": "what is it"}', {"query": "what is it"}),
        ('  {"query": "what", "more": 1}\n', {"query": "what", "more": 1}),
        ('```json\n{"query": "what"}\n```', {"query": "what"}),
        ("```\n{\"query\": \"what\"}```\n", {"query": "what"}),
        (None, "empty answer"),
        (" \n", "empty answer"),
        ("I'm sorry", "answer is not JSON"),
        ('{"query": "wh', "answer is not JSON"),
        ('[{"query": "what"}]', "answer does not fit the schema"),
        ("{}", "answer does not fit the schema"),
        ('{"query": null}', "answer does not fit the schema"),
        ('{"query": 3}', "answer does not fit the schema"),
        ('{"query": "a"}', "answer does not fit the schema"),
        ('{"query": "' + "a" * 301 + '"}', "answer does not fit the schema"),
    ],
)  # fmt: skip
def test_answers_are_held_to_the_schema(content: str | None, expected: object) -> None:
    assert parse_answer(content, SCHEMA) == expected


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, ["1", "-3"], ["1.5", "true", '"1"', "null"]),
        ({"type": "number"}, ["1", "1.5"], ["true", '"1"']),
        ({"type": "boolean"}, ["true"], ["1", '"true"']),
        ({"type": ["string", "null"]}, ['"a"', "null"], ["1", "[]"]),
        ({"enum": ["a", "b"]}, ['"a"'], ['"c"', "1"]),
        ({"type": "array", "items": {"type": "string"}}, ["[]", '["a"]'], ["[1]", '"a"', "{}"]),
        ({"properties": {"a": {"type": "string"}}}, ["{}", '{"a": ""}'], ['{"a": 1}']),
        ({}, ["1", "null", "[]"], []),
    ],
)
def test_schemas_of_all_kinds(schema: Any, good: list[str], bad: list[str]) -> None:
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x", "y"]}
    for text in good:
        assert isinstance(parse_answer(f'{{"x": {text}, "y": 1}}', whole), dict), text
        assert isinstance(parse_answer(f'{{"x": {text}}}', whole), str), "y is required"
    for text in bad:
        assert isinstance(parse_answer(f'{{"x": {text}, "y": 1}}', whole), str), text


# Embeddings


def embed(server: Server, texts: list[str], prompt: str = "", **options: Any) -> Any:
    embedder = OpenAIEmbedder("m", Options(base_urls=(server.url,), **{"retries": 3, **options}))
    with closing(embedder.caller):
        return embedded.embed(embedder, texts, prompt)


def test_vectors_come_in_order(tmp_path: Path) -> None:
    texts = [f"text number {n} of many" for n in range(200)]
    with serve(tmp_path / "log.jsonl", p500=0.1, preset=0.1, latency_jitter=0.05) as server:
        found = embed(server, texts, "query: ")
        good = [line for line in server.requests() if line["delivered"]]
    assert len(good) == 7, "in batches of 32"
    vectors = np.array([server_vector(f"query: {text}", 32) for text in texts])
    expected = unit(vectors, EndpointError("not finite"))
    assert found.vectors.dtype == np.float32 and found.truncated == 0
    assert np.abs(found.vectors - expected).max() < 1e-6
    assert np.abs(np.linalg.norm(found.vectors, axis=1) - 1).max() < 1e-6


def test_texts_that_are_too_long_are_cut_and_counted(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl", max_model_len=10) as server:
        texts = [f"{n} " + "word " * (50 if n % 5 == 0 else 5) for n in range(70)]
        found = embed(server, texts)
    assert found.truncated == 14 and found.vectors.shape == (70, 32)
    for n, vector in enumerate(found.vectors):
        if n % 5:
            assert np.abs(vector - np.array(server_vector(texts[n], 32))).max() < 1e-6
        else:
            assert vector @ np.array(server_vector(f"{n} " + "word " * 9, 32)) > 0.9


def test_vectors_come_in_base64_or_in_numbers(plain: Server) -> None:
    packed = base64.b64encode(np.array([3.0, 4.0], dtype="<f4").tobytes()).decode()
    assert _vector(packed).tolist() == _vector([3, 4]).tolist() == [3.0, 4.0]
    assert _vector(packed).dtype == _vector([3.0, 4.0]).dtype == np.float32
    with pytest.raises(ValueError):
        _vector("no base64!")


def test_no_texts_no_vectors(plain: Server) -> None:
    assert len(embed(plain, []).vectors) == 0


def test_vectors_that_are_none_are_refused() -> None:
    for odd in ([0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(EndpointError, match="zero or not finite"):
            unit(np.array([[1.0, 0.0], odd], dtype=np.float32), EndpointError("zero or not finite"))


@pytest.mark.parametrize(
    "data",
    [
        [(0, [1.0, 0.0])],
        [(0, [1.0, 0.0]), (0, [0.0, 1.0])],
        [(0, [1.0, 0.0]), (1, [0.0])],
        [(None, [1.0, 0.0]), (None, [0.0, 1.0])],
        None,
    ],
)
def test_replies_that_are_no_vectors_are_refused(
    plain: Server, monkeypatch: pytest.MonkeyPatch, data: Any
) -> None:
    async def post(self: Endpoint, path: str, body: Any) -> Any:
        names = ("index", "embedding")
        return {"data": data and [dict(zip(names, item, strict=True)) for item in data]}

    monkeypatch.setattr(Endpoint, "post", post)
    with pytest.raises(EndpointError, match="malformed reply"):
        embed(plain, ["a", "b"], retries=1)


def test_refused_texts_end_the_run(tmp_path: Path) -> None:
    """A vector can't be left out: row i of the array is row i of the shard."""
    with (
        serve(tmp_path / "log.jsonl", bad_substring="bad") as server,
        pytest.raises(EndpointError, match=r"gives no embeddings: refused \(400\)"),
    ):
        embed(server, ["good", "bad"])


# Reranking


def rerank(
    server: Server, pairs: list[tuple[str, str]], tell: Any = lambda n: None, **how: Any
) -> Any:
    options = Options(base_urls=(server.url,), retries=3, reranking=Reranking(**how))
    reranker = OpenAIReranker("m", options)
    with closing(reranker.caller):
        return reranker.score(pairs, tell)


def test_scores_come_in_order(tmp_path: Path) -> None:
    pairs = [(f"query {n // 50}", f"query {n} is number {n % 7}") for n in range(170)]
    told: list[int] = []
    with serve(tmp_path / "log.jsonl", p503=0.2, ptruncate=0.1, latency_jitter=0.05) as server:
        scores = rerank(server, pairs, told.append)
    assert scores.dtype == np.float32 and sum(told) == 170 and max(told) <= 32
    assert np.allclose(scores, [overlap(query, text) for query, text in pairs])


def test_documents_that_are_too_long_are_cut(tmp_path: Path) -> None:
    pairs = [("a query", "query " + "word " * (n * 20)) for n in range(5)]
    with serve(tmp_path / "log.jsonl", max_model_len=30) as server:
        scores = rerank(server, pairs)
    assert np.allclose(scores, [overlap(query, text) for query, text in pairs], atol=1e-6)
    with (
        serve(tmp_path / "log2.jsonl", max_model_len=30) as server,
        pytest.raises(EndpointError, match="longer than the model takes"),
    ):
        rerank(server, [("query " * 40, "document")])


@pytest.mark.parametrize(
    "results",
    [
        None,
        [],
        [{"index": 0, "relevance_score": 1.0}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 2, "relevance_score": 1.0}],
        [{"index": n, "relevance_score": 1.0} for n in (0, 1, 1)],
        [{"index": n, "relevance_score": 1.0} for n in (0, 1, 2)],
        [{"index": 0, "relevance_score": 1.0}, {"index": 1}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 1, "relevance_score": float("nan")}],
    ],
)
def test_missing_scores_are_refused(
    plain: Server, monkeypatch: pytest.MonkeyPatch, results: Any
) -> None:
    async def post(self: Endpoint, path: str, body: Any) -> Any:
        return {"results": results}

    monkeypatch.setattr(Endpoint, "post", post)
    told = r"/rerank gives no scores: malformed reply.* \(asked for query 'q'\)"
    with pytest.raises(EndpointError, match=told):
        rerank(plain, [("q", "a"), ("q", "b")])


@pytest.mark.parametrize("speaks", ["", "tei", "score"])
def test_servers_of_every_shape(tmp_path: Path, speaks: str) -> None:
    """Which one it is is asked once, then remembered."""
    pairs = [(f"query {n // 40}", f"query {n} is number {n % 7}") for n in range(80)]
    with serve(tmp_path / "log.jsonl", speaks=speaks) as server:
        scores = rerank(server, pairs)
        asked = [line["path"] for line in server.requests() if line["status"] != 200]
        assert len(server.requests()) == 4 + 1 + len(asked)
    assert np.allclose(scores, [overlap(query, text) for query, text in pairs])
    assert len(asked) == {"": 0, "tei": 1, "score": 2}[speaks]


def test_a_server_without_any(tmp_path: Path) -> None:
    with serve(tmp_path / "log.jsonl") as server:
        server.url += "/nowhere"
        with pytest.raises(EndpointError, match=r"gives no scores, nor does /score: status 404"):
            rerank(server, [("q", "d")])


def test_logits_become_probabilities_where_they_are_said_to_be(tmp_path: Path) -> None:
    pairs = [("a long query", text) for text in ("none", "a long query", "query a long")]
    with serve(tmp_path / "log.jsonl", logits=1) as server:
        scores = rerank(server, pairs, server_scale="logit")
        assert np.allclose(scores, [overlap(query, text) for query, text in pairs])
        with pytest.raises(EndpointError, match=r"no probability: .* give --server-scale logit"):
            rerank(server, pairs)


def test_an_address_is_shown_without_its_secrets(tmp_path: Path) -> None:
    shown = without_secrets("https://user:secret@host:8000/v1?key=secret")
    assert shown == "https://host:8000/v1"
    llm = OpenAILLM("m", Options(base_urls=("http://user:secret@127.0.0.1:1/v1",), retries=0))
    with closing(llm.caller), pytest.raises(EndpointError) as raised:
        llm.caller.check()
    assert "secret" not in str(raised.value) and "127.0.0.1:1/v1" in str(raised.value)
