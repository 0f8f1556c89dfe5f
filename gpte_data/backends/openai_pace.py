"""How much is asked of each server: as many at a time as it keeps up with, so many a minute.

A window of requests in flight that grows while answers come and is cut when the server says that
it is too much, with slow start, as TCP does it (Jacobson, Congestion avoidance and control, 1988).
Single refusals say nothing: hosted servers give 429 at random. What counts is their share of what
was sent since the last cut; of what was answered it would be too much, since refusals come back
sooner than answers. Requests a minute and tokens a minute are token buckets.
"""

import time
from collections.abc import Callable

START = 256
"""Requests in flight at first."""
SUSTAINED = 0.3
"""The share of refusals that is no accident."""
FEWEST = 40
"""Requests sent that are enough to judge by."""


class Pace:
    """The window of one server.

    Args:
        most: Requests in flight at most.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, START))
        self.in_flight = 0
        self._epoch = 0
        self._ceiling: float | None = None
        self._sent = self._bad = 0.0

    @property
    def load(self) -> float:
        """What is in flight, as a share of what may be; below 1 there is room."""
        return self.in_flight / max(1, int(self.limit))

    def send(self) -> int:
        """Count a request in; return what `end` and `refuse` want to know of it."""
        self.in_flight += 1
        self._sent += 1
        if self._sent > max(2 * self.limit, 2 * FEWEST):
            self._sent, self._bad = self._sent / 2, self._bad / 2
        return self._epoch

    def end(self, answered: bool = False) -> None:
        """Count a request out; an answer from a full window lets it grow."""
        if answered and self.limit < self.most and self.in_flight >= 0.9 * self.limit - 1:
            self.limit = min(float(self.most), self.limit + self._step())
        self.in_flight -= 1

    def _step(self) -> float:
        """Return by how much an answer raises the limit.

        1 doubles it within the time of an answer. Where a cut was needed it goes slowly, and
        faster when that is well behind: the server may have more room than it had then.
        """
        if self._ceiling is None:
            return 1.0
        return 0.02 if 0.75 < self.limit / self._ceiling < 1.25 else 0.1

    def refuse(self, epoch: int) -> bool:
        """Count a request out that was too much; tell whether the window was cut."""
        asked = max(self.in_flight, 1)
        self.in_flight -= 1
        if epoch == self._epoch:  # what was sent before the last cut has been judged
            self._bad += 1
        if self._sent < max(FEWEST, self.limit / 4) or self._bad < SUSTAINED * self._sent:
            return False
        self._ceiling = min(self.limit, float(asked))
        self.limit = max(1.0, self._ceiling * (0.5 if self._bad > 0.6 * self._sent else 0.8))
        self._epoch += 1
        self._sent = self._bad = 0.0
        return True


class Bucket:
    """A token bucket: so much a minute, a second's worth at once.

    Args:
        per_minute: What may be taken a minute.
        clock: Seconds that only go up.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, self._rate)
        self._level = self._most
        self._clock = clock
        self._at = clock()

    def wait(self) -> float:
        """Return the seconds until something may be taken; 0 if it may be now."""
        now = self._clock()
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._level > 0 else -self._level / self._rate + 1e-3

    def take(self, amount: float) -> None:
        """Take an amount, more than there is if need be; a negative one puts it back."""
        self._level -= amount


class Limits:
    """Requests and tokens a minute, over all servers; None is no limit."""

    def __init__(self, rpm: int | None, tpm: int | None) -> None:
        self._requests = Bucket(rpm) if rpm else None
        self._tokens = Bucket(tpm) if tpm else None
        self.counts_tokens = tpm is not None
        self._answer = 0.0
        """Tokens of an answer, a running mean."""

    def wait(self) -> float:
        """Return the seconds until a request may be sent."""
        return max(
            (bucket.wait() for bucket in (self._requests, self._tokens) if bucket), default=0
        )

    def send(self, prompt: int) -> float:
        """Count a request with so many tokens, by estimate; return what was taken for it."""
        if self._requests:
            self._requests.take(1)
        if self._tokens is None:
            return 0.0
        self._tokens.take(prompt + self._answer)
        return prompt + self._answer

    def correct(self, taken: float, prompt: int, answer: int) -> None:
        """Put the server's own count in the place of the estimate."""
        if self._tokens is not None and prompt + answer:
            self._tokens.take(prompt + answer - taken)
            self._answer += 0.1 * (answer - self._answer)
