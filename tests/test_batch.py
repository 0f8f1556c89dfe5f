"""The batch API: answers as from the live server, and no question billed twice whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from batch_server import BatchServer, serve_batches
from server import serve

from gpte_data.backends import Completion, Options, Request, openai_batch_round
from gpte_data.backends import openai_batch_spool as spool
from gpte_data.backends.journal import Journal, complete
from gpte_data.backends.openai_batch import OpenAIBatch, check
from gpte_data.backends.openai_llm import OpenAILLM
from gpte_data.errors import BadOption, EndpointError

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "words": {"type": "integer"}},
    "required": ["query", "words"],
    "additionalProperties": False,
}
FAST = (0.01, 0.05)


def asked(name: object, text: str = "a passage about") -> Request:
    messages = [
        {"role": "system", "content": "Write."},
        {"role": "user", "content": f"{text} {name}"},
    ]
    return Request("model=m", messages, SCHEMA, {"temperature": 0.5, "seed": 7, "max_tokens": 99})


def llm(server: BatchServer | str, folder: Path, **options: Any) -> OpenAIBatch:
    url = server if isinstance(server, str) else server.url
    book = folder / "_journal" / "00000.batches"
    return OpenAIBatch("m", Options(base_urls=(url,), batch=book, retries=3, **options), FAST)


def run(
    server: BatchServer | str, folder: Path, requests: Iterable[Request | Completion]
) -> list[Completion]:
    """Ask with a journal, as a stage does."""
    journal = Journal(folder / "_journal" / "00000.jsonl")
    with closing(journal):
        return list(complete(llm(server, folder), requests, journal))


def lines(folder: Path) -> list[Any]:
    path = folder / "_journal" / "00000.jsonl"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def billed_once(server: BatchServer) -> bool:
    keys = Counter(line["key"] for line in server.billed())
    return max(keys.values()) == 1


@pytest.fixture
def three_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MOST_REQUESTS", 3)


# Answers


def test_answers_equal_those_of_the_live_server(tmp_path: Path) -> None:
    questions = [asked(n) for n in range(40)]
    with serve_batches(tmp_path / "server") as server:
        found = run(server, tmp_path, questions)
        assert len(server.batches()) == 1 and billed_once(server)
    with serve(tmp_path / "log") as live:
        expected = live_answers(live.url, questions)
    assert found == expected and all(done.answer for done in found)
    kept = {line["key"]: line for line in lines(tmp_path)}
    for request, done in zip(questions, found, strict=True):
        line = kept[request.key]
        assert line["answer"] == done.answer
        assert line["prompt_tokens"] == done.prompt_tokens > 0
        assert line["completion_tokens"] == done.completion_tokens > 0
    assert [path.name for path in (tmp_path / "_journal").iterdir()] == ["00000.jsonl"]


def live_answers(url: str, questions: list[Request]) -> list[Completion]:
    model = OpenAILLM("m", Options(base_urls=(url,)))
    return list(model.complete(questions, lambda request, done: None))


@pytest.mark.usefixtures("three_a_batch")
def test_order_duplicates_and_what_is_known(tmp_path: Path) -> None:
    """Known answers, questions asked twice, and what needs no question, in the order they came."""
    names = [5, 1, 5, 2, 9, 1, 0, 7, 8]
    gone = Completion(None, "an earlier step failed")
    with serve_batches(tmp_path / "server") as server:
        run(server, tmp_path, [asked(1), asked(8)])
        found = run(server, tmp_path, [gone, *(asked(n) for n in names), gone])
        sizes = [batch["request_counts"]["total"] for batch in server.batches()]
        assert sizes == [2, 3, 2] and billed_once(server)
    assert found[0] == found[-1] == gone
    with serve(tmp_path / "log") as live:
        assert found[1:-1] == live_answers(live.url, [asked(n) for n in names])


def test_a_batch_is_no_larger_than_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = len(orjson.dumps(asked(1).messages)) + 700
    monkeypatch.setattr(spool, "MOST_BYTES", 4 * line)
    with serve_batches(tmp_path / "server") as server:
        assert all(done.answer for done in run(server, tmp_path, [asked(n) for n in range(10)]))
        files = [server.folder / "files" / batch["input_file_id"] for batch in server.batches()]
        assert len(files) > 1 and all(file.stat().st_size <= 4 * line for file in files)


def test_nested_steps(tmp_path: Path) -> None:
    """The questions of a second step come from the answers of the first, which may fail."""
    with serve_batches(tmp_path / "server", perror=0.3) as server:
        model, journal = llm(server, tmp_path), Journal(tmp_path / "_journal" / "00000.jsonl")

        def second() -> Iterator[Request | Completion]:
            for done in complete(model, (asked(n) for n in range(30)), journal):
                yield asked(done.answer["query"], "about") if done.answer else done

        with closing(journal):
            found = list(complete(model, second(), journal))
        assert len(found) == 30 and len(server.batches()) == 2 and billed_once(server)
        assert not model.path.exists()
    assert 8 <= sum(done.answer is not None for done in found) <= 24


# What goes wrong with questions


def test_a_refused_question_costs_its_row(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", perror=0.2) as server:
        found = run(server, tmp_path, [asked(n) for n in range(50)])
        failed = [done for done in found if done.answer is None]
        assert 2 < len(failed) < 20 and len(server.batches()) == 1
        assert {done.error for done in failed} == {
            "refused (400): The request is refused on purpose."
        }
        again = run(server, tmp_path, [asked(n) for n in range(50)])
        assert again == found and len(server.inputs()[1]) == len(failed)


def test_what_the_server_loses_is_sent_again(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", plost=0.4) as server:
        found = run(server, tmp_path, [asked(n) for n in range(40)])
        sizes = [len(keys) for keys in server.inputs()]
        assert len(sizes) == 3 and 40 == sizes[0] > sizes[1] > sizes[2] and billed_once(server)
        failed = [done for done in found if done.answer is None]
        assert 0 < len(failed) < sizes[2]
        assert {done.error for done in failed} == {"no answer in 3 batches"}


def test_a_bad_answer_is_repaired_once(tmp_path: Path) -> None:
    """All bad answers of a batch in a second one; the tokens of both tries are counted."""
    questions = [asked(n) for n in range(60)]
    with serve_batches(tmp_path / "server", pbad=0.4, pbadrepair=0.3) as server:
        found = run(server, tmp_path, questions)
        first, second = server.inputs()
        assert len(server.batches()) == 2 and len(first) == 60 and 10 < len(second) < 40
        assert set(second) < set(first) and billed_once(server)
        repaired = json.loads((server.folder / "files" / "out-2").read_text().splitlines()[0])
        sent = (server.folder / "files" / server.batches()[1]["input_file_id"]).read_text()
    failed = [done for done in found if done.answer is None]
    assert 0 < len(failed) < len(second)
    assert all(done.error and done.raw and len(done.raw) <= 2000 for done in failed)
    roles = [message["role"] for message in json.loads(sent.splitlines()[0])["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    done = dict(zip((question.key for question in questions), found, strict=True))
    usage = repaired["response"]["body"]["usage"]
    both = done[repaired["custom_id"]]
    assert both.prompt_tokens > usage["prompt_tokens"] > 0
    assert both.completion_tokens > usage["completion_tokens"] > 0
    assert {line["key"] for line in lines(tmp_path)} == {k for k, d in done.items() if d.answer}


# What goes wrong with batches


def test_what_an_expired_batch_did_is_kept(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", expire="1,2") as server:
        found = run(server, tmp_path, [asked(n) for n in range(20)])
        assert all(done.answer for done in found) and billed_once(server)
        assert [len(keys) for keys in server.inputs()] == [20, 10, 5]


def test_a_batch_without_any_answer_ends_the_run_once(tmp_path: Path) -> None:
    questions = [asked(n) for n in range(6)]
    with serve_batches(tmp_path / "server", idle="1", cancel="2") as server:
        with pytest.raises(
            EndpointError, match=r"batch_1 .*expired without an answer.*run the same"
        ):
            run(server, tmp_path, questions)
        with pytest.raises(EndpointError, match=r"batch_2 .*was cancelled.*run the same command"):
            run(server, tmp_path, questions)
        assert len(lines(tmp_path)) == 3, "what a cancelled batch did is kept"
        assert all(done.answer for done in run(server, tmp_path, questions))
        assert [len(keys) for keys in server.inputs()] == [6, 6, 3] and billed_once(server)


def test_a_batch_that_is_not_taken_ends_the_run(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", fail="1") as server:
        with pytest.raises(
            EndpointError, match="takes no batch: invalid_json_line: The file is no"
        ):
            run(server, tmp_path, [asked(1)])
        assert run(server, tmp_path, [asked(1)])[0].answer and len(server.billed()) == 1


@pytest.mark.usefixtures("three_a_batch")
def test_other_batches_go_on_when_one_ends_the_run(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", fail="1", slow="2") as server:
        with pytest.raises(EndpointError, match="The file is no good"):
            run(server, tmp_path, [asked(n) for n in range(6)])
        assert all(done.answer for done in run(server, tmp_path, [asked(n) for n in range(6)]))
        assert len(server.batches()) == 3 and server.inputs()[2] == server.inputs()[0]


@pytest.mark.usefixtures("three_a_batch")
@pytest.mark.parametrize("slow", ["1", ""])
def test_a_full_queue_is_waited_for_while_our_own_batches_fill_it(
    tmp_path: Path, slow: str
) -> None:
    """Told before or after the batch that filled it has ended; else the run ends."""
    options: dict[str, Any] = {"fail": "2,4", "fail_code": "token_limit_exceeded", "slow": slow}
    with serve_batches(tmp_path / "server", **options) as server:
        assert all(done.answer for done in run(server, tmp_path, [asked(n) for n in range(6)]))
        assert len(server.batches()) == 3 and billed_once(server)
        with pytest.raises(EndpointError, match="token_limit_exceeded"):
            run(server, tmp_path / "alone", [asked("x")])


def test_a_lost_reply_makes_no_second_batch(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", lose_create=1, pcut=1.0) as server:
        assert all(done.answer for done in run(server, tmp_path, [asked(n) for n in range(9)]))
        assert len(server.batches()) == 1 and billed_once(server)
        assert (server.folder / "lost").exists() and (server.folder / "cut").exists()


def test_a_server_without_batches(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", without=1) as server:
        with pytest.raises(EndpointError, match="has no batch API: leave --batch out"):
            run(server, tmp_path, [asked(1)])
        with pytest.raises(EndpointError, match="has no batch API: leave --batch out"):
            check(Options(base_urls=(server.url,)))
    with pytest.raises(EndpointError, match=r"does not answer \(.*start the server"):
        run(server.url, tmp_path, [asked(1)])
    with serve(tmp_path / "log", api_key="right") as live, pytest.raises(EndpointError):
        check(Options(base_urls=(live.url,)))


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="one server"):
        OpenAIBatch("m", Options(base_urls=("http://a/v1", "http://b/v1"), batch=tmp_path / "b"))
    with pytest.raises(BadOption, match="give -o"):
        OpenAIBatch("m", Options())


def test_a_batch_that_the_server_does_not_know(tmp_path: Path) -> None:
    with serve_batches(tmp_path / "server", polls=10**9) as server:
        stopped(script(server, tmp_path, 4), lambda: bool(server.batches()) and polled(server))
        (server.folder / "batches" / "1.json").unlink()
        with pytest.raises(EndpointError, match=r"does not know the batch batch_1: .*delete"):
            run(server, tmp_path, [asked(n) for n in range(4)])


# Killed and run again

CLIENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_batch as t
found = t.run(sys.argv[2], Path(sys.argv[3]), [t.asked(n) for n in range(int(sys.argv[4]))])
print(sum(done.answer is not None for done in found))
"""


