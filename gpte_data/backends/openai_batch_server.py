"""The batch API of an OpenAI-compatible server, through the openai SDK.

Everything but making a batch may be tried again freely. Making one costs money, so after a reply
that was lost the batch is looked for by its label before another is made.
"""

import importlib
import importlib.util
import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import orjson

from gpte_data.backends import Options
from gpte_data.backends.openai_batch_book import Record
from gpte_data.backends.openai_errors import (
    KEY,
    URL,
    StatusError,
    pause,
    raise_if_refused,
    refused,
    unreachable,
    without_secrets,
)
from gpte_data.errors import EndpointError

T = TypeVar("T")
LABEL = "gpte_data"
"""The metadata's name for a record's label."""
DAY = 86_400.0
"""Seconds before a record within which its batch is looked for: clocks differ."""
UPLOAD = 600.0
"""Seconds that a server may take over a file."""
PATIENCE = 60
"""Tries to hear how a batch is doing, half an hour in all: the batch itself goes on meanwhile."""


class BatchServer:
    """A server's batches and files.

    Args:
        options: base_urls (the first; default OPENAI_BASE_URL), timeout, retries.
        patience: Tries of what only asks how a batch is doing.
    """

    def __init__(self, options: Options, patience: int = PATIENCE) -> None:
        import openai

        address = next(iter(options.base_urls), None) or os.environ.get(URL)
        self._address = address or "https://api.openai.com/v1"
        self.url = without_secrets(self._address)
        self.options = options
        self.patience = patience
        self._random = random.Random()
        self._client = openai.OpenAI(
            api_key=os.environ.get(KEY) or "none",
            base_url=self._address,
            timeout=options.timeout,
            max_retries=0,
        )
        reply = (ValueError, LookupError, TypeError, AttributeError)
        self._mendable = (openai.OpenAIError, _transport().HTTPError, *reply)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Raise EndpointError unless the server has a batch API and takes the key."""
        self._call(lambda: self._client.batches.list(limit=1), 2)

    def upload(self, file: IO[bytes], name: str) -> str:
        """Send the file of a batch; return its id. Without a batch it costs nothing."""

        def send() -> str:
            file.seek(0)
            slow = self._client.with_options(timeout=max(UPLOAD, self.options.timeout))
            return str(slow.files.create(file=(name, file), purpose="batch").id)

        return self._call(send, self.options.retries)

    def create(self, file: str, record: Record) -> str:
        """Make a batch of an uploaded file; return its id."""
        tried = False

        def make() -> str:
            nonlocal tried
            found = self._find(record) if tried else ""
            tried = True
            return found or str(
                self._client.batches.create(
                    input_file_id=file,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                    metadata={LABEL: record.label},
                ).id
            )

        return self._call(make, self.options.retries)

    def find(self, record: Record) -> str:
        """Return the id of the batch with a record's label, or nothing if there is none."""
        return self._call(lambda: self._find(record), self.options.retries)

    def _find(self, record: Record) -> str:
        for batch in self._client.batches.list(limit=100):  # the newest first, page by page
            if (batch.metadata or {}).get(LABEL) == record.label:
                return str(batch.id)
            if batch.created_at < record.when - DAY:
                break
        return ""

    def retrieve(self, record: Record) -> Any:
        """Return how a batch is doing."""
        unknown = (
            f"{self.url} does not know the batch {record.id}: use the key that it was made with, "
            f"or delete {self.options.batch} to ask anew"
        )
        return self._call(lambda: self._client.batches.retrieve(record.id), self.patience, unknown)

    def lines(self, file: str | None, folder: Path) -> Iterator[Any]:
        """Yield what the lines of a file say; it is first copied to disk, in the folder."""
        if not file:
            return
        gone = (
            f"{self.url} does not have the file {file} any more: delete {self.options.batch} to "
            "ask anew"
        )
        with TemporaryFile(dir=folder) as copy:
            self._call(lambda: self._download(file, copy), self.patience, gone)
            copy.seek(0)
            for line in copy:
                if line.strip():
                    yield orjson.loads(line)

    def _download(self, file: str, copy: IO[bytes]) -> None:
        copy.seek(0)
        copy.truncate()
        with self._client.files.with_streaming_response.content(file) as response:
            for chunk in response.iter_bytes():
                copy.write(chunk)

    def _call(self, ask: Callable[[], T], tries: int, absent: str = "") -> T:
        """Ask until there is a reply, it is refused, or the tries are used up."""
        for attempt in itertools.count():
            try:
                return ask()
            except self._mendable as error:
                met = _as_status(error)
                self._raise_if_final(met, absent)
                if attempt >= tries:
                    raise self._given_up(met) from None
                time.sleep(pause(met, attempt, self._random))
        raise AssertionError("unreachable")

    def _raise_if_final(self, error: Exception, absent: str) -> None:
        """Raise EndpointError for what no second try will mend."""
        raise_if_refused(self.url, error)
        if isinstance(error, StatusError) and error.status in (404, 405, 501):
            raise EndpointError(absent or f"{self.url} has no batch API: leave --batch out")
        if (failure := refused(self.url, error)) is not None:
            raise EndpointError(f"{self.url} takes no batch: {failure.reason}")

    def _given_up(self, error: Exception) -> EndpointError:
        if not isinstance(error, StatusError):
            return unreachable(self.url, error)
        return EndpointError(
            f"{self.url} is in trouble (status {error.status}: {error.message}): run the same "
            "command again later, the batches under way are not lost"
        )


def _as_status(error: Exception) -> Exception:
    """Return the SDK's error about a status as ours, any other as it is."""
    status, response = getattr(error, "status_code", None), getattr(error, "response", None)
    if status is None or response is None:
        return error
    return StatusError(status, orjson.dumps(getattr(error, "body", None)), response.headers)


def _transport() -> Any:
    """Return the HTTP library that the SDK uses; what breaks while a file is read is its error."""
    return importlib.import_module("httpx2" if importlib.util.find_spec("httpx2") else "httpx")
