"""A local stand-in for the OpenAI batch API, for tests of kills and of what a server may do.

Answers are those of `server.py` for the same request. Files and batches live in a folder, so the
server may be killed and started again:

    python tests/batch_server.py --folder DIR --polls 2

prints the base URL (it ends in /v1) as its first line; `serve_batches` does the same from a test.

A batch is in progress for --polls looks at it (six times as many for --slow ones), then does its
requests at once: each gets a line in `billed.jsonl` (batch, key as `server_answers.request_key`
names it, custom_id). --expire, --fail,
--cancel and --idle name batches by number, from 1, that end another way; of an expired or cancelled
one the first half is done. --perror and --pbad are shares of requests that get an error line or a
bad answer, --plost of those that get 500 in the error file, drawn from the request.

--hold WINDOW stops the server once, in a window of the client's life: the file `held` appears in
the folder, and the request waits until its client has gone. The windows: upload and create (the
work is done, the reply is withheld), arrived (a batch is asked for and not made), poll, content
(half of a file has been sent).
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web
from server import draw, run_app
from server_answers import Json, Refusal, answer, error_body, request_key, spoil

OVER = ("completed", "expired", "cancelled", "failed")


class Service:
    """The handlers, and the folder that they work in."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        for name in ("files", "batches"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/v1/models", self.models)
        if not self.options.without:
            app.router.add_post("/v1/files", self.upload)
            app.router.add_get("/v1/files/{name}/content", self.content)
            app.router.add_post("/v1/batches", self.create)
            app.router.add_get("/v1/batches", self.listed)
            app.router.add_get("/v1/batches/{name}", self.retrieve)
            app.router.add_post("/v1/batches/{name}/cancel", self.cancel)
        return app

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async def hold(self, window: str) -> None:
        """Stop here, once, if this is the window that was asked for."""
        mark = self.folder / "held"
        if self.options.hold == window and not mark.exists():
            mark.write_text(window)
            await asyncio.sleep(3600)

    async def upload(self, request: web.Request) -> web.Response:
        """Store a file; it is never in memory as a whole."""
        name = f"file-{len(list((self.folder / 'files').iterdir()))}"
        path = self.folder / "files" / name
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "file":
                with path.open("wb") as file:
                    while chunk := await part.read_chunk(1 << 16):
                        file.write(chunk)
            else:
                assert await part.text() == "batch"
        await self.hold("upload")
        return web.json_response(
            {
                "id": name, "object": "file", "bytes": path.stat().st_size, "created_at": 0,
                "filename": "x.jsonl", "purpose": "batch", "status": "processed",
            }
        )  # fmt: skip

    async def content(self, request: web.Request) -> web.StreamResponse:
        content = (self.folder / "files" / request.match_info["name"]).read_bytes()
        response = web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        await self.hold("content")
        if draw("cut", request.match_info["name"]) < self.options.pcut and self.once("cut"):
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write_eof(content[len(content) // 2 :])
        return response

    def once(self, name: str) -> bool:
        """Tell whether this is the first time; it is the second from then on."""
        mark = self.folder / name
        first = not mark.exists()
        mark.touch()
        return first

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self.hold("arrived")
        number = len(list((self.folder / "batches").iterdir())) + 1
        batch = {
            "id": f"batch_{number}", "object": "batch", "completion_window": "24h",
            "created_at": int(time.time()), "endpoint": body["endpoint"], "errors": None,
            "input_file_id": body["input_file_id"], "status": "validating", "polls": 0,
            "output_file_id": None, "error_file_id": None, "metadata": body.get("metadata"),
            "number": number, "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }  # fmt: skip
        self.save(batch)
        await self.hold("create")
        if self.options.lose_create and self.once("lost"):
            assert request.transport is not None
            request.transport.close()
        return web.json_response(batch)

    def save(self, batch: Json) -> None:
        path = self.folder / "batches" / f"{batch['number']}.json"
        path.with_suffix(".new").write_text(json.dumps(batch))
        path.with_suffix(".new").replace(path)

    async def listed(self, request: web.Request) -> web.Response:
        """List batches, the newest first, in pages of two at most."""
        batches = [json.loads(p.read_text()) for p in (self.folder / "batches").glob("*.json")]
        batches.sort(key=lambda batch: -int(batch["number"]))
        after = request.query.get("after")
        names = [batch["id"] for batch in batches]
        page = batches[names.index(after) + 1 :] if after else batches
        return web.json_response(
            {
                "object": "list", "data": page[:2], "has_more": len(page) > 2,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[:2][-1]["id"] if page else None,
            }
        )  # fmt: skip

    async def retrieve(self, request: web.Request) -> web.Response:
        path = self.folder / "batches" / f"{request.match_info['name'].removeprefix('batch_')}.json"
        if not path.exists():
            return web.json_response(error_body(404, "No such batch."), status=404)
        await self.hold("poll")
        batch = json.loads(path.read_text())
        batch["polls"] += 1
        if batch["status"] not in OVER:
            batch["status"] = "in_progress"
            slower = 6 if batch["number"] in self.options.slow else 1
            if batch["polls"] > self.options.polls * slower:
                self.end(batch)
        self.save(batch)
        return web.json_response(batch)

    async def cancel(self, request: web.Request) -> web.Response:
        path = self.folder / "batches" / f"{request.match_info['name'].removeprefix('batch_')}.json"
        batch = json.loads(path.read_text()) | {"status": "cancelled"}
        self.save(batch)
        return web.json_response(batch)

    def end(self, batch: Json) -> None:
        """Bring a batch to its end, whichever that is to be."""
        number, options = batch["number"], self.options
        if number in options.fail:
            said = {"code": options.fail_code, "message": "The file is no good.", "line": 1}
            batch |= {"status": "failed", "errors": {"object": "list", "data": [said]}}
            return
        lines = (self.folder / "files" / batch["input_file_id"]).read_text().splitlines()
        share = 0.5 if number in options.expire or number in options.cancel else 1.0
        done = 0 if number in options.idle else int(len(lines) * share)
        early = number in options.expire or number in options.idle
        batch["status"] = "expired" if early else "completed"
        if number in options.cancel:
            batch["status"] = "cancelled"
        replies = [self.do(batch, json.loads(line)) for line in lines[:done]]
        replies.reverse()  # the order of a batch's answers is not promised
        errors = [reply for reply in replies if reply["response"]["status_code"] != 200]
        answered = [reply for reply in replies if reply["response"]["status_code"] == 200]
        for line in lines[done:]:
            code = {"code": f"batch_{batch['status']}", "message": "This request was not done."}
            errors.append(
                {"custom_id": json.loads(line)["custom_id"], "response": None, "error": code}
            )
        batch["output_file_id"] = self.store(f"out-{number}", answered)
        batch["error_file_id"] = self.store(f"err-{number}", errors)
        batch["request_counts"] = {
            "total": len(lines), "completed": len(answered), "failed": len(errors),
        }  # fmt: skip

    def store(self, name: str, lines: list[Json]) -> str | None:
        if lines:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (self.folder / "files" / name).write_text(text)
        return name if lines else None

    def do(self, batch: Json, line: Json) -> Json:
        """Answer one request of a batch; only what is answered is billed."""
        body, options = line["body"], self.options
        key = request_key("chat", body)
        try:
            if draw("error", key) < options.perror:
                raise Refusal(400, "The request is refused on purpose.")
            if draw("lost", key, batch["number"]) < options.plost:
                raise Refusal(500, "The request was lost on purpose.")
            reply = answer("chat", body, key, 0, json.loads(self.options.script))
        except Refusal as refusal:
            status, reply = refusal.status, refusal.body
        else:
            status = 200
            repairing = any(message["role"] == "assistant" for message in body["messages"])
            share = options.pbadrepair if repairing else options.pbad
            if draw("bad", key) < share:
                reply = spoil(reply, key)
            self.bill({"batch": batch["id"], "key": key, "custom_id": line["custom_id"]})
        response = {"status_code": status, "request_id": key[:12], "body": reply}
        return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}

    def bill(self, line: Json) -> None:
        with (self.folder / "billed.jsonl").open("a") as billed:
            billed.write(json.dumps(line) + "\n")


def numbers(text: str) -> set[int]:
    return {int(number) for number in text.split(",") if number}


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--polls", type=int, default=1, help="looks at a batch before it is over")
    for name in ("expire", "idle", "fail", "cancel", "slow"):
        parser.add_argument(f"--{name}", type=numbers, default=set(), help="batches, 1,3")
    parser.add_argument("--fail-code", default="invalid_json_line")
    for name in ("perror", "plost", "pbad", "pbadrepair", "pcut"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--hold", default="")
    parser.add_argument("--script", default="{}", help="as that of server.py")
    parser.add_argument("--lose-create", type=int, default=0, help="break the first reply")
    parser.add_argument("--without", type=int, default=0, help="have no batch API")
    parser.add_argument("--parent", type=int, default=0, help="end when this process has gone")
    return parser.parse_args(arguments)


@dataclass
class BatchServer:
    """A running server and its folder."""

    url: str
    folder: Path

    def billed(self) -> list[Json]:
        """Return what was billed: batch, key, custom_id."""
        path = self.folder / "billed.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def batches(self) -> list[Json]:
        """Return the batches, the oldest first."""
        found = [json.loads(path.read_text()) for path in (self.folder / "batches").glob("*.json")]
        return sorted(found, key=lambda batch: int(batch["number"]))

    def inputs(self) -> list[list[str]]:
        """Return the custom ids of each batch."""
        lines = [
            (self.folder / "files" / batch["input_file_id"]).read_text().splitlines()
            for batch in self.batches()
        ]
        return [[json.loads(line)["custom_id"] for line in file] for file in lines]


@contextlib.contextmanager
def serve_batches(folder: Path, **options: Any) -> Iterator[BatchServer]:
    """Run a server for the length of a with block; what is in the folder goes on."""
    command = [sys.executable, str(Path(__file__)), f"--folder={folder}", f"--parent={os.getpid()}"]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield BatchServer(process.stdout.readline().strip(), folder)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    options = parse(sys.argv[1:])
    asyncio.run(run_app(Service(options).app(), options.parent))
