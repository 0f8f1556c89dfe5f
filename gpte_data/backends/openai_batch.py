"""`openai:MODEL` with --batch: the OpenAI batch API, at half the price and within a day.

All questions of a call go to the server as files; what comes back is kept, repaired once where it
does not fit, and yielded in order. Which batches are under way is written down beside the journal,
so that a run that was killed goes on where it was, on this machine or another, and no question is
paid for twice.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from gpte_data.backends import Completion, Keep, Options, Request
from gpte_data.backends.openai_batch_book import Book
from gpte_data.backends.openai_batch_round import Round
from gpte_data.backends.openai_batch_server import BatchServer
from gpte_data.backends.openai_batch_spool import Desk
from gpte_data.errors import BadOption

PAUSES = (2.0, 60.0)
"""Seconds between two looks at the batches, at first and at most."""


def check(options: Options) -> None:
    """Raise a UserError if the server has no batch API, can't be reached or refuses the key."""
    _check_servers(options)
    with closing(BatchServer(options)) as server:
        server.check()


def _check_servers(options: Options) -> None:
    named = len(options.base_urls)
    if named > 1:
        raise BadOption(f"--batch works with one server, and --base-url names {named}: give one")


class OpenAIBatch:
    """Sends requests as batches of chat completions with `response_format` json_schema.

    Args:
        model: The model's name at the server.
        options: batch (the file in which batches are written down), base_urls, timeout, retries.
        pauses: Seconds between two looks at the batches, at first and at most.
    """

    query_types: Mapping[str, float] | None = None
    held_back = sys.maxsize
    """A batch is made of all there is to ask, however many known answers stand between."""

    def __init__(self, model: str, options: Options, pauses: tuple[float, float] = PAUSES) -> None:
        if options.batch is None:
            raise BadOption("--batch needs a folder to write, so that it can go on later: give -o")
        _check_servers(options)
        self.model, self.options, self.pauses = model, options, pauses
        self.path: Path = options.batch
        self._depth = 0
        self._server: BatchServer
        self._book: Book

    def complete(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Yield answers in order; all requests are read before the first answer.

        What is under way is forgotten when the outermost of nested calls has come to its end: a
        step whose answers another step waits for may have failed rows, and those were paid for too.

        Raises:
            EndpointError: The server has no batch API, can't be reached, or would not do a batch.

        """
        if self._depth == 0:
            self._open()
        self._depth += 1
        whole = False
        try:
            with Desk(self.path.parent) as desk:
                work = Round(self.model, self._server, self._book, desk, self.pauses)
                yield from work.answers(requests, keep)
            whole = True
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._server.close()
                if whole:
                    self._book.remove()

    def _open(self) -> None:
        """Connect, and read what was under way; the API is asked for only where it is needed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._server = BatchServer(self.options)
        self._book = Book(self.path, self._server.find)
