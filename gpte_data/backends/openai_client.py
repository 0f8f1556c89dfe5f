"""Calls to an OpenAI-compatible server: many in flight, in order, bounded, tried again.

All that is asynchronous lives in this file. An event loop runs in one thread; `Caller.map` is a
plain iterator over answers, in the order of the questions, that never holds more than a window of
them. Transport: the openai SDK over aiohttp. Connections idle for 4 s are dropped, since vLLM's
server closes them after 5 s and a request on a closing connection is lost.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from gpte_data.backends import Options
from gpte_data.backends.openai_errors import (
    KEY,
    URL,
    Failure,
    given_up,
    is_lost,
    mendable,
    pause,
    raise_if_refused,
    refused,
    unreachable,
    without_secrets,
)
from gpte_data.errors import EndpointError

T = TypeVar("T")
R = TypeVar("R")
HOPELESS = 100
"""Questions in a row without an answer, at least twice what is in flight, that end the run."""


class Caller:
    """A connection to one server.

    Args:
        options: base_url (default: OPENAI_BASE_URL), concurrency, timeout, retries.
    """

    def __init__(self, options: Options) -> None:
        import openai

        self.openai = openai
        self.options = options
        self._address = next(iter(options.base_urls), None) or os.environ.get(URL) or "https://api.openai.com/v1"
        self.url = without_secrets(self._address)
        self.unanswered = 0
        self._random = random.Random()
        self._slots = asyncio.Semaphore(options.concurrency)
        self.client = self._connect()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_serve, args=(self._loop, self.client), daemon=True, name="openai"
        )
        self._thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread)

    def _connect(self) -> Any:
        """Return the SDK's client; it opens connections when the first request is sent."""
        limits = _limits()
        http = self.openai.DefaultAioHttpClient(
            limits=limits(
                max_connections=self.options.concurrency,
                max_keepalive_connections=self.options.concurrency,
                keepalive_expiry=4.0,
            )
        )
        return self.openai.AsyncOpenAI(
            api_key=os.environ.get(KEY) or "none",
            base_url=self._address,
            timeout=self.options.timeout,
            max_retries=0,
            http_client=http,
        )

    def close(self) -> None:
        """Close the connections and end the thread; done by itself when the program ends."""
        self._finalizer()

    def _in_loop(self, work: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def check(self) -> None:
        """Raise EndpointError unless the server answers and takes the key."""
        for attempt in itertools.count(1):
            error = self._in_loop(self._greet()).result()
            if error is None:
                return
            if attempt == 3:
                raise unreachable(self.url, error)
            time.sleep(0.5 * attempt)

    async def _greet(self) -> Exception | None:
        """Ask for the list of models; return what speaks against a server being there.

        A server that has no such list (404, 405, …) is there.
        """
        seconds = min(10.0, self.options.timeout)
        try:
            async with asyncio.timeout(seconds):
                await self.client.with_options(timeout=seconds).models.list()
        except (self.openai.OpenAIError, TimeoutError, ValueError) as error:
            raise_if_refused(self.url, error)
            status = getattr(error, "status_code", 500)
            return None if status < 500 and status != 429 else error
        return None

    def map(
        self,
        items: Iterable[T],
        ask: Callable[[Any, T], Awaitable[R]],
        done: Callable[[T, R], None] = lambda item, answer: None,
    ) -> Iterator[R | Failure]:
        """Yield what `ask(client, item)` returns for each item, in order.

        At most 2 × concurrency items are taken ahead of the one that is yielded. `done` is called
        in the event loop's thread as soon as an answer is there, and never after this iterator
        has ended or was closed.

        Raises:
            EndpointError: The server is gone, or refuses the key or the model.

        """
        pending: deque[Future[R | Failure]] = deque()
        running: set[asyncio.Task[Any]] = set()
        try:
            for item in items:
                pending.append(self._in_loop(self._tracked(item, ask, done, running)))
                while pending and (
                    len(pending) >= 2 * self.options.concurrency or pending[0].done()
                ):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            self._drop(pending, running)

    def _drop(self, pending: Iterable["Future[Any]"], running: set["asyncio.Task[Any]"]) -> None:
        """Cancel what nobody waits for any more, and wait until it has ended."""
        for future in pending:
            future.cancel()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            with contextlib.suppress(RuntimeError):  # the program is ending, the loop has closed
                self._in_loop(_ended(running)).result()

    async def _tracked(
        self,
        item: T,
        ask: Callable[[Any, T], Awaitable[R]],
        done: Callable[[T, R], None],
        running: set["asyncio.Task[Any]"],
    ) -> R | Failure:
        """Get an answer, and be found in `running` meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            async with self._slots:
                answer = await self._one(item, ask)
            if not isinstance(answer, Failure):
                done(item, answer)
            return answer
        finally:
            running.discard(task)

    async def _one(self, item: T, ask: Callable[[Any, T], Awaitable[R]]) -> R | Failure:
        """Ask until there is an answer, it is refused, or the tries are used up."""
        for attempt in itertools.count():
            try:
                async with asyncio.timeout(self.options.timeout):
                    answer = await ask(self.client, item)
            except mendable() as error:
                failure = refused(self.url, error)
                if failure is None and attempt >= self.options.retries:
                    failure = await self._given_up(error)
                if failure is not None:
                    return self._counted(failure)
                await asyncio.sleep(self._pause(error, attempt))
            else:
                self.unanswered = 0
                return answer
        raise AssertionError("unreachable")

    def _pause(self, error: Exception, attempt: int) -> float:
        """Return how long to wait before another try."""
        return pause(error, attempt, self._random)

    async def _given_up(self, error: Exception) -> Failure:
        """Return the last error as a Failure; raise if the server is gone."""
        if is_lost(error) and await self._greet() is not None:
            raise unreachable(self.url, error)
        return given_up(error)

    def _counted(self, failure: Failure) -> Failure:
        """Return the failure; raise if nothing but failures came for too long."""
        if failure.too_long:
            return failure
        self.unanswered += 1
        if self.unanswered >= max(HOPELESS, 2 * self.options.concurrency):
            raise EndpointError(
                f"{self.url} answered none of the last {self.unanswered} requests, the last one "
                f"with: {failure.reason}: mend that and run the same command again"
            )
        return failure


def _serve(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    """Run the event loop until it is stopped, then leave nothing open behind."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_ended(asyncio.all_tasks(loop), cancel=True))
        loop.run_until_complete(client.close())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """End the thread of a Caller; it may itself be what drops the last reference to one."""
    with contextlib.suppress(RuntimeError):  # closed already
        loop.call_soon_threadsafe(loop.stop)
    if threading.current_thread() is not thread:
        thread.join()


async def _ended(tasks: Iterable["asyncio.Task[Any]"], cancel: bool = False) -> None:
    """Wait until the tasks have ended, whatever they end with."""
    tasks = list(tasks)
    for task in tasks if cancel else ():
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _limits() -> Any:
    """Return the class of connection limits of the HTTP library that the SDK uses."""
    name = "httpx2" if importlib.util.find_spec("httpx2") else "httpx"
    return importlib.import_module(name).Limits
