"""Where in a journal each answer stands, so that a million known answers need no memory of theirs.

In memory stay two numbers an answer, about 110 bytes: 60 bits of its key, and where its line is. A
line is read again when its answer is due. Opening reads the file once and parses only keys.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from gpte_data.backends import Completion
from gpte_data.errors import BadInput

_HEAD = b'{"key":"'
_KEY = slice(len(_HEAD), len(_HEAD) + 64)
_SHORT = slice(len(_HEAD), len(_HEAD) + 15)
_NEXT = b'","answer":{'
_TAIL = b',"completion_tokens":'
_DIGITS = _SHORT.stop - _SHORT.start
"""Hexadecimal digits of a key that are held: an int below 2^60 is Python's smallest and fastest.

Of a million keys two share them with a chance of 4e-7; the older one's question is then asked
again, since a line that is read must bear the whole key.
"""
_LENGTH = 24
"""Bits for the length of a line; a longer one, above 16 MB, is not known again."""


def line_of(key: str, completion: Completion) -> bytes:
    """Return an answer as a line of a journal."""
    line = {
        "key": key,
        "answer": completion.answer,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class Known(Mapping[str, Completion]):
    """The answers of a journal as it was when it was opened; the last one for a key counts.

    Lines that are torn, or that are no lines of a journal, say nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._places: dict[int, int] = {}
        self._path = path
        self._file: int | None = None
        if path is not None and path.is_file():
            with path.open("rb", buffering=1 << 20) as lines:
                self._places.update(_places(lines))

    def __getitem__(self, key: str) -> Completion:
        place = self.place(key)
        if place is None:
            raise KeyError(key)
        return self.read(place)

    def __iter__(self) -> Iterator[str]:
        for place in self._places.values():
            if (said := _parsed(self._line(place))) is not None:
                yield said[0]

    def __len__(self) -> int:
        return len(self._places)

    def place(self, key: str) -> int | None:
        """Return where a key's answer stands, if it is known and its line can be read."""
        place = self._places.get(_short(key)) if self._places else None
        if place is None:
            return None
        said = _parsed(self._line(place))
        return place if said is not None and said[0] == key else None

    def read(self, place: int) -> Completion:
        """Return the answer that stands where `place` told."""
        said = _parsed(self._line(place))
        if said is None:
            raise BadInput(f"{self._path} was changed while it was in use: run the command again")
        return said[1]

    def _line(self, place: int) -> bytes:
        if self._file is None:
            assert self._path is not None
            self._file = os.open(self._path, os.O_RDONLY)
        return os.pread(self._file, place & (1 << _LENGTH) - 1, place >> _LENGTH)

    def close(self) -> None:
        """Close the file and forget what was in it."""
        self._places = {}
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _short(key: str) -> int:
    """Return the part of a key that is held; a key that is no hash of ours gets one of its own."""
    try:
        return int(key[:_DIGITS], 16)
    except ValueError:
        return hash(key) & (1 << 4 * _DIGITS) - 1


def _places(lines: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield, for each line with an answer, the held part of its key and where it stands."""
    start = 0
    for line in lines:
        length = len(line)
        held = _held(line) if length >> _LENGTH == 0 else None
        if held is not None:
            yield held, start << _LENGTH | length
        start += length


def _held(line: bytes) -> int | None:
    """Return the held part of a line's key, or None if there is no answer in the line.

    One that begins and ends as `line_of` writes them is not parsed before its answer is due.
    """
    if _is_ours(line):
        with suppress(ValueError):
            return int(line[_SHORT], 16)
    said = _parsed(line)
    return None if said is None else _short(said[0])


def _is_ours(line: bytes) -> bool:
    """Tell whether a line begins and ends as `line_of` writes them."""
    tail = line.rfind(_TAIL, -48)
    return (
        tail > 0
        and line.startswith(_HEAD)
        and line.startswith(_NEXT, _KEY.stop)
        and line.endswith(b"}\n")
        and line[tail + len(_TAIL) : -2].isdigit()
    )


def _parsed(line: bytes) -> tuple[str, Completion] | None:
    """Return key and answer of a line, or None if it is torn or is no line of a journal."""
    try:
        row: Any = orjson.loads(line)
        said = Completion(row["answer"], "", row["prompt_tokens"], row["completion_tokens"])
        key = row["key"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return (key, said) if isinstance(key, str) and isinstance(said.answer, dict) else None
