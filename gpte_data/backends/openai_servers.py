"""The servers of one model: which of them is asked next, and whether each is still there.

A server that loses connections, or answers 5xx, several times in a row is asked for its list of
models; where it does not give that it is set aside, and asked again and again until it does. The
others go on meanwhile. When none has come back in as many tries as a question has, the run ends.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence

from gpte_data.backends.openai_errors import unreachable
from gpte_data.backends.openai_pace import Pace
from gpte_data.backends.openai_transport import Server
from gpte_data.errors import EndpointError

SUSPECT = 3
"""Failures in a row that make one look whether the server is there."""


class Member:
    """A server, how much is asked of it, and whether it is there."""

    def __init__(self, server: Server, most: int) -> None:
        self.server = server
        self.pace = Pace(most)
        self.away = False
        self.held_until = 0.0
        self.failed = self.looked = 0
        """Failures in a row; looks in vain since it went away."""
        self.judged = asyncio.Event()
        self.watch: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Note that it is there."""
        self.failed, self.away = 0, False


class Fleet:
    """All servers of a model.

    Args:
        servers: At least one.
        most: Requests in flight at most, over all.
        retries: Looks in vain at every server that end the run.
        back: Called when a server is there again.
        lost: Called with an EndpointError when none is.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        most: int,
        retries: int,
        back: Callable[[], None],
        lost: Callable[[EndpointError], None],
    ) -> None:
        self.members = [Member(server, most) for server in servers]
        self._most, self._retries, self._back, self._lost = most, retries, back, lost
        self._random = random.Random()

    @property
    def limit(self) -> int:
        """Return how much may be in flight, over all servers."""
        return min(self._most, sum(int(member.pace.limit) for member in self.members))

    def choose(self, avoid: Member | None, now: float) -> Member | None:
        """Return the server with the most room; `avoid` if no other has any, None if none has."""
        members = self.members
        if len(members) > 1 and sum(member.pace.in_flight for member in members) >= self._most:
            return None
        best, least = None, 1.0
        for member in members:
            load = member.pace.load
            if load >= 1 or member.away or member.held_until > now:
                continue
            if member is avoid:
                load = 1 - 1e-9
            if load < least:
                best, least = member, load
        return best

    def hold(self, member: Member, seconds: float | None) -> None:
        """Send nothing to a server for as long as it asked for, all in all."""
        if seconds:
            member.held_until = max(member.held_until, time.monotonic() + seconds)

    def held(self, now: float) -> float | None:
        """Return the seconds until a server may be asked that asked for a pause; None if none."""
        return min((m.held_until - now for m in self.members if m.held_until > now), default=None)

    def suspect(self, member: Member) -> None:
        """Note a failure that may mean that a server is gone; look, if it is one of several."""
        member.failed += 1
        if member.failed >= SUSPECT:
            self._look(member)

    async def is_there(self, member: Member) -> bool:
        """Tell whether a server answers at all."""
        self._look(member)
        await member.judged.wait()
        return not member.away

    def _look(self, member: Member) -> None:
        if member.watch is None:
            member.judged.clear()
            member.watch = asyncio.get_running_loop().create_task(self._watched(member))

    async def _watched(self, member: Member) -> None:
        """Watch a server; whatever happens, it may be looked at again."""
        try:
            await self._watch(member)
        except EndpointError as error:  # it refuses the key
            self._lost(error)
        finally:
            member.watch, member.failed, member.looked = None, 0, 0
            member.judged.set()

    async def _watch(self, member: Member) -> None:
        """See whether a server is there; if not, set it aside until it is."""
        for look in itertools.count():
            error = await member.server.greet()
            member.away = error is not None and (look == 0 or member.away)
            member.judged.set()
            if error is None or not member.away:
                break
            member.looked = look + 1
            if all(other.away and other.looked > self._retries for other in self.members):
                self._give_up(unreachable(member.server.url, error))
                return
            await asyncio.sleep(min(0.5 * 2.0**look, 30.0) * (0.5 + self._random.random()))
        self._back()

    def _give_up(self, error: EndpointError) -> None:
        """End what is being asked; what is asked later begins anew."""
        for member in self.members:
            member.away = False
        self._lost(error)
