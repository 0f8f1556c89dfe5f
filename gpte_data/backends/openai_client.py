"""Calls to OpenAI-compatible servers: many in flight, in order, bounded, tried again.

`Caller.map` is a plain iterator over answers, in the order of the questions. All that is
asynchronous runs in one thread with an event loop (openai_engine.py); what a question costs beyond
aiohttp's own work is kept small by waking that thread, and this one, for many questions at a time.
"""

import asyncio
import contextlib
import itertools
import random
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from gpte_data.backends import Options
from gpte_data.backends.openai_engine import Engine
from gpte_data.backends.openai_errors import Failure, pause, unreachable
from gpte_data.backends.openai_run import Again, Job, Run
from gpte_data.backends.openai_transport import Client, Server, servers

T = TypeVar("T")
R = TypeVar("R")
OPEN = 2
"""Times the concurrency: questions taken from the input that have no answer yet."""
HELD = 24
"""Times the concurrency: those together with the answers that wait behind one that comes late."""


class Caller:
    """A connection to one server, or to several of one model.

    Args:
        options: base_urls (default: OPENAI_BASE_URL), concurrency, rpm, tpm, timeout, retries.

    Raises:
        BadOption: A base URL is no address.

    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.servers = servers(options.base_urls, options.timeout)
        self.url = ", ".join(server.url for server in self.servers)
        self._random = random.Random()
        self._loop = _new_loop()
        self._engine = Engine(options, self.servers, self._loop)
        opened: Future[None] = Future()
        self._thread = threading.Thread(
            target=_serve, args=(self._loop, self._engine, opened), daemon=True, name="openai"
        )
        self._thread.start()
        opened.result()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread)

    def close(self) -> None:
        """Close the connections and end the thread; done by itself when the program ends."""
        self._finalizer()

    def _in_loop(self, work: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def check(self) -> None:
        """Raise EndpointError unless a server answers, and all that do take the key."""
        for attempt in itertools.count(1):
            errors = self._in_loop(_greeted(self.servers)).result()
            gone = [(server, error) for server, error in errors if error is not None]
            if attempt == 3 and len(gone) == len(errors):
                raise unreachable(*gone[0])
            if not gone or attempt == 3:
                break
            time.sleep(0.5 * attempt)
        for url, error in gone:
            sys.stderr.write(f"note: {unreachable(url, error)}; going on with the others\n")

    def _pause(self, error: Exception, attempt: int) -> float:
        """Return how long to wait before another try."""
        return pause(error, attempt, self._random)

    def map(
        self,
        items: Iterable[T],
        ask: Callable[[Client, T], Awaitable[R | Again]],
        done: Callable[[T, R], None] = lambda item, answer: None,
        size: Callable[[T], int] = lambda item: 0,
    ) -> Iterator[R | Failure]:
        """Yield what `ask(client, item)` returns for each item, in order.

        `ask` sends one request; it is called again where that fails, or where it returns AGAIN.
        At most 2 × concurrency items are without an answer at a time, and at most 24 × concurrency
        are taken ahead of the one that is yielded. `done` is called in the event loop's thread as
        soon as an answer is there, and never after this iterator has ended or was closed. `size`
        estimates the tokens of an item, for `tpm`.

        Raises:
            EndpointError: The servers are gone, or one refuses the key or the model.

        """
        run = Run(ask, done, self._pause, size)
        waiting: deque[Job] = deque()
        most = OPEN * self.options.concurrency
        few = most - max(1, self.options.concurrency // 4)
        self._engine.runs.add(run)
        try:
            for item in items:
                job = Job(item, run)
                waiting.append(job)
                self._engine.submit(job)
                while waiting and (waiting[0].done or self._is_full(run, waiting)):
                    if waiting[0].done:
                        yield waiting.popleft().answer
                    else:
                        run.wait(waiting[0], few if len(waiting) < self._held else -1)
            while waiting:
                if waiting[0].done:
                    yield waiting.popleft().answer
                else:
                    run.wait(waiting[0], -1)
        finally:
            self._drop(run)

    @property
    def _held(self) -> int:
        return HELD * self.options.concurrency

    def _is_full(self, run: Run, waiting: "deque[Job]") -> bool:
        """Tell whether no more may be taken from the input for now."""
        return run.open >= OPEN * self.options.concurrency or len(waiting) >= self._held

    def _drop(self, run: Run) -> None:
        """Cancel what nobody waits for any more, and wait until it has ended."""
        run.over = True
        self._engine.runs.discard(run)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            with contextlib.suppress(RuntimeError):  # the program is ending, the loop has closed
                self._in_loop(run.drop()).result()


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop, which takes a fifth less CPU a question, where there is one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _serve(loop: asyncio.AbstractEventLoop, engine: Engine, opened: "Future[None]") -> None:
    """Run the event loop until it is stopped, then leave nothing open behind."""
    asyncio.set_event_loop(loop)
    try:
        try:
            loop.run_until_complete(engine.open())
        except Exception as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        loop.run_forever()
        loop.run_until_complete(engine.close())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """End the thread of a Caller; it may itself be what drops the last reference to one."""
    with contextlib.suppress(RuntimeError):  # closed already
        loop.call_soon_threadsafe(loop.stop)
    if threading.current_thread() is not thread:
        thread.join()


async def _greeted(servers: Iterable[Server]) -> list[tuple[str, Exception | None]]:
    """Return what speaks against each server being there, by its address."""
    servers = list(servers)
    errors = await asyncio.gather(*(server.greet() for server in servers))
    return [(server.url, error) for server, error in zip(servers, errors, strict=True)]