def script(server: BatchServer, folder: Path, questions: int) -> "subprocess.Popen[bytes]":
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", CLIENT, here, server.url, str(folder), str(questions)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def polled(server: BatchServer) -> bool:
    return any(batch["polls"] for batch in server.batches())


def stopped(process: "subprocess.Popen[bytes]", ready: Any) -> None:
    """Kill -9 a process as soon as it has come so far."""
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("window", ["upload", "arrived", "create", "poll", "content"])
def test_killed_in_each_window(tmp_path: Path, window: str) -> None:
    """Nothing is billed twice, nothing is lost, and the server's restart changes nothing."""
    options: dict[str, Any] = {"pbad": 0.3, "perror": 0.1, "expire": "1"}
    with serve_batches(tmp_path / "server", hold=window, **options) as server:
        stopped(script(server, tmp_path, 30), (server.folder / "held").exists)
    with serve_batches(tmp_path / "server", **options) as server:
        found = run(server, tmp_path, [asked(n) for n in range(30)])
        made = server.inputs()
        assert billed_once(server) and len(made) == 4
        assert not (tmp_path / "_journal" / "00000.batches").exists()
    with serve_batches(tmp_path / "unbroken", **options) as server:
        assert run(server, tmp_path / "whole", [asked(n) for n in range(30)]) == found
        assert server.inputs() == made


