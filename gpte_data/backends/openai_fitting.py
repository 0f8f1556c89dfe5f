"""Texts that are longer than a served model takes, made shorter until it takes them."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from gpte_data.backends.openai_client import Caller
from gpte_data.backends.openai_errors import Failure
from gpte_data.backends.openai_transport import Client
from gpte_data.errors import EndpointError

T = TypeVar("T")
R = TypeVar("R")


def fitted(
    caller: Caller,
    items: Iterable[T],
    ask: Callable[[Client, T], Awaitable[R]],
    shorter: Callable[[T], T | None],
) -> tuple[list[R], int]:
    """Ask for each item, made shorter until the server takes it; return answers and how many were.

    Raises:
        EndpointError: The server refuses an item for another reason, or however short it is.

    """
    left: list[T] = list(items)
    answers: dict[int, R] = {}
    waiting, cut = list(range(len(left))), set[int]()
    while waiting:
        replies = list(caller.map([left[i] for i in waiting], ask))
        for i, reply in zip(waiting, replies, strict=True):
            if not isinstance(reply, Failure):
                answers[i] = reply
                continue
            smaller = shorter(left[i]) if reply.too_long else None
            if smaller is None:
                raise EndpointError(f"{caller.url} gives no answer: {reply.reason}")
            left[i] = smaller
            cut.add(i)
        waiting = [i for i in waiting if i not in answers]
    return [answers[i] for i in range(len(left))], len(cut)
