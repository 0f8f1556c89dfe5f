"""Answers that were paid for, kept as they come: request hash -> answer, one JSON line each.

Each line goes to the file in one write as soon as an answer is there, so a killed process loses
none of them. A torn last line is ignored. The file stays after the shard is done: made again with
--force, or after a change that leaves the requests as they were, nothing is asked twice.
"""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from gpte_data.backends import LLM, Completion, Request

HELD_BACK = 4096
"""Known answers that may wait behind one that is asked for."""


class Journal:
    """The journal of one shard; without a path it keeps nothing.

    `keep` may be called from any thread; an answer that comes after `close` is still written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, Completion] = {}
        self._file: int | None = None
        self._lock = threading.Lock()
        if path is not None and path.is_file():
            self.known = dict(_read(path))

    def keep(self, request: Request, completion: Completion) -> None:
        """Write an answer down; an error is not kept, it is asked again."""
        if self.path is None or completion.answer is None:
            return
        line = {
            "key": request.key,
            "answer": completion.answer,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
        }
        with self._lock:
            if self._file is None:
                self._file = _open_to_append(self.path)
            _write(self._file, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Flush to disk and close."""
        with self._lock:
            if self._file is not None:
                os.fsync(self._file)
                os.close(self._file)
                self._file = None


def _write(file: int, line: bytes) -> None:
    """Write all of a line; a nearly full disk may take a part of it first, and then refuse."""
    while line:
        line = line[os.write(file, line) :]


def _open_to_append(path: Path) -> int:
    """Open for appending; a torn last line is ended first, so that it spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


def _read(path: Path) -> Iterator[tuple[str, Completion]]:
    """Yield what the lines say; one that is torn, or is no line of a journal, says nothing."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                row: Any = orjson.loads(line)
                said = Completion(row["answer"], "", row["prompt_tokens"], row["completion_tokens"])
                key = row["key"]
            except (orjson.JSONDecodeError, LookupError, TypeError):
                continue
            if isinstance(key, str) and isinstance(said.answer, dict):
                yield key, said


def complete(llm: LLM, requests: Iterable[Request], journal: Journal) -> Iterator[Completion]:
    """Yield an answer for each request, in order; only those not in the journal are asked."""
    queue = _Queue(requests, journal.known)
    while not queue.ended:
        for completion in llm.complete(queue.unknown(), journal.keep):
            yield from queue.due()
            queue.waiting.popleft()
            yield completion
        yield from queue.due()


class _Queue:
    """Requests that have been read and not been answered yet, oldest first.

    Known answers wait for unknown ones before them. When too many wait, no more is read until
    what is being asked is answered, so that a shard that is known in the main is not held in
    memory.
    """

    def __init__(self, requests: Iterable[Request], known: Mapping[str, Completion]) -> None:
        self.requests = iter(requests)
        self.known = known
        self.waiting: deque[Completion | None] = deque()
        """An answer, or None for one that is being asked for."""
        self.held = 0
        self.ended = False

    def unknown(self) -> Iterator[Request]:
        """Yield the requests that must be asked, until there are no more or too many wait."""
        while self.held < HELD_BACK:
            request = next(self.requests, None)
            if request is None:
                self.ended = True
                return
            known = self.known.get(request.key)
            self.waiting.append(known)
            if known is None:
                yield request
            else:
                self.held += 1

    def due(self) -> Iterator[Completion]:
        """Yield the known answers that nothing unknown stands before."""
        while self.waiting and (known := self.waiting[0]) is not None:
            self.waiting.popleft()
            self.held -= 1
            yield known
