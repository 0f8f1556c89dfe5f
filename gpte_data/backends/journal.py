"""Answers that were paid for, kept as they come: request hash -> answer, one JSON line each.

Each line goes to the file in one write as soon as an answer is there, so a killed process loses
none of them. A torn last line is ignored. The file stays after the shard is done: made again with
--force, or after a change that leaves the requests as they were, nothing is asked twice.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from gpte_data.backends import LLM, Completion, Request


class Journal:
    """The journal of one shard; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, Completion] = {}
        self._file: int | None = None
        if path is not None and path.is_file():
            self.known = dict(_read(path))

    def keep(self, request: Request, completion: Completion) -> None:
        """Write an answer down; an error is not kept, it is asked again."""
        if self.path is None or completion.answer is None:
            return
        if self._file is None:
            self._file = _open_to_append(self.path)
        line = {
            "key": request.key,
            "answer": completion.answer,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
        }
        os.write(self._file, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Flush to disk and close."""
        if self._file is not None:
            os.fsync(self._file)
            os.close(self._file)
            self._file = None


def _open_to_append(path: Path) -> int:
    """Open for appending; a torn last line is ended first, so that it spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


def _read(path: Path) -> Iterator[tuple[str, Completion]]:
    """Yield what the lines say; one that is torn says nothing."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            yield (
                row["key"],
                Completion(row["answer"], "", row["prompt_tokens"], row["completion_tokens"]),
            )


def complete(llm: LLM, requests: Iterable[Request], journal: Journal) -> Iterator[Completion]:
    """Yield an answer for each request, in order; only those not in the journal are asked."""
    waiting: deque[Completion | None] = deque()

    def unknown() -> Iterator[Request]:
        for request in requests:
            known = journal.known.get(request.key)
            waiting.append(known)
            if known is None:
                yield request

    for completion in llm.complete(unknown(), journal.keep):
        while waiting[0] is not None:
            yield waiting.popleft()  # type: ignore[misc]
        waiting.popleft()
        yield completion
    while waiting:
        known = waiting.popleft()
        assert known is not None
        yield known
