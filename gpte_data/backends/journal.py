"""Answers that were paid for, kept as they come: request hash -> answer, one JSON line each.

Each line goes to the file in one write as soon as an answer is there, so a killed process loses
none of them. A torn last line is ignored. The file stays after the shard is done: made again with
--force, or after a change that leaves the requests as they were, nothing is asked twice.
"""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from gpte_data.backends import LLM, Completion, Request
from gpte_data.backends.journal_index import Known, line_of

HELD_BACK = 4096
"""Known answers that may wait behind one that is asked for; a model may set its own."""


class Journal:
    """The journal of one shard; without a path it keeps nothing.

    `keep` may be called from any thread; an answer that comes after `close` is still written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known = Known(path)
        self._file: int | None = None
        self._lock = threading.Lock()

    def keep(self, request: Request, completion: Completion) -> None:
        """Write an answer down; an error is not kept, it is asked again."""
        if self.path is None or completion.answer is None:
            return
        line = line_of(request.key, completion)
        with self._lock:
            if self._file is None:
                self._file = open_to_append(self.path)
            write_whole(self._file, line)

    def close(self) -> None:
        """Flush to disk and close."""
        self.known.close()
        with self._lock:
            if self._file is not None:
                os.fsync(self._file)
                os.close(self._file)
                self._file = None


def write_whole(file: int, line: bytes) -> None:
    """Write all of a line; a nearly full disk may take a part of it first, and then refuse."""
    while line:
        line = line[os.write(file, line) :]


def open_to_append(path: Path) -> int:
    """Open for appending; a torn last line is ended first, so that it spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


def complete(
    llm: LLM, requests: Iterable[Request | Completion], journal: Journal
) -> Iterator[Completion]:
    """Yield an answer for each request, in order; only those not in the journal are asked.

    A Completion among the requests stands for a question that was not to be asked, as when the one
    it was to be made from had no answer: it comes out in its place, and is not kept.
    """
    queue = _Queue(requests, journal.known, getattr(llm, "held_back", HELD_BACK))
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

    def __init__(self, requests: Iterable[Request | Completion], known: Known, most: int) -> None:
        self.requests = iter(requests)
        self.known = known
        self.most = most
        self.waiting: deque[Completion | int | None] = deque()
        """A completion, where a known answer stands, or None for one that is being asked for."""
        self.held = 0
        self.ended = False

    def unknown(self) -> Iterator[Request]:
        """Yield the requests that must be asked, until there are no more or too many wait."""
        place = self.known.place
        while self.held < self.most:
            request = next(self.requests, None)
            if request is None:
                self.ended = True
                return
            known = place(request.key) if isinstance(request, Request) else request
            self.waiting.append(known)
            if known is not None:
                self.held += 1
            elif isinstance(request, Request):
                yield request

    def due(self) -> Iterator[Completion]:
        """Yield what nothing unknown stands before."""
        while self.waiting and (known := self.waiting[0]) is not None:
            self.waiting.popleft()
            self.held -= 1
            yield self.known.read(known) if isinstance(known, int) else known
