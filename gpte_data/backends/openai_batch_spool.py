"""Questions and answers of batches, on disk: in memory stay a key and three numbers for each.

The files have no name and go away with the process; they lie beside the journal, since a system's
folder for temporary files may itself be memory.
"""

import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import orjson

from gpte_data.backends import Completion, Request
from gpte_data.backends.openai_llm import RAW

MOST_REQUESTS = 50_000
MOST_BYTES = 190_000_000
"""What a batch may hold: 50,000 requests and 200 MB (OpenAI's API reference, create a batch)."""
NOWHERE = 2**64 - 1
_LENGTH = 28
"""Bits for the length of an entry: more than a batch may hold."""


class Spool:
    """Entries of a file that only grows; `add` returns the place that `get` takes."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._size = 0

    def add(self, entry: object) -> int:
        """Write an entry down as JSON."""
        content = orjson.dumps(entry)
        place = self._size << _LENGTH | len(content)
        while content:
            written = os.pwrite(self._file.fileno(), content, self._size)
            self._size += written
            content = content[written:]
        return place

    def get(self, place: int) -> Any:
        """Return the entry of a place."""
        length = place & (1 << _LENGTH) - 1
        return orjson.loads(os.pread(self._file.fileno(), length, place >> _LENGTH))

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()


class Desk:
    """The questions of one call, each held once, and what has been answered to them."""

    def __init__(self, folder: Path) -> None:
        self.numbers: dict[str, int] = {}
        """The number of a key's question."""
        self._order = array("Q")
        self._questions = array("Q")
        self._answers = array("Q")
        self._bad: dict[int, int] = {}
        self._spool = Spool(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._spool.close()

    def take(self, request: Request) -> bool:
        """Take a question; return whether it is new."""
        number = self.numbers.setdefault(request.key, len(self._questions))
        self._order.append(number)
        if number < len(self._questions):
            return False
        asked = (request.model, request.messages, request.schema, request.sampling)
        self._questions.append(self._spool.add(asked))
        self._answers.append(NOWHERE)
        return True

    def question(self, key: str) -> Request:
        """Return the question of a key; what it was made from is not kept."""
        return Request(*self._spool.get(self._questions[self.numbers[key]]))

    def is_open(self, key: str) -> bool:
        """Tell whether a key is asked here and has no answer yet."""
        number = self.numbers.get(key)
        return number is not None and self._answers[number] == NOWHERE

    def close(self, key: str, completion: Completion) -> None:
        """Take the last word on a question."""
        parts = _parts(completion, RAW)
        self._answers[self.numbers[key]] = self._spool.add(parts)

    def set_aside(self, key: str, completion: Completion) -> None:
        """Take an answer that does not fit, until it is repaired."""
        self._bad[self.numbers[key]] = self._spool.add(_parts(completion))

    def aside(self, key: str) -> Completion | None:
        """Return the answer to a question that did not fit, if there is one."""
        place = self._bad.get(self.numbers[key])
        return None if place is None else Completion(*self._spool.get(place))

    def in_order(self) -> Iterator[Completion | None]:
        """Yield the answers in the order of the requests; None as long as the next is missing."""
        for number in self._order:
            while (place := self._answers[number]) == NOWHERE:
                yield None
            yield Completion(*self._spool.get(place))


def _parts(done: Completion, most: int | None = None) -> tuple[Any, ...]:
    return done.answer, done.error, done.prompt_tokens, done.completion_tokens, done.raw[:most]


class Parcel:
    """The file of one batch, to be uploaded."""

    def __init__(self, folder: Path) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.keys: list[str] = []
        self._size = 0

    def add(self, key: str, body: Mapping[str, Any]) -> bool:
        """Put a request in; return False, and leave it out, where the parcel is full."""
        asked = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        line = orjson.dumps(asked, option=orjson.OPT_APPEND_NEWLINE)
        full = len(self.keys) >= MOST_REQUESTS or self._size + len(line) > MOST_BYTES
        if self.keys and full:
            return False
        self.file.write(line)
        self.keys.append(key)
        self._size += len(line)
        return True
