"""Calls to an OpenAI-compatible server: many in flight, in order, bounded, tried again.

All that is asynchronous lives in this file. An event loop runs in one thread; `Caller.map` is a
plain iterator over answers, in the order of the questions, that never holds more than a window of
them. Transport: the openai SDK over aiohttp. Connections idle for 4 s are dropped, since vLLM's
server closes them after 5 s and a request on a closing connection is lost.
"""

import asyncio
import importlib.util
import itertools
import os
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from gpte_data.backends import Options
from gpte_data.errors import EndpointError

T = TypeVar("T")
R = TypeVar("R")
KEY = "OPENAI_API_KEY"
URL = "OPENAI_BASE_URL"


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that the server would not answer; the others go on."""

    reason: str
    too_long: bool = False


class Unusable(Exception):
    """An answer arrived whole but can't be used; it is asked for again."""


class Caller:
    """A connection to one server.

    Args:
        options: base_url (default: OPENAI_BASE_URL), concurrency, timeout, retries.

    """

    def __init__(self, options: Options) -> None:
        import openai

        self.openai = openai
        self.options = options
        self.url = options.base_url or os.environ.get(URL) or "https://api.openai.com/v1"
        self.succeeded = 0.0
        self._random = random.Random()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="openai").start()
        self.client = self._in_loop(self._connect()).result()

    async def _connect(self) -> Any:
        limits = _limits()
        self._slots = asyncio.Semaphore(self.options.concurrency)
        http = self.openai.DefaultAioHttpClient(
            limits=limits(
                max_connections=self.options.concurrency,
                max_keepalive_connections=self.options.concurrency,
                keepalive_expiry=4.0,
            )
        )
        return self.openai.AsyncOpenAI(
            api_key=os.environ.get(KEY) or "none",
            base_url=self.url,
            timeout=self.options.timeout,
            max_retries=0,
            http_client=http,
        )

    def _in_loop(self, work: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def check(self) -> None:
        """Raise EndpointError unless the server answers and takes the key."""
        quick = self.client.with_options(timeout=min(10.0, self.options.timeout))

        async def models() -> None:
            await quick.models.list()

        for attempt in itertools.count(1):
            try:
                self._in_loop(models()).result()
                return
            except self.openai.NotFoundError:
                return
            except self.openai.OpenAIError as error:
                self._raise_if_refused(error)
                if attempt == 3:
                    raise self._unreachable(error) from None
                time.sleep(0.5 * attempt)

    def map(
        self,
        items: Iterable[T],
        ask: Callable[[Any, T], Awaitable[R]],
        done: Callable[[T, R], None] = lambda item, answer: None,
    ) -> Iterator[R | Failure]:
        """Yield what `ask(client, item)` returns for each item, in order.

        At most 2 × concurrency items are taken ahead of the one that is yielded. `done` is called
        in the event loop's thread as soon as an answer is there.

        Raises:
            EndpointError: The server is gone, or refuses the key or the model.

        """
        pending: deque[Future[R | Failure]] = deque()
        try:
            for item in items:
                pending.append(self._in_loop(self._one(item, ask, done)))
                while pending and (
                    len(pending) >= 2 * self.options.concurrency or pending[0].done()
                ):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    async def _one(
        self,
        item: T,
        ask: Callable[[Any, T], Awaitable[R]],
        done: Callable[[T, R], None],
    ) -> R | Failure:
        """Ask until there is an answer, it is refused, or the tries are used up."""
        async with self._slots:
            started = time.monotonic()
            for attempt in itertools.count():
                try:
                    answer = await ask(self.client, item)
                except (self.openai.OpenAIError, Unusable, ValueError) as error:
                    failure = self._refused(error)
                    if failure is not None:
                        return failure
                    if attempt >= self.options.retries:
                        return self._given_up(error, started)
                    await asyncio.sleep(self._pause(error, attempt))
                else:
                    self.succeeded = time.monotonic()
                    done(item, answer)
                    return answer
        raise AssertionError("unreachable")

    def _pause(self, error: Exception, attempt: int) -> float:
        """Return how long to wait: as the server says, else doubling, with jitter."""
        response = getattr(error, "response", None)
        said = response.headers.get("retry-after", "") if response is not None else ""
        try:
            return min(float(said), 60.0) + self._random.random() * 0.1
        except ValueError:
            return min(0.5 * 2.0**attempt, 30.0) * (0.5 + self._random.random())

    def _refused(self, error: Exception) -> Failure | None:
        """Return a Failure for what no second try will mend, None for what one may."""
        self._raise_if_refused(error)
        if not isinstance(error, self.openai.APIStatusError):
            return None
        status = error.status_code
        if status in (408, 409, 429) or status >= 500:
            return None
        if status == 404:
            raise EndpointError(f"{self.url} does not have it: {_message(error)}")
        message = _message(error)
        too_long = status in (400, 413, 422) and any(
            word in message.lower()
            for word in ("context length", "too long", "max_model_len", "maximum")
        )
        return Failure(
            "longer than the model takes" if too_long else f"refused ({status})", too_long
        )

    def _raise_if_refused(self, error: Exception) -> None:
        if isinstance(error, self.openai.AuthenticationError | self.openai.PermissionDeniedError):
            raise EndpointError(
                f"{self.url} refuses the key (status {error.status_code}): set {KEY} to a valid one"
            )

    def _given_up(self, error: Exception, started: float) -> Failure:
        """Return the last error as a Failure; raise if nobody gets answers any more."""
        lost = isinstance(error, self.openai.APIConnectionError)
        if lost and self.succeeded < started:
            raise self._unreachable(error)
        status = getattr(error, "status_code", None)
        if status:
            return Failure(f"status {status}")
        if isinstance(error, Unusable):
            return Failure(str(error))
        timeout = isinstance(error, self.openai.APITimeoutError)
        return Failure("timeout" if timeout else "connection lost" if lost else "malformed reply")

    def _unreachable(self, error: Exception) -> EndpointError:
        return EndpointError(
            f"{self.url} does not answer ({type(error).__name__}): "
            f"start the server, or set --base-url or {URL}"
        )


def _limits() -> Any:
    """Return the class of connection limits of the HTTP library that the SDK uses."""
    name = "httpx2" if importlib.util.find_spec("httpx2") else "httpx"
    return importlib.import_module(name).Limits


def _message(error: Any) -> str:
    """Return the server's own words, on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message).replace("\n", " ")[:300]
