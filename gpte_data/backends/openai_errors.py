"""What goes wrong with an OpenAI-compatible server, and its cost: a try, a question or the run.

What the server refuses costs the question; what a second try may mend is tried again; an endpoint
that is gone, or that refuses the key or the model, ends the run (EndpointError).
"""

import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from gpte_data.errors import EndpointError

KEY = "OPENAI_API_KEY"
URL = "OPENAI_BASE_URL"
LONGEST_PAUSE = 60.0
"""Seconds; a server that asks for more is tried again after this."""
TOO_LONG = (
    "context length",
    "too long",
    "max_model_len",
    "maximum model length",
    "maximum input",
    "maximum sequence",
    "must have less than",
)
"""What servers say of a text that the model does not take (vLLM, OpenAI, TEI, llama.cpp)."""
OVERLOAD = (429, 502, 503, 504, 529)
"""Statuses that say, when they keep coming, that less should be asked at a time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that the server would not answer; the others go on."""

    reason: str
    too_long: bool = False


class Misshapen(ValueError):
    """A reply that is read, and does not hold what was asked for; says in our words what not."""


class StatusError(Exception):
    """A reply whose status is no success.

    Args:
        status: The HTTP status.
        body: The reply, whatever it is.
        headers: Its headers; names in any case, as aiohttp gives them.
    """

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that the server asks to wait, at most a minute; None if it doesn't."""
        return seconds_said(self.headers)

    @property
    def said(self) -> Mapping[str, Any]:
        """Return the error as the server describes it, in OpenAI's shape or one like it."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {"message": self.body[:300].decode(errors="replace")}
        error = body.get("error", body) if isinstance(body, dict) else {}
        return error if isinstance(error, dict) else {"message": str(error)}

    @property
    def message(self) -> str:
        """Return the server's own words, on one line, without the key."""
        words = str(self.said.get("message") or self.said.get("detail") or "no reason given")
        key = os.environ.get(KEY)
        return " ".join((words.replace(key, "…") if key else words).split())[:300]


def seconds_said(headers: Mapping[str, str]) -> float | None:
    """Return what Retry-After (seconds, or a date) or retry-after-ms asks for, 0 to 60 seconds."""
    said, factor = headers.get("retry-after-ms"), 0.001
    if not said:
        said, factor = headers.get("retry-after"), 1.0
    if not said:
        return None
    try:
        seconds = float(said) * factor
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, min(LONGEST_PAUSE, seconds)) if seconds == seconds else None


def without_secrets(address: str) -> str:
    """Return a server's address fit to be shown: without user, password and query."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@cache
def mendable() -> tuple[type[Exception], ...]:
    """Return what may go wrong on the server's side, a reply of another shape included."""
    import aiohttp

    reply = (ValueError, LookupError, TypeError, AttributeError)
    return (StatusError, aiohttp.ClientError, OSError, *reply)


def pause(error: Exception, attempt: int, chance: random.Random) -> float:
    """Return how long to wait: as the server says, else doubling, with jitter; in seconds.

    It begins short: that less is asked of a server that can't keep up is not left to the pauses of
    single questions (see openai_pace.py), and many wait behind a question that comes late.
    """
    said = error.retry_after if isinstance(error, StatusError) else None
    if said is not None:
        return said + chance.random() * 0.1
    return min(0.15 * 2.0**attempt, 30.0) * (0.5 + chance.random())


def refused(url: str, error: Exception) -> Failure | None:
    """Return a Failure for what no second try will mend, None for what one may.

    Raises:
        EndpointError: The server refuses the key or has no such endpoint or model, or the account
            has run out of money.

    """
    raise_if_refused(url, error)
    if not isinstance(error, StatusError):
        return None
    if error.status == 429 and "insufficient_quota" in (
        error.said.get("code"),
        error.said.get("type"),
    ):
        raise EndpointError(f"{url} has no quota left for this key: {error.message}")
    if error.status in (408, 409, 425, 429) or error.status >= 500:
        return None
    message = error.message
    if error.status == 404:
        raise EndpointError(f"{url} does not have it: {message}")
    if error.status in (400, 413, 422) and any(words in message.lower() for words in TOO_LONG):
        return Failure("longer than the model takes", too_long=True)
    return Failure(f"refused ({error.status}): {message[:120]}")


def raise_if_refused(url: str, error: Exception) -> None:
    """Raise EndpointError if the server does not take the key."""
    if isinstance(error, StatusError) and error.status in (401, 403):
        raise EndpointError(
            f"{url} refuses the key (status {error.status}): set {KEY} to a valid one"
        )


def is_lost(error: Exception) -> bool:
    """Tell whether no reply came, or not the whole of one."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):  # a reply that is no HTTP, but a reply
        return False
    return isinstance(error, aiohttp.ClientError | OSError)


def is_overload(error: Exception) -> bool:
    """Tell whether an error, when it keeps coming, says that too much is asked at a time."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, StatusError) and error.status in OVERLOAD
    )


def is_down(error: Exception) -> bool:
    """Tell whether an error, when it keeps coming, may mean that the server is gone."""
    return is_lost(error) or (isinstance(error, StatusError) and error.status >= 500)


def given_up(error: Exception) -> Failure:
    """Return the error that came last, when all tries are used up, as a Failure."""
    if isinstance(error, StatusError):
        return Failure(f"status {error.status}")
    if is_lost(error):
        return Failure("timeout" if isinstance(error, TimeoutError) else "connection lost")
    said = f": {error}" if isinstance(error, Misshapen) else ""
    return Failure(f"malformed reply{said}")


def unreachable(url: str, error: Exception) -> EndpointError:
    """Return the error that says that there is no server."""
    return EndpointError(
        f"{url} does not answer ({_root(error)}): start the server, or set --base-url or {URL}"
    )


def _causes(error: BaseException | None) -> Iterator[Exception]:
    """Yield an error and what it came from."""
    while isinstance(error, Exception):
        yield error
        error = getattr(error, "os_error", None) or error.__cause__


def _root(error: Exception) -> str:
    """Return what is at the bottom of an error, in the words of the library that met it."""
    if isinstance(error, StatusError):
        return f"status {error.status}"
    import aiohttp

    *_, root = _causes(error)
    # Such an error's own words hold the whole URL, and a key that stands in it.
    told = root.message if isinstance(root, aiohttp.ClientResponseError) else str(root)
    words = told.splitlines()
    return words[0][:200] if words and words[0] else type(root).__name__