def test_killed_again_and_again(tmp_path: Path) -> None:
    """At twelve moments: while the batch, the rest of it and its repairs are under way."""
    options: dict[str, Any] = {"pbad": 0.3, "plost": 0.2, "expire": "1,2", "polls": 4}
    kills = 0
    with serve_batches(tmp_path / "server", **options) as server:
        for moment in range(12):
            process = script(server, tmp_path, 30)
            begun = sum(batch["polls"] for batch in server.batches())
            try:
                stopped(process, lambda: looks(server) >= begun + 1 + moment % 3)  # noqa: B023
                kills += 1
            except AssertionError:
                assert process.returncode == 0
                break
        found = run(server, tmp_path, [asked(n) for n in range(30)])
        made = server.inputs()
        assert kills >= 5 and billed_once(server)
    with serve_batches(tmp_path / "unbroken", **options) as server:
        whole = run(server, tmp_path / "whole", [asked(n) for n in range(30)])
        assert server.inputs() == made
    assert found == whole


def looks(server: BatchServer) -> int:
    """Return how often batches were looked at."""
    return sum(batch["polls"] for batch in server.batches())


def test_a_torn_line_of_the_book_says_nothing(tmp_path: Path) -> None:
    """Cut at many places: at worst a batch is found by its label, never made twice."""
    with serve_batches(tmp_path / "server", polls=10**9) as server:
        stopped(script(server, tmp_path, 5), lambda: polled(server))
    book = tmp_path / "_journal" / "00000.batches"
    content = book.read_bytes()
    first = content.index(b"\n")
    for cut in range(first, len(content) + 1, 19):
        book.write_bytes(content[:cut])
        with serve_batches(tmp_path / "server") as server:
            assert all(done.answer for done in run(server, tmp_path, [asked(n) for n in range(5)]))
            assert len(server.batches()) == 1 and len(server.billed()) == 5
        (tmp_path / "_journal" / "00000.jsonl").unlink()


