"""A local OpenAI-shaped HTTP server with faults on demand, for tests of faults and load.

It is no model and does not pretend to be vLLM: answers come from `server_answers.py` and are
a pure function of the request. It runs in a process of its own, so that a client that is
killed, or that floods it, shares no interpreter with it:

    python tests/server.py --port 0 --log requests.jsonl --p500 0.1

prints the base URL (it ends in /v1) as its first line; `serve` does the same from a test.

Faults. At most one per request, drawn from a hash of (fault seed, request key, attempt), so
runs repeat and a retry of the same request can succeed; the --p... options are exact shares
and may add up to 1 at most. --pbadanswer and --pempty touch chat requests only. A question asked
once more, with a bad answer and a word on it behind it, is answered as the question was.

Shapes. --speaks tei answers /rerank as TEI does (texts in, a bare list out) and 422 to documents,
--speaks score knows /score alone, and --logits 1 gives scores that are no probabilities.

Load. --max-in-flight N answers 429, at once, to what comes while N requests are being worked on,
until --relax-after of them have been answered.

Log. One JSON line per POST, written with one write once its fate is known:
n (order of arrival), path, key, attempt (1 for the first request with this key), status (HTTP
status, or reset, truncated, malformed, badanswer, empty, timeout), in_flight (requests under
way at arrival, this one included), t_start, t_end (Unix time), delivered. delivered is true
only where the whole of a good answer reached the kernel's socket without an exception; a good
answer whose client had gone has status 200 and delivered false. A timeout is logged when it
begins. A request still waiting when the server stops, or cut off before its body arrived, has
no line.
"""

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from server_answers import (
    Json,
    Refusal,
    answer,
    empty,
    error_body,
    question,
    request_key,
    spoil,
    spoken,
    texts_of,
)

ROUTES = {
    "/v1/chat/completions": "chat",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/rerank": "rerank",
    "/v1/score": "score",
    "/score": "score",
}
FAULTS: dict[str, int | str] = {
    "p429": 429,
    "p500": 500,
    "p503": 503,
    "preset": "reset",
    "ptruncate": "truncated",
    "pmalformed": "malformed",
    "pbadanswer": "badanswer",
    "pempty": "empty",
    "ptimeout": "timeout",
}
MALFORMED = b"<html><body>502 Bad Gateway</body></html>"
FOREVER = 3600.0


