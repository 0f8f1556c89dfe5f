"""The journal: nothing that was answered is asked twice, whatever happened to the file."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import orjson

from gpte_data.backends import Completion, Keep, Request
from gpte_data.backends.journal import HELD_BACK, Journal, complete
from gpte_data.backends.journal_index import line_of


class Echo:
    """A model that answers with the question, reads ahead, and knows no answer to some."""

    query_types: Mapping[str, float] | None = None

    def __init__(self, ahead: int = 1, fails: frozenset[str] = frozenset()) -> None:
        self.ahead, self.fails = ahead, fails
        self.asked: list[str] = []

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        held: list[Request] = []
        for request in requests:
            self.asked.append(request.model)
            held.append(request)
            if len(held) >= self.ahead:
                yield self.answer(held.pop(0), keep)
        for request in held:
            yield self.answer(request, keep)

    def answer(self, request: Request, keep: Keep) -> Completion:
        if request.model in self.fails:
            return Completion(None, "no idea")
        completion = Completion({"said": request.model}, "", 2, 1)
        keep(request, completion)
        return completion


def ask(name: object) -> Request:
    return Request(str(name), [{"role": "user", "content": "?"}], {}, {})


def run(
    llm: Echo, names: Iterable[object], path: Path | None, known: Iterable[object] = ()
) -> list[object]:
    """Return what comes out, in order: the name asked for, or the error."""
    if path is not None:
        keep(path, known)
    journal = Journal(path)
    try:
        found = list(complete(llm, (ask(name) for name in names), journal))
    finally:
        journal.close()
    return [done.answer["said"] if done.answer else done.error for done in found]


def keep(path: Path, names: Iterable[object]) -> None:
    """Write down that these are known."""
    journal = Journal(path)
    for name in names:
        journal.keep(ask(name), Completion({"said": str(name)}))
    journal.close()


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    path = tmp_path / "j" / "00000.jsonl"
    first, second = Echo(), Echo()
    assert run(first, "abc", path) == ["a", "b", "c"] and first.asked == ["a", "b", "c"]
    assert run(second, "cxab", path) == ["c", "x", "a", "b"] and second.asked == ["x"]
    assert len(path.read_bytes().splitlines()) == 4


def test_tokens_come_back(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    run(Echo(), "a", path)
    (found,) = Journal(path).known.values()
    assert found == Completion({"said": "a"}, "", 2, 1)


def test_errors_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    assert run(Echo(fails=frozenset("b")), "abc", path) == ["a", "no idea", "c"]
    again = Echo()
    assert run(again, "abc", path) == ["a", "b", "c"] and again.asked == ["b"]


def test_without_a_path_nothing_is_kept() -> None:
    assert run(Echo(), "aab", None) == ["a", "a", "b"]


def test_a_torn_file_loses_one_answer_at_most(tmp_path: Path) -> None:
    """Cut at every byte: whole lines count, the torn one is asked again and spoils no other."""
    whole = tmp_path / "whole.jsonl"
    run(Echo(), "abc", whole)
    content = whole.read_bytes()
    path = tmp_path / "torn.jsonl"
    for size in range(0, len(content) + 1, 7):
        path.write_bytes(content[:size])
        left = content[:size].count(b"\n")
        llm, last = Echo(), Echo()
        assert run(llm, "abc", path) == ["a", "b", "c"]
        assert len(llm.asked) in (3 - left, 2 - left)  # 2: only the end of the line is torn off
        assert run(last, "abc", path) == ["a", "b", "c"] and not last.asked


def test_foreign_lines_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    run(Echo(), "a", path)
    odd = [b"3", b"null", b"[]", b"{}", b'{"key":"k"}', b"\xff\xfe", b"", b'"' * 9]
    odd += [b'{"key":1,"answer":{},"prompt_tokens":0,"completion_tokens":0}']
    odd += [b'{"key":"k","answer":"x","prompt_tokens":0,"completion_tokens":0}']
    path.write_bytes(b"\n".join(odd) + b"\n" + path.read_bytes() + b"\n".join(odd))
    llm = Echo()
    assert run(llm, "ab", path) == ["a", "b"] and llm.asked == ["b"]


def test_lines_of_many_threads_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)

    def write(thread: int) -> None:
        for number in range(200):
            name = f"{thread}-{number}"
            journal.keep(ask(name), Completion({"said": name * 50}))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert len({line["key"] for line in lines}) == len(lines) == 1600
    assert len(Journal(path).known) == 1600


def test_closing_twice_and_late_answers_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.close()
    assert not path.exists(), "a journal without answers leaves no file"
    journal.keep(ask("a"), Completion({"said": "a"}))
    journal.close()
    journal.keep(ask("b"), Completion({"said": "b"}))
    journal.close()
    journal.close()
    assert len(Journal(path).known) == 2


def test_order_is_kept_with_any_mix_of_known_and_unknown(tmp_path: Path) -> None:
    chance = random.Random(2)
    for number in range(300):
        names = [chance.randrange(40) for _ in range(chance.choice([0, 1, 5, 60]))]
        known = {name for name in range(40) if chance.random() < chance.choice([0, 0.5, 1])}
        llm = Echo(chance.choice([1, 2, 7, 100]), frozenset(map(str, range(0, 40, 9))))
        found = run(llm, names, tmp_path / f"{number}.jsonl", known)
        expected = ["no idea" if n % 9 == 0 and n not in known else str(n) for n in names]
        assert found == expected
        assert llm.asked == [str(n) for n in names if n not in known]


class Reader:
    """Requests for the numbers from 0 up, and how many of them were read."""

    def __init__(self, numbers: int) -> None:
        self.numbers, self.read = numbers, 0

    def __iter__(self) -> Iterator[Request]:
        for name in range(self.numbers):
            self.read += 1
            yield ask(name)


def test_known_answers_are_not_all_held(tmp_path: Path) -> None:
    """A shard that is known but for its first request is not read to its end at once."""
    path, requests, given = tmp_path / "j.jsonl", Reader(30_000), 0
    keep(path, range(1, 30_000))
    journal = Journal(path)
    for done in complete(Echo(8), requests, journal):
        assert done.answer is not None and str(done.answer["said"]) == str(given)
        given += 1
        assert requests.read - given <= HELD_BACK + 8
    journal.close()
    assert given == 30_000


def test_a_model_may_want_all_questions_at_once(tmp_path: Path) -> None:
    """As for a batch, which is not to be broken where known answers stand between the questions."""

    class Whole(Echo):
        held_back = sys.maxsize

        def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
            sizes.append(len(whole := list(requests)))
            yield from super().complete(whole, keep)

    path, sizes = tmp_path / "j.jsonl", list[int]()
    keep(path, range(1, 3 * HELD_BACK))
    names = [*range(3 * HELD_BACK), "last"]
    assert run(Whole(), names, path) == [str(name) for name in names]
    assert sizes == [2]


def test_what_needs_no_question_comes_out_in_its_place(tmp_path: Path) -> None:
    """A chain whose earlier step failed: its Completion stands where a request would."""
    chance, path = random.Random(3), tmp_path / "j.jsonl"
    keep(path, range(0, 9_000, 3))
    for ahead in (1, 5, 10_000):
        items: list[Request | Completion] = []
        for name in range(9_000):
            gone = chance.random() < 0.5
            items.append(Completion(None, f"gone {name}", 3, 4) if gone else ask(name))
        llm, journal = Echo(ahead), Journal(path)
        found = list(complete(llm, iter(items), journal))
        journal.close()
        for name, (item, done) in enumerate(zip(items, found, strict=True)):
            assert done is item if isinstance(item, Completion) else done.answer is not None
            if isinstance(item, Request):
                assert done.answer == {"said": str(name)}
        missing = {item.model for item in items if isinstance(item, Request)}
        assert set(llm.asked) < missing and len(set(llm.asked)) == len(llm.asked)


def test_the_last_answer_for_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    for said in ("old", "new"):
        journal = Journal(path)
        journal.keep(ask("a"), Completion({"said": said}))
        journal.close()
    assert run(Echo(), "a", path) == ["new"]


def test_lines_in_another_order_are_read_too(tmp_path: Path) -> None:
    """As an editor, or another program, would write them."""
    path = tmp_path / "j.jsonl"
    line = {
        "completion_tokens": 1,
        "answer": {"said": "ä"},
        "key": ask("a").key,
        "prompt_tokens": 2,
    }
    path.write_text(
        json.dumps(line, indent=None) + "\n" + json.dumps(line | {"key": "mine"}) + "\n"
    )
    llm = Echo()
    assert run(llm, "a", path) == ["ä"] and not llm.asked
    known = Journal(path).known
    assert known["mine"] == Completion({"said": "ä"}, "", 2, 1)
    assert set(known) == {ask("a").key, "mine"} and "yours" not in known


def test_a_line_spoilt_in_its_middle_is_asked_again(tmp_path: Path) -> None:
    """Its head and its end look whole, which is all that is looked at when a journal is opened."""
    path = tmp_path / "j.jsonl"
    keep(path, "abc")
    path.write_bytes(path.read_bytes().replace(b'"said":"b"', b'"said":\xff\xfe'))
    llm, again = Echo(), Echo()
    assert run(llm, "abc", path) == ["a", "b", "c"] and llm.asked == ["b"]
    assert run(again, "abc", path) == ["a", "b", "c"] and not again.asked


def test_keys_that_are_held_in_part_are_compared_in_full(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    keep(path, "a")
    key = ask("a").key
    other = key[:15] + "0" * 49
    known = Journal(path).known
    assert key in known and other not in known and known.place(other) is None


def test_a_million_answers_take_little_memory(tmp_path: Path) -> None:
    """Opened in a process of its own: at most 150 bytes an answer, whatever its length."""
    path, answers = tmp_path / "j.jsonl", 200_000
    words = "w" * 600
    with path.open("wb") as lines:
        for name in range(answers):
            lines.write(line_of(ask(name).key, Completion({"said": words}, "", 300, 100)))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from gpte_data.backends.journal import Journal\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); known = Journal(Path(sys.argv[1])).known\n"
        "print(len(known), (peak() - before) * 1024)"
    )
    command = [sys.executable, "-c", script, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(found[0]) == answers
    assert int(found[1]) / answers < 150 + 2**22 / answers  # and the buffers of the one reading


def test_keys_tell_requests_apart() -> None:
    base = ask("m")
    others = [
        Request("n", base.messages, {}, {}),
        Request("m", [{"role": "user", "content": "!"}], {}, {}),
        Request("m", base.messages, {"type": "object"}, {}),
        Request("m", base.messages, {}, {"seed": 1}),
    ]
    assert len({base.key, *(other.key for other in others)}) == 5
    assert Request("m", base.messages, {}, {}, {"text": "not sent"}).key == base.key


def test_a_line_is_written_before_the_next_answer_is_waited_for(tmp_path: Path) -> None:
    """What is in the file at any moment survives a kill: nothing waits in this process."""
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    for n in range(5):
        journal.keep(ask(n), Completion({"said": n}))
        assert path.read_bytes().count(b"\n") == n + 1
    assert os.stat(path).st_mode & 0o777 == 0o644
    journal.close()