def test_the_book_holds_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serve_batches(tmp_path / "server", polls=10**9) as server:
        stopped(script(server, tmp_path, 5), lambda: polled(server))
        book = (tmp_path / "_journal" / "00000.batches").read_text()
    assert "passage" not in book and "secret" not in book and server.url not in book
    assert [sorted(json.loads(line)) for line in book.splitlines()] == [
        ["keys", "kind", "label", "parent", "when"],
        ["id", "label"],
    ]


# Memory and talk

PEAK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_batch as t
folder, count = Path(sys.argv[3]), int(sys.argv[4])
asked = (t.asked(n, "word " * 1500) for n in range(count))
journal = t.Journal(folder / "_journal" / "00000.jsonl")
done = sum(d.answer is not None for d in t.complete(t.llm(sys.argv[2], folder), asked, journal))
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """8,000 more questions of 7.5 kB, 60 MB, are neither held nor uploaded as a whole."""
    peaks = []
    with serve_batches(tmp_path / "server") as server:
        for count in (100, 8_100):
            here, folder = str(Path(__file__).parent), str(tmp_path / str(count))
            command = [sys.executable, "-c", PEAK, here, server.url, folder, str(count)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stderr
            done, peak = map(int, ended.stdout.split())
            assert done == count
            peaks.append(peak)
    assert peaks[1] - peaks[0] < 20, peaks


def test_progress_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_batch_round, "TELL", 1e9)
    with serve_batches(tmp_path / "server", polls=3) as server:
        run(server, tmp_path, [asked(n) for n in range(4)])
    told = capsys.readouterr()
    assert told.out == ""
    first, *others = told.err.splitlines()
    assert first.startswith("batch batch_1: 4 requests are at the server; this may be stopped")
    assert others == [
        "batch batch_1: in_progress, 0 of 0 requests done",
        "batch batch_1: completed, 4 of 4 requests done",
    ]
