"""Personas that are distinct: no copies, no near-duplicates, and not too many of one domain.

Decided in the order of the rows and in one pass; only what is kept can put another out. Two domains
are the same if their names are, whatever their case and spaces; nothing is guessed beyond that.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from gpte_data.backends import Embedder
from gpte_data.backends.embedded import embed
from gpte_data.stage import Event, Rejected, Row

if TYPE_CHECKING:
    from gpte_data.near_duplicates import Kept

BLOCK = 256
"""Personas embedded together."""
COPY = "copy of another persona"
NEAR = "near-duplicate of another persona"
SAME_ID = "persona_id of another persona"
FULL = "domain is full"


class Distinct:
    """Keeps what is distinct, and remembers it: an id, a hash and a vector for each.

    Args:
        threshold: Cosine from which two personas are near-duplicates.
        per_domain: Personas kept of one domain; None, or a persona without a domain: no limit.
        embedder: What makes vectors; None where copies alone are dropped.
        notes: Where texts that were cut are counted.
    """

    def __init__(
        self,
        threshold: float,
        per_domain: int | None,
        embedder: Embedder | None,
        notes: "Counter[str]",
    ) -> None:
        self.threshold = threshold
        self.per_domain = per_domain
        self.embedder = embedder
        self.notes = notes
        self._names: list[str] = []
        """The ids of those kept, in their order."""
        self._ids: set[str] = set()
        self._copies: dict[bytes, str] = {}
        """Hash of a text, without case and spaces -> the id of the persona that says so."""
        self._domains: Counter[str] = Counter()

    def of(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events with those rows that are distinct; the others become Rejected."""
        from gpte_data.near_duplicates import Kept

        kept, block = Kept(self.threshold), list[Row]()
        for event in events:
            if not isinstance(event, dict):
                yield event
            elif twin := self._copy_of(event):
                yield twin
            else:
                block.append(event)
            if len(block) == BLOCK:
                yield from self._block(block, kept)
                block = []
        yield from self._block(block, kept)

    def _block(self, rows: list[Row], kept: "Kept") -> Iterator[Event]:
        """Decide on some rows, in order."""
        if self.embedder is not None and rows:
            made = embed(self.embedder, [row["persona"] for row in rows])
            if made.truncated:
                self.notes["personas longer than the teacher takes, truncated"] += made.truncated
            kept.begin(made.vectors)
        for number, row in enumerate(rows):
            rejected = self._copy_of(row) or self._alike(row, number, kept) or self._surplus(row)
            if rejected:
                yield rejected
                continue
            self._names.append(row["persona_id"])
            self._ids.add(row["persona_id"])
            self._copies[_digest(row)] = row["persona_id"]
            self._domains[_domain(row)] += 1
            if self.embedder is not None:
                kept.keep(number)
            yield row

    def _copy_of(self, row: Row) -> Rejected | None:
        """Return the row rejected if one that is kept says the same, or has its id."""
        if twin := self._copies.get(_digest(row)):
            return Rejected(row | {"duplicate_of": twin, "similarity": 1.0}, COPY)
        return Rejected(row, SAME_ID) if row["persona_id"] in self._ids else None

    def _alike(self, row: Row, number: int, kept: "Kept") -> Rejected | None:
        """Return the row rejected if one that is kept is too near."""
        found = kept.nearest(number) if self.embedder is not None else None
        if found is None:
            return None
        place, cosine = found
        twin = {"duplicate_of": self._names[place], "similarity": round(cosine, 4)}
        return Rejected(row | twin, NEAR)

    def _surplus(self, row: Row) -> Rejected | None:
        """Return the row rejected if there are enough of its domain."""
        domain = _domain(row)
        full = bool(domain) and self._domains[domain] == self.per_domain
        return Rejected(row, FULL) if full else None


def _digest(row: Row) -> bytes:
    """Return a hash of what a persona says, the same in any case and with any spaces."""
    said = " ".join(row["persona"].casefold().split())
    return sha256(said.encode(errors="replace")).digest()[:16]


def _domain(row: Row) -> str:
    return " ".join(str(row.get("domain") or "").casefold().split())
