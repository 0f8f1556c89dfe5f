"""The questions of one `Caller.map`: what its iterator and the event loop know of each other.

The iterator's thread adds questions and takes answers, the loop's thread answers them. Neither
wakes the other for every question, which would cost a fifth of a request: the loop looks at what
is there when it needs more, and rings when there is enough to fetch.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpte_data.backends.openai_servers import Member

PATIENCE = 0.05
"""Seconds that an answer at the head may wait for others, while there is enough to ask."""


class Again:
    """What `ask` returns to be asked the same item once more: AGAIN."""


AGAIN = Again()

Ask = Callable[[Any, Any], Awaitable[Any]]
"""(client, item) -> answer, or AGAIN."""


class Job:
    """One question: its tries, and in the end its answer. It is the client that asks it."""

    __slots__ = ("answer", "attempt", "done", "epoch", "item", "member", "run", "taken", "usage")
    member: "Member"

    def __init__(self, item: Any, run: "Run") -> None:
        self.item, self.run = item, run
        self.answer: Any = None
        self.attempt = self.epoch = 0
        self.done = False
        self.taken = 0.0
        self.usage: Any = None

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a body as JSON to the server of this try; return the reply, read from JSON."""
        reply = await self.member.server.post(path, body)
        self.usage = reply.get("usage") if isinstance(reply, dict) else None
        return reply


class Run:
    """The questions of one `Caller.map`.

    Args:
        ask: Asks one item once.
        keep: Gets each item and its answer, in the loop's thread.
        pause: (error, tries so far) -> seconds before another try.
        size: Tokens of an item's prompt, by estimate.
    """

    def __init__(
        self,
        ask: Ask,
        keep: Callable[[Any, Any], None],
        pause: Callable[[Exception, int], float],
        size: Callable[[Any], int],
    ) -> None:
        self.ask, self.keep, self.pause, self.size = ask, keep, pause, size
        self.tasks: set[asyncio.Task[None]] = set()
        self.error: BaseException | None = None
        self.over = False
        """Nothing more is to be asked or kept."""
        self.asked = 0
        """Counted by the iterator's thread alone."""
        self._ended = 0
        """Counted by the loop's thread alone."""
        self._head: Job | None = None
        self._few = 0
        self._waiting = self._rings = False
        self._bell = threading.Event()

    @property
    def open(self) -> int:
        """Return how many questions have no answer yet."""
        return self.asked - self._ended

    # The iterator's thread

    def wait(self, head: Job, few: int) -> None:
        """Wait until `head` is done, no more than `few` are open, or an error ended it all."""
        self._head, self._few = head, few
        self._bell.clear()
        self._waiting = True
        if not (head.done or self.error or self.open <= few):
            self._bell.wait()
        self._waiting = False
        if self.error and not head.done:
            raise self.error

    # The loop's thread

    def end(self, job: Job, answer: Any, busy: bool) -> None:
        """Give a question its answer; `busy`: there are others to ask."""
        job.answer, job.item = answer, None
        job.done = True
        self._ended += 1
        if not self._waiting:
            return
        if self.open <= self._few:
            self._ring()
        elif self._head is not None and self._head.done and not self._rings:
            self._rings = True
            asyncio.get_running_loop().call_later(PATIENCE if busy else 0, self._ring)

    def broke(self, error: BaseException) -> None:
        """End it all: the iterator raises the error."""
        self.error = self.error or error
        self.over = True
        self._ring()

    def _ring(self) -> None:
        self._waiting = self._rings = False
        self._bell.set()

    async def drop(self) -> None:
        """Cancel what is being asked, and wait until that has ended."""
        self.over = True
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
