"""HTTP to one OpenAI-compatible server, over aiohttp and with nothing in between.

The openai SDK costs 1.5 ms of CPU a request, four times what aiohttp does (docs/performance.md);
what it reads from the environment is read here: OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID,
OPENAI_PROJECT_ID, and the proxies. Connections idle for 4 s are dropped, since vLLM's server closes
them after 5 s and a request on a closing connection is lost.
"""

import base64
import contextlib
import io
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from gpte_data import __version__
from gpte_data.backends.openai_errors import (
    KEY,
    URL,
    StatusError,
    mendable,
    raise_if_refused,
    without_secrets,
)
from gpte_data.errors import BadOption

if TYPE_CHECKING:
    from aiohttp import ClientSession

OPENAI = "https://api.openai.com/v1"
KEEP_ALIVE = 4.0
"""Seconds that a connection may idle."""
LARGE = 1 << 20
"""Bytes; aiohttp warns of longer bodies that are no files."""
GREETING = 10.0
"""Seconds that a server may take to list its models."""


class Client(Protocol):
    """What a question is asked with."""

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a body as JSON and return the reply, read from JSON."""


class Server:
    """One base URL. Its session is opened in the event loop, by `open_session`.

    Raises:
        BadOption: The base URL is none, or its proxy is of a kind that aiohttp does not speak.

    """

    session: "ClientSession"

    def __init__(self, address: str, timeout: float) -> None:
        parts = _split(address)
        self.url = without_secrets(address)
        self.timeout = timeout
        self.is_https = parts.scheme == "https"
        host = parts.netloc.rpartition("@")[2]
        self._parts = parts._replace(netloc=host, path=parts.path.rstrip("/"), fragment="")
        self._urls: dict[str, Any] = {}
        self._more: dict[str, Any] = {}
        if parts.username:
            self._more["headers"] = {"Authorization": _basic(parts.username, parts.password or "")}
        if proxy := _proxy(parts.scheme, host):
            self._more["proxy"] = proxy

    def _url(self, path: str) -> Any:
        """Return the address of an endpoint, parsed once."""
        if path not in self._urls:
            from yarl import URL as Parsed

            self._urls[path] = Parsed(
                urlunsplit(self._parts._replace(path=self._parts.path + path))
            )
        return self._urls[path]

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a body as JSON and return the reply, read from JSON.

        Raises:
            StatusError: The status is no success.
            aiohttp.ClientError: The connection is lost or can't be made.
            TimeoutError: No reply in time.
            ValueError: The reply is not JSON.

        """
        data = orjson.dumps(body)
        async with self.session.post(
            self._url(path), data=data if len(data) < LARGE else io.BytesIO(data), **self._more
        ) as reply:
            content = await reply.read()
        if not 200 <= reply.status < 300:
            raise StatusError(reply.status, content, reply.headers)
        return orjson.loads(content)

    async def greet(self) -> Exception | None:
        """Ask for the list of models; return what speaks against a server being there.

        A server that has no such list (404, 405, …) is there.

        Raises:
            EndpointError: The server refuses the key.

        """
        from aiohttp import ClientTimeout

        limit = ClientTimeout(total=min(GREETING, self.timeout))
        try:
            async with self.session.get(self._url("/models"), timeout=limit, **self._more) as reply:
                content = await reply.read()
            if not 200 <= reply.status < 300:
                raise StatusError(reply.status, content, reply.headers)
            orjson.loads(content)
        except mendable() as error:
            raise_if_refused(self.url, error)
            status = error.status if isinstance(error, StatusError) else 500
            return None if status < 500 and status != 429 else error
        return None


def servers(base_urls: Sequence[str], timeout: float) -> list[Server]:
    """Return the servers to ask: those that are named, else what the environment names."""
    addresses = [url for url in base_urls if url] or [os.environ.get(URL) or OPENAI]
    return [Server(address, timeout) for address in dict.fromkeys(addresses)]


async def open_session(servers: Sequence[Server], timeout: float, most: int) -> "ClientSession":
    """Open the session that all servers share; to be called, and closed, in the event loop."""
    import aiohttp

    _allow_connections(most)
    secure = _trusted() if any(server.is_https for server in servers) else True
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=secure),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=30),
        headers=_headers(),
    )
    for server in servers:
        server.session = session
    return session


def _split(address: str) -> Any:
    """Return the parts of a base URL."""
    expected = "expected an address like http://localhost:8000/v1"
    try:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        raise BadOption(f"a base URL is no address: {expected}") from None
    raise BadOption(f"base URL {without_secrets(address)!r} is no address: {expected}")


def _headers() -> dict[str, str]:
    """Return what is sent with every request."""
    headers = {
        "Authorization": f"Bearer {os.environ.get(KEY) or 'none'}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"gpte-data/{__version__}",
    }
    more = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    return headers | {
        name: os.environ[known] for name, known in more.items() if known in os.environ
    }


def _basic(user: str, password: str) -> str:
    """Return the user and password of a base URL as a header."""
    pair = f"{unquote(user)}:{unquote(password)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for a host; None if it names none."""
    found = getproxies()
    proxy = found.get(scheme) or found.get("all")
    if not proxy or proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise BadOption(
            f"the proxy {without_secrets(proxy)} is not spoken: expected http://HOST:PORT"
        )
    return proxy


def _trusted() -> ssl.SSLContext:
    """Return what certificates are checked against: the system's, and certifi's where it is."""
    context = ssl.create_default_context()
    if not {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _allow_connections(most: int) -> None:
    """Raise the process's limit on open files where it would stop the connections."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits, or not ours
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < most + 512:
            wanted = most + 512 if hard == resource.RLIM_INFINITY else min(hard, most + 512)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
