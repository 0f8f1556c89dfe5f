"""An OpenAI-shaped chat server that costs next to nothing, to measure what clients cost.

    python benchmarks/bench_server.py --latency 0.5 --p429 0.1 --preset 0.02

prints its base URL (it ends in /v1). Every answer takes `--latency` seconds, whatever is in
flight, and is {"query": "…"} of about 100 tokens, another for every request. HTTP/1.1 with
keep-alive, parsed by hand: no client may be held up by it. It is no model and checks nothing;
tests/server.py is the strict one.

Faults, at most one a request, drawn from a hash of (body, attempt), so that runs repeat and a
second try may succeed: --p429 answers at once, without Retry-After; --preset resets the
connection after half the latency. A body that has --bad-substring in it always gets 400.

GET /stats gives the counts so far; `seconds` from the first request to the last answer; and for
the steady stretch, all answers but the first and the last tenth: how many they are, the monotonic
times `first` and `last`, and `slope`, answers per second by a least-squares line through the times
at which they were sent, since answers come in waves.
"""

import argparse
import array
import asyncio
import gc
import hashlib
import json
import resource
import signal
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Callable

from bench_answers import BAD, LOST, MODELS, TOO_MANY, good, reply

LINGER_OFF = struct.pack("ii", 1, 0)


class Delay:
    """Calls back after a fixed time; one timer for all, since who came first is due first."""

    def __init__(self, seconds: float, then: Callable[["Connection"], None]) -> None:
        self.seconds = seconds
        self.then = then
        self.loop = asyncio.get_running_loop()
        self.queue: deque[tuple[float, Connection]] = deque()

    def add(self, connection: "Connection") -> None:
        """Put a connection at the end of the queue."""
        due = self.loop.time() + self.seconds
        self.queue.append((due, connection))
        if len(self.queue) == 1:
            self.loop.call_at(due, self.tick)

    def tick(self) -> None:
        """Serve all that are due, and come back when the next one is."""
        now = self.loop.time() + 1e-4
        while self.queue and self.queue[0][0] <= now:
            self.then(self.queue.popleft()[1])
        if self.queue:
            self.loop.call_at(self.queue[0][0], self.tick)


class Service:
    """What the connections share: the options, the queues and the counts."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin to count."""
        self.bad = options.bad_substring.encode()
        self.p429: float = options.p429
        self.faults: float = options.p429 + options.preset
        self.attempts: Counter[bytes] = Counter()
        self.counts: Counter[str] = Counter()
        self.in_flight = self.peak = 0
        self.began = 0.0
        self.sent = array.array("d")
        self.answers = Delay(options.latency, self.answer)
        self.resets = Delay(options.latency / 2, self.reset)

    def chat(self, connection: "Connection", body: bytes) -> None:
        """Decide what becomes of a request."""
        self.began = self.began or time.monotonic()
        self.counts["requests"] += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        draw = self.draw(body) if self.faults else 1.0
        if self.bad and self.bad in body:
            self.at_once(connection, "400", BAD)
        elif draw < self.p429:
            self.at_once(connection, "429", TOO_MANY)
        elif draw < self.faults:
            self.resets.add(connection)
        else:
            connection.answer = good(body)
            self.answers.add(connection)

    def draw(self, body: bytes) -> float:
        """Return a number from 0 up to 1 that depends on the body and how often it came."""
        digest = hashlib.blake2b(body, digest_size=16).digest()
        self.attempts[digest] += 1
        again = hashlib.blake2b(digest + bytes([self.attempts[digest] % 256]), digest_size=6)
        return int.from_bytes(again.digest()) / 2**48

    def at_once(self, connection: "Connection", name: str, answer: bytes) -> None:
        """Send a refusal."""
        self.counts[name] += 1
        self.in_flight -= 1
        connection.write(answer)

    def answer(self, connection: "Connection") -> None:
        """Send an answer whose time has come."""
        self.in_flight -= 1
        if connection.open:
            connection.write(connection.answer)
            self.counts["200"] += 1
            self.sent.append(time.monotonic())
        else:
            self.counts["gone"] += 1

    def reset(self, connection: "Connection") -> None:
        """Reset a connection."""
        self.in_flight -= 1
        self.counts["reset"] += 1
        connection.reset()

    def stats(self) -> str:
        """Return the counts as JSON."""
        names = ("requests", "200", "400", "429", "reset", "gone", "connections")
        found: dict[str, float] = {name: self.counts[name] for name in names}
        found |= {"in_flight": self.in_flight, "peak_in_flight": self.peak}
        tenth = len(self.sent) // 10
        if tenth:
            steady = self.sent[tenth:-tenth]
            found |= {"steady": len(steady), "first": steady[0], "last": steady[-1]}
            found |= {"slope": slope(steady), "seconds": self.sent[-1] - self.began}
        return json.dumps(found)


def slope(times: "array.array[float]") -> float:
    """Return events per second: the slope of the least-squares line of number over time."""
    middle, mean = (len(times) - 1) / 2, sum(times) / len(times)
    covariance = sum((i - middle) * (t - mean) for i, t in enumerate(times))
    return covariance / max(sum((t - mean) ** 2 for t in times), 1e-9)


class Connection(asyncio.Protocol):
    """One connection: one request at a time, as clients of HTTP/1.1 send them."""

    def __init__(self, service: Service) -> None:
        """Wait for a request."""
        self.service = service
        self.buffer = b""
        self.answer = b""
        self.needed = 0
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.write = transport.write
        self.service.counts["connections"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        """Note that nobody listens any more."""
        self.open = False

    def data_received(self, data: bytes) -> None:
        """Collect a request; pass it on when it is whole."""
        self.buffer = self.buffer + data if self.buffer else data
        if len(self.buffer) < self.needed:
            return
        end = self.buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        self.needed = end + body_length(self.buffer[:end])
        if len(self.buffer) >= self.needed:
            request, self.buffer, self.needed = self.buffer, b"", 0
            self.take(request, end)

    def take(self, request: bytes, end: int) -> None:
        """Answer a request, or have it answered later."""
        if request.startswith(b"POST /v1/chat/completions"):
            self.service.chat(self, request[end:])
        elif request.startswith(b"GET /v1/models"):
            self.write(reply("200 OK", MODELS))
        elif request.startswith(b"GET /stats"):
            self.write(reply("200 OK", self.service.stats()))
        else:
            self.write(LOST)

    def reset(self) -> None:
        """End the connection with RST, as a server does that dies."""
        if self.open:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
            self.transport.abort()


def body_length(head: bytes) -> int:
    """Return what the head says about the length of the body; 0 if nothing."""
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


async def serve(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    service = Service(options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(service), "127.0.0.1", options.port, backlog=4096
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--p429", type=float, default=0.0)
    parser.add_argument("--preset", type=float, default=0.0)
    parser.add_argument("--bad-substring", default="")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