def draw(*parts: object) -> float:
    """Return a number from 0 up to, not including, 1 that depends on the parts alone."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass
class Reply:
    """What a request is going to get: a status as logged, and the HTTP answer behind it."""

    status: int | str
    body: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def http_status(self) -> int:
        """Return the HTTP status; the faults that have a name of their own look like 200."""
        return self.status if isinstance(self.status, int) else 200

    @property
    def payload(self) -> bytes:
        """Return the bytes of the HTTP body."""
        return MALFORMED if self.status == "malformed" else json.dumps(self.body).encode()


class Service:
    """The request handlers and what they remember: attempts, requests in flight, the log."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Open the log for appending."""
        self.options = options
        self.attempts: Counter[str] = Counter()
        self.arrived = 0
        self.in_flight = 0
        self.working = 0
        self.worked = 0
        self.log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def app(self) -> web.Application:
        """Return the application with its routes."""
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/{path:.*}", self.post)
        return app

    async def health(self, request: web.Request) -> web.Response:
        """Say that the server is up."""
        return web.Response()

    async def models(self, request: web.Request) -> web.Response:
        """List the one model; every other name is accepted as well."""
        model = {"id": self.options.model, "object": "model", "created": 0, "owned_by": "test"}
        try:
            self.check_api_key(request)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return web.json_response({"object": "list", "data": [model]})

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer a POST request, with a fault where one is due, and log it."""
        self.arrived += 1
        self.in_flight += 1
        line: Json = {"n": self.arrived, "path": request.path, "key": "", "attempt": 0}
        line |= {"status": 0, "in_flight": self.in_flight, "t_start": time.time()}
        try:
            raw = await request.read()
            if self.is_full():
                return await self.turned_away(request, line)
            self.working += 1
            try:
                reply = self.decide(request, raw, line)
                line["status"] = reply.status
                return await self.deliver(request, reply, line)
            finally:
                self.working -= 1
                self.worked += 1
        finally:
            self.in_flight -= 1

    def is_full(self) -> bool:
        """Tell whether as many requests are being worked on as may be."""
        options = self.options
        if not options.max_in_flight or (options.relax_after and self.worked > options.relax_after):
            return False
        return bool(self.working >= options.max_in_flight)

    async def turned_away(self, request: web.Request, line: Json) -> web.StreamResponse:
        """Answer 429, at once."""
        line |= {"status": 429, "delivered": False}
        self.write(line)
        wait = self.options.retry_after
        headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
        return await send(request, Reply(429, error_body(429, "Too many requests."), headers))

    def decide(self, request: web.Request, raw: bytes, line: Json) -> Reply:
        """Return the reply to a request, and note its key and attempt in its log line."""
        route = ROUTES.get(request.path, "")
        try:
            body = json.loads(raw)
            line["key"] = request_key(route, body)
        except (AttributeError, ValueError) as error:
            line["key"] = hashlib.sha256(raw).hexdigest()
            return Reply(400, error_body(400, f"The body is not a JSON object: {error}"))
        self.attempts[line["key"]] += 1
        line["attempt"] = self.attempts[line["key"]]
        try:
            self.check_api_key(request)
            self.check_texts(route, body)
            self.check_format(body)
            asked = question(body) if route == "chat" else body
            script = json.loads(self.options.script)
            key = request_key(route, asked)
            good = answer(route, asked, key, self.options.dimensions, script)
            if route in ("rerank", "score"):
                good = spoken(good, self.options.speaks, logits=bool(self.options.logits))
        except Refusal as refusal:
            return Reply(refusal.status, refusal.body)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            return Reply(400, error_body(400, f"Invalid request: {error!r}"))
        return self.with_fault(route, good, line)

    def check_api_key(self, request: web.Request) -> None:
        """Refuse a request without the API key, where one is set."""
        wanted = self.options.api_key
        if wanted and request.headers.get("Authorization") != f"Bearer {wanted}":
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    def check_texts(self, route: str, body: Json) -> None:
        """Refuse unknown paths, texts with the bad substring, and texts that are too long."""
        speaks = self.options.speaks
        if not route or (route == "rerank" and speaks == "score"):
            raise Refusal(404, "There is nothing at this path.")
        if route == "rerank" and ("texts" in body) != (speaks == "tei"):
            raise Refusal(422, "Failed to deserialize the JSON body: a field is missing.")
        texts = texts_of(route, body)
        limit, bad = self.options.max_model_len, self.options.bad_substring
        if bad and any(bad in text for text in texts):
            raise Refusal(400, "The request contains text this server always refuses.")
        longest = max((len(text.split()) for text in texts), default=0) if limit else 0
        if longest > limit:
            message = (
                f"This model's maximum context length is {limit} tokens. However, your request "
                f"has {longest} input tokens. Please reduce the length of the input."
            )
            raise Refusal(400, message, "context_length_exceeded")

    def check_format(self, body: Json) -> None:
        """Refuse JSON schemas, where the server is to know none."""
        form = (body.get("response_format") or {}).get("type")
        if self.options.no_schemas and form == "json_schema":
            raise Refusal(400, "This response_format type is not supported by this model.")

    def with_fault(self, route: str, good: Json, line: Json) -> Reply:
        """Return the good answer, or the fault the dice name for this key and attempt."""
        key, status = line["key"], self.fault(line["key"], line["attempt"])
        if status in ("badanswer", "empty") and route != "chat":
            status = 200
        if status == "badanswer":
            good = spoil(good, f"{key}{line['attempt']}")
        if status == "empty":
            good = empty(good, f"{key}{line['attempt']}")
        if status in (429, 500, 503):
            good = error_body(int(status), f"A fault on purpose: {status}.")
        wait = self.options.retry_after if status == 429 else None
        return Reply(status, good, {} if wait is None else {"Retry-After": f"{wait:g}"})

    def fault(self, key: str, attempt: int) -> int | str:
        """Return the status the dice name: one of FAULTS, or 200."""
        roll = draw("fault", self.options.fault_seed, key, attempt)
        for option, status in FAULTS.items():
            roll -= getattr(self.options, option)
            if roll < 0:
                return status
        return 200

    async def deliver(self, request: web.Request, reply: Reply, line: Json) -> web.StreamResponse:
        """Send the reply and log how that went, also when the client has left (cancelled)."""
        line["delivered"] = False
        if reply.status == "timeout":
            self.write(line)
            await asyncio.sleep(FOREVER)
            return web.Response(status=504)
        try:
            share = draw("latency", line["key"], line["attempt"])
            await asyncio.sleep(self.options.latency + share * self.options.latency_jitter)
            response = await send(request, reply)
            line["delivered"] = reply.status == 200
        finally:
            self.write(line)
        return response

    def write(self, line: Json) -> None:
        """Append one line to the log."""
        line["t_end"] = time.time()
        os.write(self.log, json.dumps(line).encode() + b"\n")


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Write a reply to the socket, or break the connection the way the reply says."""
    transport, payload = request.transport, reply.payload
    if transport is None:
        raise ConnectionResetError("the client has gone")
    if reply.status == "reset":
        linger = struct.pack("ii", 1, 0)  # with this, closing sends RST instead of FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        return web.Response()
    transport.set_write_buffer_limits(high=0)  # writing then waits until the kernel has it all
    headers = reply.headers | {"Content-Type": "application/json"}
    response = web.StreamResponse(status=reply.http_status, headers=headers)
    response.content_length = len(payload)
    await response.prepare(request)
    if reply.status == "truncated":
        await response.write(payload[: len(payload) // 2])
        transport.close()
    else:
        await response.write_eof(payload)
    return response


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    description = "A local OpenAI-shaped server for tests."
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--log", required=True, help="JSONL file to append to")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--model", default="test-model", help="name listed by /v1/models")
    parser.add_argument("--dimensions", type=int, default=32, help="length of embeddings")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--latency-jitter", type=float, default=0.0, help="up to so much more")
    parser.add_argument("--keep-alive", type=float, default=5.0, help="seconds; 5 is vLLM's")
    parser.add_argument("--retry-after", type=float, help="seconds named in each 429")
    parser.add_argument("--bad-substring", default="", help="text that always gets a 400")
    parser.add_argument("--api-key", default="", help="any other key gets a 401")
    parser.add_argument("--max-model-len", type=int, default=0, help="words; 0: no limit")
    parser.add_argument("--no-schemas", type=int, default=0, help="1: json_schema gets a 400")
    parser.add_argument("--max-in-flight", type=int, default=0, help="more get 429; 0: no limit")
    parser.add_argument("--relax-after", type=int, default=0, help="answers that end that limit")
    parser.add_argument("--script", default="{}", help="model -> what it says, for judges")
    parser.add_argument("--fault-seed", type=int, default=0, help="other seeds, other faults")
    parser.add_argument("--speaks", default="", help="tei or score; rerankers of another shape")
    parser.add_argument("--logits", type=int, default=0, help="1: scores are logits")
    parser.add_argument("--parent", type=int, default=0, help="exit when no longer its child")
    for name, status in FAULTS.items():
        parser.add_argument(f"--{name}", type=float, default=0.0, help=f"share: {status}")
    options = parser.parse_args(arguments)
    if sum(getattr(options, name) for name in FAULTS) > 1 + 1e-9:
        parser.error("the shares of the faults add up to more than 1")
    return options


async def run(options: argparse.Namespace) -> None:
    """Serve until killed, or until the parent named in the options has gone."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    app = Service(options).app()
    await run_app(app, options.parent, options.port, keepalive_timeout=options.keep_alive)


async def run_app(app: web.Application, parent: int, port: int = 0, **how: Any) -> None:
    """Print the base URL of an app and serve it until its parent, if there is one, has gone."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, **how)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/v1\n")
    sys.stdout.flush()
    while not parent or os.getppid() == parent:
        await asyncio.sleep(0.5)


@dataclass
class Server:
    """A running server: `url` is the base URL for a client, and ends in /v1."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def alive(self) -> bool:
        """Ask the server whether it is up."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def requests(self) -> list[Json]:
        """Return the log, with a line for each reply a client has already seen."""
        self.alive()  # answered after the lines of earlier replies are written
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> None:
        """End the server at once, as a crash would; requests in flight break."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serve(log: Path, **options: str | float) -> Iterator[Server]:
    """Run a server for the length of a with block.

    Options are those of the command line: `with serve(log, p429=0.2, retry_after=1) as server:`.
    """
    command = [sys.executable, str(Path(__file__)), f"--log={log}", f"--parent={os.getpid()}"]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = Server(process.stdout.readline().strip(), log, process)
        try:
            if not server.url or not server.alive():
                raise RuntimeError(f"the test server did not start: {command}")
            yield server
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(run(parse(sys.argv[1:])))
