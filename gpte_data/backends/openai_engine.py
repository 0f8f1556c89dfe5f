"""Questions in flight: which is sent next, to which server, and what becomes of one that fails.

All of it runs in one event loop, in a thread of its own (openai_client.py), apart from `submit`.
A question that waits for another try holds no place: others are in flight meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from gpte_data.backends import Options
from gpte_data.backends.openai_errors import (
    Failure,
    StatusError,
    given_up,
    is_down,
    is_lost,
    is_overload,
    mendable,
    refused,
)
from gpte_data.backends.openai_pace import Limits
from gpte_data.backends.openai_run import Again, Job, Run
from gpte_data.backends.openai_servers import Fleet, Member
from gpte_data.backends.openai_transport import Server, open_session
from gpte_data.errors import EndpointError

HOPELESS = 100
"""Questions in a row without an answer, at least twice what may be in flight, that end the run."""


class Engine:
    """What is asked of the servers of one Caller.

    Args:
        options: concurrency, rpm, tpm, timeout, retries.
        servers: Those that are asked.
        loop: The event loop that it runs in.
    """

    def __init__(
        self, options: Options, servers: Sequence[Server], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.options, self.servers, self.loop = options, servers, loop
        self.fleet = Fleet(servers, options.concurrency, options.retries, self.pump, self.stop)
        self.limits = Limits(options.rpm, options.tpm)
        self.runs: set[Run] = set()
        self._session: Any = None
        self._ready: deque[Job] = deque()
        self._hungry = True
        """There is nothing to send: `submit` must wake the loop."""
        self._timer: asyncio.TimerHandle | None = None
        self._unanswered = 0
        self._mendable = mendable()

    async def open(self) -> None:
        """Open the session; connections are made when they are needed."""
        options = self.options
        self._session = await open_session(self.servers, options.timeout, options.concurrency)

    async def close(self) -> None:
        """End what is being asked, and close the connections."""
        self.stop(RuntimeError("the connection was closed"))
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    def stop(self, error: Exception) -> None:
        """End all that is being asked."""
        for run in list(self.runs):
            run.broke(error)

    def submit(self, job: Job) -> None:
        """Take a question; called in the thread of who asks."""
        job.run.asked += 1
        self._ready.append(job)
        if self._hungry:
            self._hungry = False
            self.loop.call_soon_threadsafe(self.pump)

    def pump(self) -> None:
        """Send what is ready, as long as there is room."""
        ready, limits = self._ready, self.limits
        while True:
            if not ready:
                self._hungry = True
                if not ready:  # else one came in between, and did not wake the loop
                    return
                self._hungry = False
            job = ready[0]
            if job.run.over:
                ready.popleft()
                continue
            now = time.monotonic()
            member = self.fleet.choose(job.member if job.attempt else None, now)
            wait = self.fleet.held(now) if member is None else limits.wait()
            if wait:
                self._wake(wait)
            if member is None or wait:
                return
            self._send(ready.popleft(), member)

    def _wake(self, seconds: float) -> None:
        """Go on when something may be sent again, at the latest."""
        due = self.loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.pump()

    def _send(self, job: Job, member: Member) -> None:
        """Begin a try."""
        run, limits = job.run, self.limits
        job.member = member
        job.epoch = member.pace.send()
        job.taken = limits.send(run.size(job.item) if limits.counts_tokens else 0)
        job.usage = None
        task = self.loop.create_task(self._try(job))
        run.tasks.add(task)
        task.add_done_callback(run.tasks.discard)

    async def _try(self, job: Job) -> None:
        """Ask once, and see to what comes of it."""
        run, pace = job.run, job.member.pace
        try:
            answer = await run.ask(job, job.item)
        except self._mendable as error:
            await self._failed(job, error)
        except Exception as error:
            pace.end()
            run.broke(error)
        except BaseException:  # cancelled
            pace.end()
            raise
        else:
            pace.end(answered=True)
            self._answered(job, answer)
        finally:
            self.pump()

    def _answered(self, job: Job, answer: Any) -> None:
        """Keep an answer, or ask on."""
        self._unanswered = 0
        job.member.answered()
        self._correct(job)
        if isinstance(answer, Again):
            job.attempt = 0
            self._ready.appendleft(job)
            return
        try:
            job.run.keep(job.item, answer)
        except Exception as error:  # a full disk is no fault of the question
            job.run.broke(error)
        else:
            job.run.end(job, answer, busy=bool(self._ready))

    def _correct(self, job: Job) -> None:
        """Put the tokens that were counted in the place of the estimate."""
        if job.taken and isinstance(job.usage, dict):
            asked, given = (job.usage.get(f"{what}_tokens") for what in ("prompt", "completion"))
            self.limits.correct(job.taken, asked or 0, given or 0)

    async def _failed(self, job: Job, error: Exception) -> None:
        """Try again later, or give the question up."""
        self._paced(job.member, job.epoch, error)
        try:
            failure = refused(job.member.server.url, error)
        except EndpointError as fatal:
            job.run.broke(fatal)
            return
        if failure is None and job.attempt < self.options.retries:
            self.loop.call_later(job.run.pause(error, job.attempt), self._back, job)
            job.attempt += 1
            return
        if failure is None:
            if is_lost(error) and not await self.fleet.is_there(job.member):
                self._back(job)  # no fault of the question: it waits for a server
                return
            failure = given_up(error)
        self._give_up(job, failure)

    def _paced(self, member: Member, epoch: int, error: Exception) -> None:
        """Let a failure speak to how much is asked of the server, and whether it is there."""
        if not is_overload(error):
            member.pace.end()
        elif member.pace.refuse(epoch) and isinstance(error, StatusError):
            self.fleet.hold(member, error.retry_after)
        if is_down(error):
            self.fleet.suspect(member)

    def _back(self, job: Job) -> None:
        """Put a question before all others: many wait behind it."""
        if not job.run.over:
            self._ready.appendleft(job)
            self.pump()

    def _give_up(self, job: Job, failure: Failure) -> None:
        """End a question without an answer; end the run if too many end so."""
        if not failure.too_long:
            self._unanswered += 1
        if self._unanswered >= max(HOPELESS, 2 * self.fleet.limit):
            lost = f"answered none of the last {self._unanswered} requests, the last one with"
            todo = "mend that and run the same command again"
            url = job.member.server.url
            job.run.broke(EndpointError(f"{url} {lost}: {failure.reason}: {todo}"))
        job.run.end(job, failure, busy=bool(self._ready))
