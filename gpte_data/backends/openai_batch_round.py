"""One call of `complete` through a batch API: send what was never sent, wait, collect, in order.

What is collected follows from the files of the batches alone. So a process that was killed and
begins again collects the same, in the same order: a batch before those that hold its left-overs.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gpte_data.backends import Completion, Keep, Request
from gpte_data.backends.openai_batch_book import ASK, REPAIR, Book, Record
from gpte_data.backends.openai_batch_lines import (
    body,
    is_queue_full,
    mended,
    outcome,
    reason_of,
    standing,
)  # fmt: skip
from gpte_data.backends.openai_batch_server import BatchServer
from gpte_data.backends.openai_batch_spool import Desk, Parcel
from gpte_data.errors import EndpointError

TRIES = 3
"""Batches that a question is put into whose line comes back without an answer or a refusal."""
TELL = 60.0
"""Seconds between lines on stderr about a batch whose state is the same."""
AGAIN = "run the same command again to ask what is left"


class Round:
    """The questions of one call, and the batches that hold them.

    Args:
        model: The model's name at the server.
        server: Where batches are made.
        book: Where they are written down.
        desk: Where questions and answers are held.
        pauses: Seconds between two looks at the batches, at first and at most.
    """

    def __init__(
        self, model: str, server: BatchServer, book: Book, desk: Desk, pauses: tuple[float, float]
    ) -> None:
        self.model, self.server, self.book, self.desk = model, server, book, desk
        self.folder: Path = book.path.parent
        self.pauses = pauses
        self.pause = pauses[0]
        self.under_way: dict[int, Record] = {}
        self.put_off: list[tuple[str, Record | None, list[str]]] = []
        self.collected = 0
        self.made: dict[int, int] = {}
        """How many batches had been collected when one was made."""
        self.told: dict[str, tuple[str, float]] = {}

    def answers(self, requests: Iterable[Request], keep: Keep) -> Iterator[Completion]:
        """Send all requests that are in no batch yet, and yield the answers in order."""
        self._send(ASK, None, self._unsent(requests))
        for completion in self.desk.in_order():
            if completion is None:
                self._collect_next(keep)
            else:
                yield completion

    def _unsent(self, requests: Iterable[Request]) -> Iterator[str]:
        """Yield the keys of requests that no batch holds; find the batches that hold the others."""
        for request in requests:
            if not self.desk.take(request):
                continue
            number = self.book.last.get(request.key)
            if number is None:
                yield request.key
            elif number not in self.under_way:
                for record in self.book.line_up(number):
                    self.under_way[record.number] = record

    def _send(self, kind: str, parent: Record | None, keys: Iterable[str]) -> None:
        """Make batches of questions, as few as may be."""
        parcel = Parcel(self.folder)
        for key in keys:
            asked = body(self.model, self.desk.question(key), self._bad(kind, key))
            if not parcel.add(key, asked):
                self._make(kind, parent, parcel)
                parcel = Parcel(self.folder)
                parcel.add(key, asked)
        self._make(kind, parent, parcel)

    def _bad(self, kind: str, key: str) -> Completion | None:
        return self.desk.aside(key) if kind == REPAIR else None

    def _make(self, kind: str, parent: Record | None, parcel: Parcel) -> None:
        """Make a batch: written down before, and again as soon as it has an id."""
        with parcel.file as file:
            if not parcel.keys:
                return
            record = self.book.intend(kind, parent, parcel.keys)
            uploaded = self.server.upload(file, f"gpte-data-{record.label[:16]}.jsonl")
            self.book.created(record, self.server.create(uploaded, record))
        _say(
            f"batch {record.id}: {len(parcel.keys):,} requests are at the server; "
            "this may be stopped at any time, the same command goes on"
        )
        self.under_way[record.number] = record
        self.made[record.number] = self.collected
        self.pause = self.pauses[0]

    def _collect_next(self, keep: Keep) -> None:
        """Collect the oldest batch that is over, or wait a while.

        What has left-overs in a younger one is over itself, and so collected before it.
        """
        assert self.under_way, "questions are left that are in no batch"
        for number, record in sorted(self.under_way.items()):
            batch = self.server.retrieve(record)
            self._tell(batch)
            if batch.status in ("completed", "expired", "cancelled", "failed"):
                self.pause = self.pauses[0]
                self._collect(record, batch, keep)
                del self.under_way[number]
                return
        time.sleep(self.pause)
        self.pause = min(self.pause * 1.5, self.pauses[1])

    def _collect(self, record: Record, batch: Any, keep: Keep) -> None:
        """Take the answers of a batch that is over, and send what is left of it on its way."""
        for file in (batch.output_file_id, batch.error_file_id):
            for line in self.server.lines(file, self.folder):
                self._take(record, line, keep)
        numbers, last = self.desk.numbers, self.book.last
        left = [key for key in numbers if last.get(key) == record.number and self.desk.is_open(key)]
        if batch.status == "failed":
            self._not_taken(record, batch, left)
            return
        self.collected += 1
        bad = [key for key in left if record.kind == ASK and self.desk.aside(key)]
        rest = [key for key in left if record.kind == REPAIR or not self.desk.aside(key)]
        self._send(REPAIR, record, bad)
        self._stop_if_ended_early(record, batch, rest)
        if batch.status == "completed" and self._tries(record) >= TRIES:
            self._give_up(rest)
        else:
            self._send(record.kind, record, rest)
        put_off, self.put_off = self.put_off, []
        for kind, parent, keys in put_off:
            self._send(kind, parent, keys)

    def _take(self, record: Record, line: Any, keep: Keep) -> None:
        """Take what a line of a batch says; lines that nobody waits for any more say nothing."""
        key = line.get("custom_id") if isinstance(line, dict) else None
        if not isinstance(key, str) or not self.desk.is_open(key):
            return
        request = self.desk.question(key)
        found = outcome(self.server.url, line, request)
        bad = self.desk.aside(key)
        if found is None or (bad and record.kind == ASK):
            return
        if found.is_bad and record.kind == ASK:
            self.desk.set_aside(key, found.completion)
            return
        completion = mended(bad, found) if bad else found.completion
        if completion.answer is not None:
            keep(request, completion)
        self.desk.close(key, completion)

    def _not_taken(self, record: Record, batch: Any, left: Sequence[str]) -> None:
        """End the run; but if batches of ours filled the queue, send this one after them."""
        self.book.forget(record, left)
        again = record.kind, self.book.parent(record), list(left)
        if is_queue_full(batch) and self.collected > self.made.get(record.number, 0):
            self._send(*again)
        elif is_queue_full(batch) and len(self.under_way) > 1:
            self.put_off.append(again)
        else:
            raise EndpointError(
                f"{self.server.url} takes no batch: {reason_of(batch)}: mend that and {AGAIN}"
            )

    def _stop_if_ended_early(self, record: Record, batch: Any, rest: Sequence[str]) -> None:
        """End the run, once, where a batch was cancelled, or where a day brought no answer."""
        idle = batch.status == "expired" and not standing(batch)["completed"]
        if rest and not record.told and (idle or batch.status == "cancelled"):
            self.book.tell(record)
            why = "expired without an answer" if idle else "was cancelled"
            raise EndpointError(
                f"the batch {record.id} at {self.server.url} {why} ({reason_of(batch)}): {AGAIN}"
            )

    def _tries(self, record: Record) -> int:
        """Return how often the left-overs of a batch have been sent."""
        return sum(above.kind == record.kind for above in self.book.line_up(record.number))

    def _give_up(self, keys: Iterable[str]) -> None:
        """Let questions fail that the server takes and does not answer."""
        for key in keys:
            failed = self.desk.aside(key) or Completion(None, f"no answer in {TRIES} batches")
            self.desk.close(key, failed)

    def _tell(self, batch: Any) -> None:
        """Say on stderr how a batch is doing, when that changes and once a minute."""
        counts, now = standing(batch), time.monotonic()
        before, when = self.told.get(batch.id, ("", 0.0))
        if batch.status == before and now - when < TELL:
            return
        self.told[batch.id] = (batch.status, now)
        done = counts["completed"] + counts["failed"]
        _say(f"batch {batch.id}: {batch.status}, {done:,} of {counts['total']:,} requests done")


def _say(line: str) -> None:
    """Write a line to stderr, above the bar that may be there."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)
