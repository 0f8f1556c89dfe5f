"""A local HTTP server with the few endpoints of the hub that an upload needs, for tests of faults.

It is no hub: it keeps files in memory, knows one token that may write, and can be told to fail. It
speaks the way without xet (whoami, repos/create, tree, preupload, LFS batch, commit).
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"
READER = "hf_that_may_only_read"


@dataclass
class Hub:
    """What the server holds, and what was asked of it."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    private: bool | None = None
    commits: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    broken: int = 0
    """Of the next commits, how many are answered with 400."""


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Keep still."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if not self._allowed():
            self._say(401, {"error": "Invalid credentials"})
        elif path == "/api/whoami-v2":
            self._say(200, {"name": "me", "type": "user", "auth": {}})
        elif self.hub.private is None:
            self._say(404, {"error": "Repository not found"})
        elif "/tree/" in path:
            self._say(200, [_file(name, data) for name, data in self.hub.files.items()])
        else:
            about = {"id": "me/data", "private": self.hub.private, "sha": "0" * 40}
            self._say(200, about | {"tags": [], "siblings": [], "author": "me"})

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            self._say(401, {"error": "Invalid credentials"})
        elif self.headers["Authorization"].endswith(READER):
            self._say(403, {"error": "You don't have the rights to create it"})
        elif path.endswith("/repos/create"):
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._say(200, {"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._say(200, {"files": [self._mode(one) for one in json.loads(body)["files"]]})
        elif path.endswith("/objects/batch"):
            self._say(200, {"objects": [self._action(one) for one in json.loads(body)["objects"]]})
        else:
            self._commit([json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self.path.rpartition("/")[2]
        assert hashlib.sha256(data).hexdigest() == oid
        self.hub.objects[oid] = data
        self.hub.uploads.append(oid)
        self._say(200, {})

    def _allowed(self) -> bool:
        return self.headers.get("Authorization") in (f"Bearer {TOKEN}", f"Bearer {READER}")

    def _create(self, asked: dict[str, Any]) -> None:
        if self.hub.private is not None:
            error = "You already created this dataset repo"
            self._say(409, {"error": error, "url": f"{self.hub.url}/datasets/me/data"})
            return
        self.hub.private = asked.get("private", asked.get("visibility") == "private")
        self._say(200, {"url": f"{self.hub.url}/datasets/me/data", "name": "me/data"})

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        name = file["path"]
        mode = "lfs" if name.endswith((".parquet", ".jsonl")) else "regular"
        known = self.hub.files.get(name)
        oid = _oid(known, mode) if known is not None else None
        return {"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _action(self, one: dict[str, Any]) -> dict[str, Any]:
        if one["oid"] in self.hub.objects:
            return dict(one)
        href = f"{self.hub.url}/objects/{one['oid']}"
        return {**one, "actions": {"upload": {"href": href, "header": {}}}}

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        if self.hub.broken:
            self.hub.broken -= 1
            self._say(400, {"error": "the commit can't be made"})
            return
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.hub.commits.append(value["summary"])
            elif line["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                del self.hub.files[value["path"]]
        commit = f"{len(self.hub.commits):040d}"
        url = f"{self.hub.url}/datasets/me/data/commit/{commit}"
        self._say(200, {"commitUrl": url, "commitOid": commit})

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _oid(data: bytes, mode: str) -> str:
    """Return what stands for a content: of large files sha256, of others git's own."""
    if mode == "lfs":
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": _oid(data, "regular")}


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run the server for as long as the block lasts."""
    hub = Hub()
    handler = type("Handler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
