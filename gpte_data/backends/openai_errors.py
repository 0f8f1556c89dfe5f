"""What goes wrong with an OpenAI-compatible server, and its cost: a try, a question or the run.

What the server refuses costs the question; what a second try may mend is tried again; an endpoint
that is gone, or that refuses the key or the model, ends the run (EndpointError).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

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


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that the server would not answer; the others go on."""

    reason: str
    too_long: bool = False


def without_secrets(address: str) -> str:
    """Return a server's address fit to be shown: without user, password and query."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def mendable() -> tuple[type[Exception], ...]:
    """Return what may go wrong on the server's side, a reply of another shape included."""
    import openai

    reply = (ValueError, LookupError, TypeError, AttributeError)
    return (openai.OpenAIError, TimeoutError, *reply)


def pause(error: Exception, attempt: int, chance: random.Random) -> float:
    """Return how long to wait: as the server says, else doubling, with jitter; in seconds."""
    response = getattr(error, "response", None)
    said = response.headers.get("retry-after", "") if response is not None else ""
    try:
        return max(0.0, min(LONGEST_PAUSE, float(said))) + chance.random() * 0.1
    except ValueError:
        return min(0.5 * 2.0**attempt, 30.0) * (0.5 + chance.random())


def refused(url: str, error: Exception) -> Failure | None:
    """Return a Failure for what no second try will mend, None for what one may."""
    import openai

    raise_if_refused(url, error)
    if not isinstance(error, openai.APIStatusError):
        return None
    status = error.status_code
    if status in (408, 409, 429) or status >= 500:
        return None
    message = _message(error)
    if status == 404:
        raise EndpointError(f"{url} does not have it: {message}")
    if status in (400, 413, 422) and any(words in message.lower() for words in TOO_LONG):
        return Failure("longer than the model takes", too_long=True)
    return Failure(f"refused ({status}): {message[:120]}")


def raise_if_refused(url: str, error: Exception) -> None:
    """Raise EndpointError if the server does not take the key."""
    import openai

    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        raise EndpointError(
            f"{url} refuses the key (status {error.status_code}): set {KEY} to a valid one"
        )


def is_lost(error: Exception) -> bool:
    """Tell whether no reply came at all."""
    import openai

    return isinstance(error, openai.APIConnectionError | TimeoutError)


def given_up(error: Exception) -> Failure:
    """Return the error that came last, when all tries are used up, as a Failure."""
    status = getattr(error, "status_code", None)
    if status:
        return Failure(f"status {status}")
    if is_lost(error):
        return Failure("timeout" if _timed_out(error) else "connection lost")
    return Failure("malformed reply")


def unreachable(url: str, error: Exception) -> EndpointError:
    """Return the error that says that there is no server."""
    return EndpointError(
        f"{url} does not answer ({_root(error)}): start the server, or set --base-url or {URL}"
    )


def _causes(error: BaseException | None) -> Iterator[Exception]:
    """Yield an error and what it came from; the SDK's transport calls every lost one a timeout."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__


def _root(error: Exception) -> str:
    """Return what is at the bottom of an error, in the words of the library that met it."""
    *_, root = _causes(error)
    words = str(root).splitlines()
    return words[0][:200] if words and words[0] else type(root).__name__


def _timed_out(error: Exception) -> bool:
    """Tell a timeout from a lost connection."""
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))


def _message(error: Any) -> str:
    """Return the server's own words, on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message).replace("\n", " ")[:300]
